"""Networks that are not one RGB image in and out: timed at their own size, without a quality."""

import json
import shutil

import pytest

from lpie.benchmarks import benchmark
from lpie.benchmarks.records.verdict import MEASURED
from lpie.errors import InputError
from tests.conftest import SHARED, assert_one_sentence, run_lpie
from tests.networks import write_networks
from tests.receptive_fields import path_of

FEW = {"min_runs": 1, "seconds": 0, "rounds": 1, "warmup_s": 0}


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    return write_networks(tmp_path_factory.mktemp("networks"))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("gray", "24x16"),
        ("raw_x2", "24x16"),
        ("two_inputs", "24x16"),
        ("two_outputs", "24x16"),
        ("int16", "24x16"),
        ("int32", None),
    ],
)
def test_a_network_of_one_size_is_timed_once_at_its_own(networks, name, size):
    (record,) = benchmark([networks[name]], **FEW)
    assert record["verdict"] in MEASURED, record["why"]
    assert record["requested"]["size"] == size
    assert record["summary"]["median_ms"] > 0
    assert record["quality"] is None
    assert "timed once, at its own size" in record["notes"][0]
    assert "The quality is left out" in record["notes"][1]
    with pytest.raises(
        InputError, match=r"cannot be timed at 320x200: it takes (24x16 alone|no image)"
    ):
        benchmark([networks[name]], sizes=["320x200"], **FEW)
    with pytest.raises(InputError, match="cannot be run by tiles"):
        benchmark([networks[name]], tiles=True, **FEW)


def test_its_own_size_may_be_asked_for(networks):
    (record,) = benchmark([networks["gray"]], sizes=["24x16"], **FEW)
    assert record["requested"]["size"] == "24x16"
    assert not [note for note in record["notes"] if "own size" in note]


def test_a_network_of_open_size_takes_any(networks):
    """Resized by the runtime: the larger image has more to do."""
    several = {**FEW, "min_runs": 9}  # so that the least of them was not interrupted
    small, large = benchmark([networks["open_x2"]], sizes=["32x16", "640x320"], **several)
    assert [r["requested"]["size"] for r in (small, large)] == ["32x16", "640x320"]
    assert large["summary"]["min_ms"] > 10 * small["summary"]["min_ms"]


def test_several_networks_of_several_kinds_in_one_bench(networks, tmp_path):
    result = run_lpie(
        *("bench", networks["gray"], networks["raw_x2"], "denoise-s", "--rounds", 1),
        *("--seconds", 0, "--max-memory", 200, "--warm-up", 0, "-o", tmp_path / "records"),
    )
    assert result.returncode == 1  # the large sizes of one were refused
    assert "timed once, at its own size" in result.stderr
    records = [json.loads(file.read_text()) for file in (tmp_path / "records").iterdir()]
    sizes = {(r["model"]["file"], r["requested"]["size"]) for r in records}
    assert {("gray.tflite", "24x16"), ("raw_x2.tflite", "24x16")} <= sizes
    assert ("denoise-s.tflite", "256x256") in sizes


def test_a_photo_for_a_network_that_takes_none(networks, tmp_path):
    result = run_lpie("bench", networks["gray"], "--photo", tmp_path / "a.png")
    assert_one_sentence(result, 2, "--photo is for networks that take one RGB image")


CASES = SHARED / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared/cases beside this clone")


@needs_cases
@pytest.mark.parametrize("name", ["dyn", "sr2", "bare", "twograph"])
def test_small_cases(name):
    records = benchmark([CASES / "tflite" / f"{name}.tflite"], max_memory_mb=100, **FEW)
    assert records[0]["verdict"] in MEASURED, records[0]["why"]


@needs_cases
def test_hostile_files_are_a_sentence_each(tmp_path):
    """A crash of the runtime is that of a child."""
    files = sorted((CASES / "hostile").glob("*.tflite"))
    assert files
    for file in files:
        shutil.copy(file, tmp_path)
        result = run_lpie(
            *("bench", file.name, "--size", "64x64", "--rounds", 1, "--seconds", 0),
            *("--min-runs", 1),  # of one run none can say that they differ
            cwd=tmp_path,
        )
        assert "Traceback" not in result.stderr, file.name
        assert result.returncode in ((0,) if "slice" in file.name else (1, 2)), file.name
        assert file.name in result.stderr or result.returncode == 0


@pytest.mark.parametrize("name", ["x2", "open x2", "open"])
@pytest.mark.parametrize("tiles", [False, True])
def test_a_network_that_enlarges_is_scored_whole_and_by_tiles(name, tiles):
    options = {"tile_px": 24, "tiles": True} if tiles else {}
    (record,) = benchmark([path_of(name)], sizes=["64x48"], threads=1, **options, **FEW)
    assert record["verdict"] in MEASURED, record["why"]
    assert record["quality"]["identical"] or record["quality"]["psnr_db"] > 100
    assert (record["requested"]["tiles"] is not None) == tiles
