"""What `--help` of every verb prints; `python -m tests.cli.test_help` writes it anew."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from lpie.cli.main import COMMANDS, lpie

FOLDER = Path(__file__).with_name("help")
VERBS = ("", *COMMANDS, "data prepare")


def shown(verb):
    """The help of a verb, or of lpie itself, in 80 columns."""
    words = [*verb.split(), "--help"]
    result = CliRunner().invoke(lpie, words, prog_name="lpie", terminal_width=80)
    assert result.exit_code == 0, result.output
    return result.output


def kept(verb):
    """Where it is kept."""
    return FOLDER / f"{(verb or 'lpie').replace(' ', '-')}.txt"


@pytest.mark.parametrize("verb", VERBS)
def test_help_is_as_it_was_reviewed(verb):
    again = "`python -m tests.cli.test_help` writes it anew: read the difference before committing."
    # The words alone: versions of click break lines in different places.
    assert shown(verb).split() == kept(verb).read_text().split(), again


def test_every_verb_is_kept():
    assert set(FOLDER.iterdir()) == set(map(kept, VERBS))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for verb in VERBS:
        kept(verb).write_text(shown(verb))
