import numpy as np
import pytest

from lpie.errors import InputError
from lpie.image.image import cut, pad_reflect
from lpie.restore.restorer import Restorer
from lpie.restore.stitching import stitch
from lpie.restore.tile_policy import Plan


class Scaled:
    """Multiplies by the share of the tile in the photo: as a network that sees it all would err."""

    multiple, halo_px, fixed = 1, None, None

    def __init__(self, factor=lambda image: 1.0):
        self._factor = factor

    def run(self, image):
        return image * np.float32(self._factor(image))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("size", [(100, 300), (64, 64), (301, 65), (1, 1)])
def test_blended_tiles_of_nothing_changed_are_the_photo(size, dtype):
    photo = np.random.default_rng(0).random((*size, 3))
    photo = (photo * (1 if dtype == np.float32 else np.iinfo(dtype).max)).astype(dtype)
    out = Restorer(Scaled(), tile_px=64).restore(photo)
    np.testing.assert_allclose(out, photo, atol=1e-6 if dtype == np.float32 else 0)


def test_weights_add_up_to_one():
    """Laid in turn, tiles of value 1 over garbage give 1, and no seam is left of other values."""
    plan = Plan((300, 280), (100, 90), 32, 1, exact=False)
    out = np.full((300, 280, 3), np.nan, np.float32)
    for part in plan.tiles():
        stitch(np.ones((*part.size, 3), np.float32), part, plan, out)
    np.testing.assert_allclose(out, 1, atol=1e-6)


def test_neighbours_that_differ_pass_over_smoothly():
    """Tiles that differ by 0.1 to 0.4 from each other: next to each other pixels hardly do."""
    plan = Plan((300, 280), (100, 90), 32, 1, exact=False)
    rng = np.random.default_rng(0)
    out = np.zeros((300, 280, 3), np.float32)
    for part in plan.tiles():
        stitch(np.full((*part.size, 3), rng.random(), np.float32), part, plan, out)
    for axis in (0, 1):
        assert np.abs(np.diff(out, axis=axis)).max() < 1.5 / 32


def test_a_result_has_a_place_of_its_own():
    """Tiles read what lies around them, so what is already restored must not be in their way."""
    photo = np.random.default_rng(0).random((70, 64, 3), np.float32)
    restorer = Restorer(Scaled(), tile_px=64)
    with pytest.raises(InputError, match="`out` must not share memory with `image`"):
        restorer.restore(photo, out=photo)
    both = np.concatenate([photo, photo], axis=1)
    restorer.restore(both[:, :64], out=both[:, 64:])
    np.testing.assert_allclose(both[:, 64:], photo, atol=1e-6)
    for out in (np.zeros((70, 65, 3), np.uint8), np.zeros((70, 64, 3), int), photo[None].copy()):
        with pytest.raises(InputError, match=r"`out` must have the shape \(70, 64, 3\)"):
            restorer.restore(photo, out=out)
    with pytest.raises(InputError, match=r"`plan` is for images up to 64x64\. Received: 64x70"):
        restorer.restore(photo, plan=Plan((64, 64), (64, 64), 0, 1))


@pytest.mark.parametrize(
    ("origin", "size"), [((0, 0), (5, 7)), ((3, 2), (9, 12)), ((4, 0), (40, 9))]
)
def test_a_cut_is_that_of_the_padded_photo(origin, size):
    photo = np.random.default_rng(0).random((5, 7, 3))
    (y, x), (h, w) = origin, size
    expected = pad_reflect(photo, max(y + h, 5), max(x + w, 7))[y : y + h, x : x + w]
    np.testing.assert_array_equal(cut(photo, origin, size), expected)
