"""Programs that benchmarks start as processes of their own; nothing imports them.

Each reads a JSON object a line on stdin, the first of which is its job, and answers each with one.
"""
