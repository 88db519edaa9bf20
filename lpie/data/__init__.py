"""Photos in, training batches out."""
