"""How well phones' NPUs are told from their maker's estimates."""

import numpy as np
import pytest

from lpie.benchmarks.predict.npu import find_npu, fitted, npu_fits, published_npu
from lpie.errors import InputError
from tests.conftest import SHARED

PUBLISHED = SHARED / "data" / "published" / "npu_latency.csv"


def test_the_fits_are_what_the_docs_say():
    errors = {fit.chip.soc: (fit.mean_error, fit.image_error) for fit in npu_fits()}
    documented = {
        "SM8850": (0.173, 0.189),
        "SM8750": (0.154, 0.189),
        "SM8650": (0.167, 0.210),
        "SM8550": (0.175, 0.232),
        "SM8450": (0.187, 0.209),
        "SM7750": (0.270, 0.291),
    }
    assert errors == {soc: pytest.approx(pair, abs=0.001) for soc, pair in documented.items()}
    assert min(fit.covered for fit in npu_fits()) > 0.85
    assert len({row.network for row in published_npu()}) >= 20


def test_a_fit_finds_the_numbers_behind_times_and_shrugs_off_odd_ones():
    rng = np.random.default_rng(0)
    x = np.stack([rng.uniform(0.1, 30, 40), np.ones(40), np.zeros(40)], 1)
    y = x @ [0.5, 0.2, 0]
    y[3] *= 4
    np.testing.assert_allclose(fitted(x, y)[:2], [0.5, 0.2], rtol=0.02)
    y = x @ [0.5, 0, 0] - 0.04  # a run that would take less than no time is not believed
    assert fitted(x, np.maximum(y, 0.01))[1] == 0


def test_a_chip_without_published_latencies_is_refused():
    with pytest.raises(InputError, match=r"No latencies of SM8350 .* were published"):
        find_npu("galaxy-s21")


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="../shared is not here")
def test_the_committed_latencies_are_the_published_ones():
    from lpie.benchmarks.studies.npu.latency import read_measured

    published = read_measured(PUBLISHED)
    for row in published_npu():
        precision = "float" if row.floats else "w8a8"
        expected = {soc: float(ms) for soc, ms in published[row.network, precision].items()}
        assert row.measured_ms == expected
