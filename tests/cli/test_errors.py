"""What is asked wrongly is answered by one sentence and an exit code: errors.toml lists both."""

import shlex
import tomllib
from pathlib import Path

import pytest

from lpie.cli.main import COMMANDS
from lpie.image.image import write_image
from tests.conftest import assert_one_sentence, run_lpie

CASES = tomllib.loads(Path(__file__).with_name("errors.toml").read_text())
FILES = {
    "broken.png": "no photo",
    "broken.tflite": "no model",
    "broken.toml": "[train\n",
    "typo.toml": "[train]\nstep = 3\n",
    "text.json": "[1]",
    "log.txt": "nothing was measured here\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, astronaut):
    """A folder with the files that errors.toml names."""
    folder = tmp_path_factory.mktemp("errors")
    for path in ("photo.png", "photos/a.png"):
        write_image(folder / path, astronaut[:60, :80])
    (folder / "empty").mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("verb", "words", "code", "parts"),
    [(verb, row[0], row[1], row[2:]) for verb, rows in CASES.items() for row in rows],
)
def test_a_wrong_question_is_one_sentence_and_writes_nothing(folder, verb, words, code, parts):
    before = sorted(folder.rglob("*"))
    command = ([] if verb == "lpie" else [verb]) + shlex.split(words)
    assert_one_sentence(run_lpie(*command, cwd=folder), code, *parts)
    assert sorted(folder.rglob("*")) == before


def test_every_verb_has_its_errors():
    assert set(CASES) == {"lpie", *COMMANDS}
