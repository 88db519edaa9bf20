"""Writes a real photo with noise of sigma 25 to argv[1]: Chelsea, by Stéfan van der Walt, CC0."""

import sys

import numpy as np
from skimage import data, io

photo = data.chelsea()[:, 40:341]
noisy = photo + np.random.default_rng(0).normal(0, 25, photo.shape)
io.imsave(sys.argv[1], np.clip(np.rint(noisy), 0, 255).astype(np.uint8), check_contrast=False)
