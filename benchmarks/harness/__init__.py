"""Measures models in interleaved rounds, on this machine and on devices."""
