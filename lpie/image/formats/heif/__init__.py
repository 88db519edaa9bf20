"""HEIC and AVIF files, whose boxes are alike."""
