"""Plans by rates and memory that are given: nothing is measured here."""

import numpy as np
import pytest

from lpie.errors import InputError
from lpie.restore.tile_grid import even_lengths, plan_tiles
from lpie.restore.tile_policy import (
    DEFAULT_TILE_PX,
    Budget,
    Plan,
    Rates,
    fastest_plan,
    shares,
    unmeasured_plan,
    whole_or_blended_plan,
)
from lpie.size import Size

GRID = {"halo_px": 16, "multiple": 4}
ONE, TWO = Rates(1, 2, setup_s_per_pixel=0), Rates(2, 1, setup_s_per_pixel=0)


def plan(size, rates, budget_mb=1e9, **options):
    return fastest_plan(
        Size(*size),
        rates=rates,
        estimate_mb=lambda area: area / 1e3,
        budget=Budget(budget_mb),
        **GRID,
        **options,
    )


def test_a_photo_that_fits_is_one_tile():
    found = plan((400, 600), [ONE])
    assert (found.tile, found.workers, found.threads) == ((400, 600), 1, 2)
    assert len(found.tiles()) == 1


@pytest.mark.parametrize("budget_mb", [10, 50, 200, 500])
@pytest.mark.parametrize("size", [(400, 600), (4, 3000), (2160, 3840)])
def test_the_budget_is_kept(size, budget_mb):
    found = plan(size, [TWO, ONE], budget_mb)
    assert found.estimated_mb == found.workers * found.tile[0] * found.tile[1] / 1e3 <= budget_mb


def test_a_budget_for_nothing_is_one_sentence():
    with pytest.raises(InputError, match=r"the smallest tile 1\.3 MB. Use at least 2\."):
        plan((400, 600), [ONE], 1)
    assert str(Budget(1, 0.9).too_small(9.0)) == (
        "`max_memory_mb` 1 is too small: the result takes 0.9 MB and the smallest tile 9 MB. "
        "Use at least 10."
    )


@pytest.mark.parametrize("size", [(400, 600), (4, 3000), (60, 3000)])
def test_a_network_of_unknown_speed_keeps_to_the_budget(size):
    options = {"mb_per_px": 1e-3, **GRID}
    roomy = unmeasured_plan(Size(*size), budget=Budget(1e9), **options)
    assert max(roomy.tile) <= DEFAULT_TILE_PX
    with pytest.raises(InputError, match="is too small") as error:
        unmeasured_plan(Size(*size), budget=Budget(0.1), **options)
    least_mb = int(str(error.value).split()[-1].rstrip("."))
    found = unmeasured_plan(Size(*size), budget=Budget(least_mb), **options)
    assert 0 < found.estimated_mb <= least_mb
    assert len(found.tiles()) > 1


def test_the_faster_way_is_taken():
    fast_together = Rates(2, 1, (1e4, 1e6), (4e6, 4e6), 0)
    slow_alone = Rates(1, 2, (1e4, 1e6), (1e6, 1e6), 0)
    assert plan((2160, 3840), [fast_together, slow_alone]).workers == 2
    assert plan((2160, 3840), [fast_together, slow_alone], most_px=100).tile[0] <= 100
    assert plan((24, 24), [fast_together]).workers == 1  # there is one tile


def test_small_tiles_where_these_are_faster():
    """Their overlap costs less than large ones lose out of the cache."""
    flat, falling = Rates(1, 1, setup_s_per_pixel=0), Rates(1, 1, (1e4, 1e5), (9e6, 1e6), 0)
    large, small = (plan((2160, 3840), [rate]).tile for rate in (flat, falling))
    assert np.prod(small) < np.prod(large) / 4


def test_two_workers_share_the_tiles_evenly():
    assert len(plan((1080, 1920), [TWO]).tiles()) % 2 == 0


@pytest.mark.parametrize("halo_px", [0, 16, 68])
@pytest.mark.parametrize("length", [4, 40, 300, 1920, 20000])
def test_even_lengths_are_all_there_are(length, halo_px):
    found = even_lengths(length, 800, halo_px=halo_px, multiple=4)
    assert [n for _, n in found] == sorted({n for _, n in found})
    for tile, count in found:
        assert tile <= min(length, 800)
        assert len(plan_tiles((length, 4), (tile, 4), halo_px=halo_px, multiple=4)) == count


@pytest.mark.parametrize(
    ("fixed", "halo_px", "tile_px", "expected"),
    [
        (None, None, None, Plan((300, 500), (300, 500), 64, 1)),
        (None, None, 200, Plan((300, 500), (200, 200), 50, 1, exact=False)),
        ((256, 256), None, None, Plan((300, 500), (256, 256), 64, 1, exact=False)),
        ((512, 512), None, None, Plan((512, 512), (512, 512), 64, 1)),
        ((256, 256), 20, None, Plan((300, 500), (256, 256), 20, 1)),
        ((512, 64), None, None, Plan((512, 500), (512, 64), 16, 1, exact=False)),
    ],
)
def test_networks_of_one_size_or_without_a_halo(fixed, halo_px, tile_px, expected):
    assert whole_or_blended_plan(Size(300, 500), fixed, halo_px, 1, tile_px) == expected


def test_shares_of_the_threads():
    assert list(shares(1)) == [(1, 1)]
    assert list(shares(2)) == [(2, 1), (1, 2)]
    assert list(shares(16)) == [(16, 1), (4, 4), (1, 16)]
