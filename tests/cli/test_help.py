"""What `--help` of every verb prints; `python -m tests.cli.test_help` writes it anew."""

from pathlib import Path

import pytest

from lpie.cli.main import COMMANDS
from tests.conftest import run_lpie

FOLDER = Path(__file__).with_name("help")
VERBS = ("", *COMMANDS, "data prepare")


def shown(verb):
    """The help of a verb, or of lpie itself, in a process where no other test called a verb."""
    result = run_lpie(*verb.split(), "--help", env={"COLUMNS": "80"})
    assert result.returncode == 0, result.stderr
    return result.stdout


def kept(verb):
    """Where it is kept."""
    return FOLDER / f"{(verb or 'lpie').replace(' ', '-')}.txt"


@pytest.mark.parametrize("verb", VERBS)
def test_help_is_as_it_was_reviewed(verb):
    again = "`python -m tests.cli.test_help` writes it anew: read the difference before committing."
    # Without spaces: versions of click break lines, and words with a hyphen, in different places.
    assert "".join(shown(verb).split()) == "".join(kept(verb).read_text().split()), again


def test_every_verb_is_kept():
    assert set(FOLDER.iterdir()) == set(map(kept, VERBS))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for verb in VERBS:
        kept(verb).write_text(shown(verb))
