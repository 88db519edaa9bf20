import numpy as np
import pytest

from lpie.errors import InputError
from lpie.tiling import plan_tiles


@pytest.mark.parametrize("size", [(64, 96), (64, 100), (100, 340), (512, 96), (400, 404)])
@pytest.mark.parametrize("tile", [(64, 64), (64, 96)])
def test_every_pixel_is_kept_once_and_lies_inside_the_halo(size, tile):
    halo = 20
    kept = np.zeros(size, int)
    for part in plan_tiles(size, tile, halo_px=halo, multiple=4):
        assert part.size == tile
        for axis in (0, 1):
            origin, start, stop = part.origin[axis], part.start[axis], part.stop[axis]
            assert origin % 4 == 0
            assert 0 <= origin <= size[axis] - tile[axis]
            assert start == 0 or start - origin >= halo
            assert stop == size[axis] or origin + tile[axis] - stop >= halo
        kept[part.start[0] : part.stop[0], part.start[1] : part.stop[1]] += 1
    assert (kept == 1).all()


@pytest.mark.parametrize(
    ("size", "tile", "words"),
    [
        ((66, 64), (64, 64), "multiples of 4"),
        ((64, 64), (66, 64), "multiples of 4"),
        ((64, 64), (128, 64), "must not exceed"),
        ((128, 128), (40, 40), "at least 44 px"),
    ],
)
def test_refuses_a_plan_that_cannot_work(size, tile, words):
    with pytest.raises(InputError, match=words):
        plan_tiles(size, tile, halo_px=20, multiple=4)
