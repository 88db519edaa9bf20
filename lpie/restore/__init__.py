"""Restores photos of any size by tiles."""
