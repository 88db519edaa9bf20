"""Public data sets, cut into shards."""
