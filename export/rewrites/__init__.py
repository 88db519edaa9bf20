"""Exact rewrites of a network for one kind of runtime."""
