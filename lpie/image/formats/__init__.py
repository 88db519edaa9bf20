"""The formats of photo files: each one is read and written by the library that knows it best."""
