"""TIFF files: their pages, and what of libtiff and imagecodecs they need."""
