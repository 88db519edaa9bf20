import pytest

pytest.importorskip("keras")

from lpie.backend import keras
from lpie.evaluation.blended_tiles import tiling_db
from lpie.models.graph.analysis import analyse
from tests.models.test_zoo import SMALL, random_model


def test_what_blended_tiles_lose():
    """Each tile of NAFNet has a mean of its own."""
    pooled = random_model(*SMALL["nafnet"])
    assert analyse(pooled).halo_px is None
    assert 0 < tiling_db(pooled) < 100


def test_local_tiles_lose_nothing():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(3, 5, padding="same")(image))
    assert analyse(model).halo_px == 2
    assert tiling_db(model) > 120
