"""Verbs about `.tflite` files: export, inspect, verify."""
