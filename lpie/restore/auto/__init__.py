"""Which pretrained network a photo needs, if any: by classical estimates, without a network."""
