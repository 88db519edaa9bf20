"""Blur by lenses, moving cameras, moving objects and displays."""
