"""Files that lpie did not write: checked when they are read, and run in a process of their own."""
