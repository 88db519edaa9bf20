"""Compares a `.tflite` file with its Keras network."""
