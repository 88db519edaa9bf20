"""Photos in and out of files, and metrics on them."""
