"""Studies of phone NPUs, by the tools of their maker."""
