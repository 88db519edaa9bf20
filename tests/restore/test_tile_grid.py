import numpy as np
import pytest

from lpie.errors import InputError
from lpie.restore.tile_grid import even_tile, plan_tiles


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


@pytest.mark.parametrize("halo", [0, 3, 32, 73])
@pytest.mark.parametrize("multiple", [1, 4, 8])
def test_the_even_tile_is_the_smallest_of_its_number(halo, multiple):
    rng = np.random.default_rng(0)
    least = -(-(2 * halo + multiple) // multiple) * multiple
    for length, most in rng.integers(1, 500, (200, 2)) * multiple:
        most = min(max(most, least), length)
        size, largest = (int(length), multiple), (int(most), multiple)
        tile = even_tile(size, largest, halo_px=halo, multiple=multiple)
        plan = plan_tiles(size, tile, halo_px=halo, multiple=multiple)
        assert tile[0] <= most
        assert len(plan) == len(plan_tiles(size, largest, halo_px=halo, multiple=multiple))
        if tile[0] - multiple >= least and len(plan) > 1:
            smaller = (tile[0] - multiple, multiple)
            assert len(plan_tiles(size, smaller, halo_px=halo, multiple=multiple)) > len(plan)


def test_tiles_divide_the_picture_evenly():
    size = (1080, 1920)
    tile = even_tile(size, (768, 768), halo_px=32, multiple=4)
    plan = plan_tiles(size, tile, halo_px=32, multiple=4)
    widths = {part.stop[1] - part.start[1] for part in plan}
    assert (tile, len(plan)) == ((572, 684), 6)
    assert max(widths) - min(widths) <= 36  # the tiles at the border have no halo on one side
