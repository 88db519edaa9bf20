"""The first example of every verb works where it is pasted, in a folder with photos and configs.

Trainings are short ones here, and so are rounds; nothing else is different. Of the verbs that load
TensorFlow the commit chooses one, and `make soak` runs all.
"""

import pytest

from lpie.cli.main import COMMANDS
from tests import pasted, soak
from tests.cli.test_help import shown

FEW = [f"--set={key}" for key in ("train.steps=3", "train.warmup_steps=1", "train.batch_size=1")]
FEW += ["--set=train.validate_every=3", "--set=data.patch_px=32"]
SHORT = ("--rounds=1", "--warmup-seconds=0", "--seconds=0", "--size=64x64")
HEAVY = ("train", "quantize-aware", "compress", "verify")
SHORTER = {"train": FEW, "quantize-aware": FEW, "compress": FEW, "bench": SHORT}
ELSEWHERE = {
    "demo": "tests/cli/test_cli.py runs all of it",
    "models": "tests/cli/test_cli.py reads all that it prints",
    "serve": "it runs until Ctrl-C; tests/web/test_server.py starts and ends it",
    "import-weights": "its file is the authors'; tests/models imports files of the same kind",
}


def first_example(verb):
    """The commands of the help up to the first of the verb itself."""
    _, _, rest = shown()[f"{verb} --help"].partition("Examples:\n")
    lines = []
    for line in pasted.commands(rest.partition("\n\n")[0]):
        lines.append(line)
        if line.startswith(f"lpie {verb}"):
            return lines
    raise AssertionError(f"no example of {verb}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return pasted.set_up(tmp_path_factory.mktemp("pasted"))


@pytest.fixture(scope="module")
def done():
    """The commands that were run already: verbs build upon the results of others."""
    return set()


LIGHT = [verb for verb in COMMANDS if verb not in (*HEAVY, *ELSEWHERE)]


@pytest.mark.soak
@pytest.mark.parametrize("verb", [*LIGHT, *soak.some(HEAVY, 1)])
def test_first_example_works(verb, folder, done):
    for line in first_example(verb):
        if line in done:
            continue
        more = [word for word in SHORTER.get(line.split()[1], ()) if word[:6] not in line]
        result = pasted.paste(line, folder, *more)
        assert pasted.worked(result, line), (line, result.stderr[-2000:])
        done.add(line)


def test_examples_that_are_not_run_are_few():
    assert ELSEWHERE.keys() <= COMMANDS.keys()


def test_a_photo_to_try_lpie_on(folder):
    line = "lpie demo --photo new.jpg"
    result = pasted.paste(line, folder)
    assert result.returncode == 0, result.stderr
    assert "lpie restore denoise new.jpg" in result.stdout
    again = pasted.paste(line, folder)
    assert again.returncode == 2
    assert "--photo exists already: new.jpg" in again.stderr
