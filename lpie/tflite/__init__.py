"""`.tflite` files: read, edited, resized, costed and run."""
