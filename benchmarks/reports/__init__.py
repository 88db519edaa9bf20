"""Pages and tables about runs and records."""
