"""No verb writes to a file that it reads, whichever option names it."""

import shutil

import pytest

from lpie.image.image import write_image
from lpie.weights import tflite_file
from tests.conftest import ROOT, assert_one_sentence, run_lpie

RUN = ROOT / "tests/golden/compatibility/run_0.1"
RECORD = ROOT / "tests/golden/compatibility/record_0.1.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, astronaut):
    folder = tmp_path_factory.mktemp("overwriting")
    write_image(folder / "photos/a.png", astronaut[:60, :80])
    write_image(folder / "pairs/degraded/a.png", astronaut[:60, :80])
    write_image(folder / "pairs/target/a.png", astronaut[:60, :80])
    shutil.copytree(RUN, folder / "run")
    shutil.copy(RUN / "config.json", folder / "own.keras")  # its content is never read
    (folder / "records").mkdir()
    shutil.copy(RECORD, folder / "records/one.json")
    shutil.copy(RECORD, folder / "record.md")
    shutil.copy(tflite_file("denoise-s"), folder / "m.tflite")
    (folder / "weights.keras").write_bytes(b"PK")
    (folder / "clean.toml").write_text('[data]\nsource = "clean"\nfolder = "photos"\n')
    (folder / "again.toml").write_text('[train]\ninitial_weights = "own.keras"\n')
    return folder


def contents(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("evaluate m.tflite --clean photos -o photos/a.png", "photos/a.png"),
        ("evaluate m.tflite --pairs pairs -o pairs/target/a.png", "pairs"),
        ("evaluate m.tflite --builtin -o m.tflite", "m.tflite"),
        ("evaluate x=m.tflite --suite dev --data photos -o m.tflite", "m.tflite"),
        ("evaluate run --builtin -o run/config.json", "run/config.json"),
        ("verify run m.tflite --photos photos --heat-map photos/a.png", "photos/a.png"),
        ("bench m.tflite -o m.tflite", "m.tflite"),
        ("bench m.tflite --photo photos/a.png -o photos/a.png", "photos/a.png"),
        ("bench --parse records/one.json -o records/one.json", "one.json"),
        ("report records -o records/one.json --format md --force", "one.json"),
        ("report record.md -o record.md --force", "record.md"),
        ("report run -o run/log.jsonl --format html --force", "log.jsonl"),
        ("import-weights nafnet weights.keras -o weights.keras --force", "weights.keras"),
        ("restore m.tflite photos -o photos --force", "photos/a.png"),
        ("restore m.tflite photos/a.png -o photos/../photos/a.png --force", "photos/a.png"),
    ],
)
def test_no_output_is_an_input(folder, words, part):
    before = contents(folder)
    result = run_lpie(*words.split(), cwd=folder)
    assert_one_sentence(result, 2, part, "never overwrites its input")
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("train clean.toml --workdir photos", ["--workdir must lie outside of data.folder"]),
        ("train clean.toml --workdir photos/run", ["--workdir must lie outside of data.folder"]),
        ("train again.toml --workdir .", ["--workdir must be another folder", "initial_weights"]),
        ("demo -o photos", ["-o must be a new folder", "photos"]),
        ("data prepare pairs pairs pairs", ["pairs lies in pairs"]),
    ],
)
def test_a_folder_of_results_is_no_folder_of_inputs(folder, words, parts):
    before = contents(folder)
    assert_one_sentence(run_lpie(*words.split(), cwd=folder), 2, *parts)
    assert contents(folder) == before
