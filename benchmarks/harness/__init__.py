"""Measures models in interleaved rounds, on this computer and on devices."""
