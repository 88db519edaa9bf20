"""How far a `.tflite` looks around a pixel, worked out from its ops."""
