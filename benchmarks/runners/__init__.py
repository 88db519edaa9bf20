"""The programs that run a model on a device."""
