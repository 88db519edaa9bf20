"""Released PyTorch weights as Keras weights."""
