"""Measures what blended tiles lose against the whole image, of a network that is not local."""

import math

import numpy as np

from lpie.backend import keras
from lpie.restore.restorer import Restorer

# The size of a picture that takes two tiles in each direction.
SIZE, TILE_PX = (112, 128), 96


def tiling_db(model: keras.Model) -> float:
    """The signal-to-error ratio (dB) of the residual of blended tiles, against the whole image's.

    It is infinite where there is no difference. The picture is a gradient with noise.
    """
    h, w = SIZE
    noise = np.random.default_rng(0).normal(0, 0.1, (h, w, 3)).astype(np.float32)
    image = np.linspace(0.1, 0.9, w, dtype=np.float32)[:, None] + noise
    whole = Restorer(model).restore(image)
    tiled = Restorer(model, tile_px=TILE_PX).restore(image)
    error, residual = (float(np.square(x).mean()) for x in (tiled - whole, whole - image))
    return 10 * math.log10(residual / error) if error else math.inf


def randomize(model: keras.Model) -> None:
    """Move every weight of `model` a little: those that start at zero would hide a network.

    The noise has a tenth of the deviation of the weight's array; where all are alike, it is 0.1.
    """
    rng = np.random.default_rng(0)
    model.set_weights(
        [w + rng.normal(0, 0.1 * (float(w.std()) or 1), w.shape) for w in model.get_weights()]
    )
