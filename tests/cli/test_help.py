"""What `--help` and `--help-all` of every verb print; `python -m tests.cli.test_help` writes them
anew."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import click
import pytest

from lpie.cli.main import COMMANDS, lpie
from lpie.cli.options import Command, Option
from tests.conftest import ROOT

FOLDER = Path(__file__).with_name("help")
VERBS = ("", *COMMANDS, "data prepare")
WIDTH, MOST_LINES = 100, 42
PRINT_ALL = f"""
import json
from click.testing import CliRunner
from lpie.cli.main import lpie
shown = {{}}
for verb in {VERBS!r}:
    flags = ["--help"] if verb in ("", "data") else ["--help", "--help-all"]
    for flag in flags:
        options = dict(prog_name="lpie", terminal_width={WIDTH - 2})
        result = CliRunner().invoke(lpie, [*verb.split(), flag], **options)
        assert result.exit_code == 0, result.output
        shown[verb + " " + flag] = result.output
print(json.dumps(shown))
"""


@cache
def shown():
    """The help of all verbs, from a process where no other test called one."""
    result = subprocess.run(
        [sys.executable, "-c", PRINT_ALL],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def kept(verb, flag):
    """Where it is kept."""
    name = (verb or "lpie").replace(" ", "-")
    return FOLDER / f"{name}{flag.removeprefix('--help')}.txt"


def texts():
    """(file, text) of all; nothing for --help-all where it adds nothing."""
    for key, text in shown().items():
        verb, _, flag = key.rpartition(" ")
        if flag == "--help" or text != shown()[f"{verb} --help"]:
            yield kept(verb, flag), text


def test_help_is_as_it_was_reviewed():
    again = "`python -m tests.cli.test_help` writes it anew: read the difference before committing."
    # Without spaces: versions of click break lines, and words with a hyphen, in different places.
    for file, text in texts():
        assert "".join(text.split()) == "".join(file.read_text().split()), (file.name, again)


def test_every_verb_is_kept():
    assert set(FOLDER.iterdir()) == {file for file, _ in texts()}


def test_help_fits_a_screen():
    for file, text in texts():
        if not file.stem.endswith("-all"):
            assert len(text.splitlines()) <= MOST_LINES, (
                f"{file.name}: mark options with advanced=True, or move text behind a form feed"
            )


def commands(group=lpie, path=""):
    """(path, command) of all verbs."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} ")
        else:
            yield path + name, command


@pytest.mark.parametrize(("verb", "command"), list(commands()), ids=lambda x: str(x)[:20])
def test_what_help_leaves_out_it_names(verb, command):
    assert isinstance(command, Command)
    advanced = [p for p in command.params if isinstance(p, Option) and p.advanced]
    if verb not in VERBS:
        return
    _, _, named = shown()[f"{verb} --help"].partition("Advanced, explained by")
    assert all(option.flag in named.replace(",", "").split() for option in advanced)
    every = shown()[f"{verb} --help-all"].split()
    assert all(option.flag in every for option in advanced)
    assert bool(named) == bool(advanced)


if __name__ == "__main__":
    for old in FOLDER.iterdir():
        old.unlink()
    for file, text in texts():
        file.write_text(text)
