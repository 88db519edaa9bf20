"""The `lpie` command: one file a verb."""
