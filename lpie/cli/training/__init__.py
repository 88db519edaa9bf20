"""Verbs that make networks: train, quantize-aware, compress, data, models, import-weights."""
