"""What a phone's NPU would take for a network, by its maker's own estimate."""
