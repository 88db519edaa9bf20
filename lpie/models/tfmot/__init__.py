"""Quantization-aware training, pruning and clustering by tensorflow-model-optimization."""
