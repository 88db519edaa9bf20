"""What int8 files need beside TensorFlow's converter."""
