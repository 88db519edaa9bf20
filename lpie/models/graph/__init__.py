"""Walks, measures and rebuilds the graph of a Keras network."""
