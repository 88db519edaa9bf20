"""One module per verb of the command line, each holding a click command of its own name."""
