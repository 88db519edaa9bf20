"""Reading metadata from the segments, chunks and boxes of each format, and splicing it in."""
