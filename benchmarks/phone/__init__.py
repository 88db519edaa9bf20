"""Phones and boards over adb: how a `.tflite` runs there, how fast, how exactly, how hot."""
