"""Verbs that measure: bench, compare, predict, report."""
