"""What blended tiles lose against the whole image, of a network that is not local."""

import math

import numpy as np

from lpie.backend import keras
from lpie.restore.restorer import Restorer

# A picture that two tiles are laid over in each direction.
SIZE, TILE_PX = (112, 128), 96


def tiling_db(model: keras.Model) -> float:
    """How far the residual of blended tiles is from the whole image's, in dB of the latter.

    Infinite where there is no difference. The picture is a gradient with noise.
    """
    h, w = SIZE
    noise = np.random.default_rng(0).normal(0, 0.1, (h, w, 3)).astype(np.float32)
    image = np.linspace(0.1, 0.9, w, dtype=np.float32)[:, None] + noise
    whole = Restorer(model).restore(image)
    tiled = Restorer(model, tile_px=TILE_PX).restore(image)
    error, residual = (float(np.square(each).mean()) for each in (tiled - whole, whole - image))
    return 10 * math.log10(residual / error) if error else math.inf


def randomize(model: keras.Model) -> None:
    """Move every weight of `model` a little, also those that start at zero and hide a network.

    By a tenth of what the weights of its array differ by; where they are all alike, by 0.1.
    """
    rng = np.random.default_rng(0)
    model.set_weights(
        [w + rng.normal(0, 0.1 * (float(w.std()) or 1), w.shape) for w in model.get_weights()]
    )
