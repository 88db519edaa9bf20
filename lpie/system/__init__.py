"""Files, signals, quiet libraries and the environment."""
