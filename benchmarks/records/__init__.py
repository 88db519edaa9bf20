"""Records of measurements: schema, verdict, statistics, comparison."""
