"""Studies of exports: recipes, rewrites, pruning, cost."""
