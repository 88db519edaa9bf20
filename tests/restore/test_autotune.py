import os

import pytest

from lpie.restore import autotune as rates
from lpie.restore.restorer import Restorer
from lpie.tflite.model import TfliteModel
from lpie.weights import tflite_file


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(rates, "PROBE_SIDES_PX", (64, 96))
    monkeypatch.setattr(rates, "PROBE_RUNS", 1)
    return tmp_path / "lpie" / "rates.json"


def measured(fits=lambda workers, area: True):
    model = TfliteModel.read(tflite_file("denoise-s"))
    key = rates.rates_key(model, 2, "ai-edge-litert")
    options = {"threads": 2, "runtime": "ai-edge-litert", "multiple": 8}
    return key, rates.measure_rates(model, key, fits=fits, **options)


def test_what_was_measured_is_remembered(cache):
    key, found = measured()
    assert [(r.workers, r.threads, r.areas_px) for r in found] == [
        (2, 1, (64**2, 96**2)),
        (1, 2, (64**2, 96**2)),
    ]
    assert rates.known_rates(key, 2) == found
    assert rates.known_rates(key, 3) is None
    rates.remember(key, "fast_halo_px", 8)
    assert (rates.known_rates(key, 2), rates.remembered(key, "fast_halo_px")) == (found, 8)
    assert [p.name for p in cache.parent.iterdir()] == ["rates.json"]


def test_only_what_fits_is_tried():
    _, found = measured(lambda workers, area: workers == 1 and area < 90**2)
    assert [(r.workers, r.areas_px) for r in found] == [(1, (64**2,))]
    assert [r.workers for r in measured(lambda workers, area: False)[1]] == [2]


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "no json",
        "[1]",
        '{"KEY": 3}',
        '{"KEY": {"rates": [{"workers": "x"}]}}',
        '{"KEY": {"rates": [{"workers": 2, "threads": 1, "pixels_per_s": [0]}]}}',
        '{"KEY": {"rates": [3], "fast_halo_px": ' + "9" * 5000 + "}}",
        '{"KEY": {"rates": {"a": "b"}}}',
        "[" * 100_000,
        "\x00",
    ],
)
def test_a_damaged_cache_is_measured_anew(cache, damage):
    key, _ = measured()
    cache.write_text(damage.replace("KEY", key))
    assert rates.known_rates(key, 2) is None
    assert rates.remembered(key, "fast_halo_px") is None
    measured()
    assert rates.known_rates(key, 2) is not None


def test_a_home_that_cannot_be_written_to(cache, monkeypatch):
    cache.parent.parent.joinpath("file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent.parent / "file"))
    key, found = measured()
    assert found
    assert rates.known_rates(key, 2) is None


@pytest.mark.parametrize("what", ["folder", "pipe", "binary"])
def test_a_cache_that_is_no_file_of_ours_stops_nothing(cache, what):
    cache.parent.mkdir()
    if what == "folder":
        cache.mkdir()
    elif what == "pipe":
        os.mkfifo(cache)
    else:
        cache.write_bytes(bytes(range(256)))
    key, found = measured()
    assert found
    assert (rates.known_rates(key, 2) == found) == (what == "binary")


@pytest.mark.parametrize("home", [None, "", "~nobody", "relative"])
def test_a_user_without_a_home(home, monkeypatch, tmp_path):
    """As in a container whose user has no entry in /etc/passwd."""
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    if home is not None:
        monkeypatch.setenv("HOME", home)
    monkeypatch.setattr("pwd.getpwuid", lambda user: {}[user])
    monkeypatch.chdir(tmp_path)
    _, found = measured()
    assert found
    assert rates.cache_file() is None or home == ""
    assert not list(tmp_path.iterdir())


def test_only_large_photos_and_free_machines_are_worth_it(cache, monkeypatch):
    monkeypatch.setattr(rates, "busy", lambda: False)
    Restorer("denoise-s").plan(1000, 1000)
    Restorer("denoise-s", tile_px=512).plan(3000, 4000)
    monkeypatch.setattr(rates, "busy", lambda: True)
    Restorer("denoise-s", threads=2).plan(3000, 4000)
    assert not cache.exists()
    monkeypatch.setattr(rates, "busy", lambda: False)
    Restorer("denoise-s", threads=2).plan(3000, 4000)
    assert cache.exists()
