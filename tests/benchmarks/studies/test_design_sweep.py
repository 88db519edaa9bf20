"""The sweep over designs: two tiny ones for two steps, in earnest."""

import json
import os

import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("skimage")

from lpie.benchmarks.studies.design_sweep import (
    DELEGATES,
    _is_newer,
    _is_on_front,
    read_designs,
    table,
)
from lpie.benchmarks.studies.design_sweep import DESIGNS as PACKAGED
from lpie.errors import InputError
from lpie.image.image import write_image
from tests.conftest import assert_one_sentence, run_study

DESIGNS = """
[base]
network = "lpienet_rt"
widths = [8, 16]
encoder_blocks = [1]
middle_blocks = 1

[designs.plain]
block = "residual"
settings = {"loss.l1" = 0.5}

[designs.plainnet]
network = "nafnet"
block = "plain"
width = 4
encoder_blocks = [1]
middle_blocks = 0
decoder_blocks = [1]
"""
CONFIG = """
[data]
source = "clean"
patch_px = 16

[train]
steps = 2
batch_size = 2
"""


def run(*arguments):
    return run_study("design_sweep", *arguments)


@pytest.fixture(scope="module")
def given(tmp_path_factory, astronaut):
    """The arguments: a config, designs, photos to train and to measure on."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "config.toml").write_text(CONFIG)
    (folder / "designs.toml").write_text(DESIGNS)
    for i in range(3):
        write_image(folder / "photos" / f"{i}.png", astronaut[100 * i : 100 * i + 96, :96])
    for name in ("kodak24", "set5"):
        write_image(folder / "dev" / "clean" / name / "a.png", astronaut[60:124, 150:230])
    return [
        *(folder / "config.toml", "--photos", folder / "photos", "--data", folder / "dev"),
        *("--out", folder / "out", "--designs", folder / "designs.toml"),
    ]


def test_trains_measures_and_draws(given, tmp_path):
    few = ("--size", "32x32", "--large", "64x32", "--jobs", 2, "--json")
    quick = ("--rounds", 2, "--seconds", 0, "--plot", tmp_path / "a.svg")
    result = run(*given, *few, *quick)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    rows = {row["name"]: row for row in found["results"]}
    assert set(rows) == {"plain", "plainnet"}
    for row in rows.values():
        assert set(row["psnr_db"]) == {"15", "25", "50"}
        assert row["median_ms"]["float32"] > 0
        assert row["large_ms"]["int8"] > 0
        assert row["fp16_moved_mb"] > 0
        assert list(row["partitions"]["float32"]) == list(DELEGATES)
    assert rows["plain"]["hyperparameters"]["block"] == "residual"
    assert rows["plain"]["settings"] == {"loss.l1": 0.5}
    config = json.loads((given[-3] / "plain" / "config.json").read_text())
    assert config["loss"]["l1"] == 0.5
    assert rows["plainnet"]["network"] == "nafnet"
    assert any(row["front"] for row in rows.values())
    assert rows["plain"]["partitions"]["int8"]["xnnpack"] == 1
    shown = table(found)
    assert "64x32 ms" in shown
    rows["plain"]["large_ms"]["float32"] = None
    assert "too large" in table(found)
    drawn = (tmp_path / "a.svg").read_text()
    assert drawn.startswith("<?xml")
    assert "plainnet" in drawn


def test_what_is_wrong_is_one_sentence(given, tmp_path):
    assert_one_sentence(run(*given, "--plot", "a.png"), 2, "--plot must end in .svg")
    (tmp_path / "bad.toml").write_text("[base]\n")
    assert_one_sentence(run(*given[:-1], tmp_path / "bad.toml"), 2, "no list of designs")
    assert_one_sentence(run(*given, "--design", "plan"), 2, "Did you mean 'plain'")


def test_designs_that_come_with_it():
    designs = read_designs(PACKAGED)
    assert designs["lpienet"] == ("lpienet", {}, {})
    assert {design.network for design in designs.values()} == {"lpienet", "lpienet_rt"}
    with pytest.raises(InputError, match="no list of designs"):
        read_designs(PACKAGED.with_name("gone.toml"))


def test_the_front():
    def row(db, float32, int8):
        return {"psnr_db": {"25": db}, "median_ms": {"float32": float32, "int8": int8}}

    slow, fast, poor, whole = row(30, 9, 9), row(29, 1, 1), row(28, 2, 2), row(28.5, 2, 0.5)
    rows = [slow, fast, poor, whole]
    assert [_is_on_front(each, rows) for each in rows] == [True, True, False, True]


def test_files_older_than_the_weights_are_made_again(tmp_path):
    (tmp_path / "best.keras").touch()
    file = tmp_path / "int8.tflite"
    assert not _is_newer(file, tmp_path)
    for seconds, newer in ((10, True), (-10, False)):
        file.touch()
        then = (tmp_path / "best.keras").stat().st_mtime + seconds
        os.utime(file, (then, then))
        assert _is_newer(file, tmp_path) == newer
