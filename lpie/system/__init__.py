"""Files, signals, quiet libraries, and what this machine is."""
