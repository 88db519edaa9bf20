"""What the logs of TFLite's and LiteRT's benchmark tools say, one subject in each module."""
