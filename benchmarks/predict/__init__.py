"""Estimates the latency of a model on a phone."""
