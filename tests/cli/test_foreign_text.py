"""Nothing in a name, an answer of a device or a typed word acts on the terminal; no pipe waits."""

import ast
import os
import re
import subprocess
import sys

import click
import pytest

from lpie.cli.format import echo, print_table
from lpie.cli.main import COMMANDS
from lpie.errors import InputError, LpieError
from lpie.printable import printable
from tests.conftest import ROOT, assert_one_sentence, run_lpie

ESCAPE = "\x1b]0;title\x07\x9b31m\r\n\u202egnp.exe"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, ünïcödé, 写真, 👩‍👧", "plain, ünïcödé, 写真, 👩‍👧"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x7f\x85\u2028\u202e\ufeff", r"\x7f\x85\u2028\u202e\ufeff"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
    ],
)
def test_printable(text, expected):
    assert printable(text) == printable(printable(text)) == expected
    assert expected.encode()


def test_lists_below_a_sentence_stay_lists():
    assert printable("two:\n  a\nb\x1b", lines=True) == "two:\n  a\\nb\\x1b"
    for kind in (LpieError, InputError):
        error = kind(f"x{ESCAPE}:\n  a")
        assert str(error) == printable(f"x{ESCAPE}:") + "\n  a"


def test_what_is_printed_is_printable(capsys):
    echo(ESCAPE, "second")
    echo(ESCAPE, err=True)
    print_table([ESCAPE, "b"], [["1", ESCAPE]])
    for text in capsys.readouterr():
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
        assert text.count("\n") in (1, 4)


def test_no_verb_prints_by_another_way():
    for path in (ROOT / "lpie" / "cli").rglob("*.py"):
        if path.name in ("format.py", "main.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in ("print", "click.echo", "sys.stdout.write"), (
                    f"{path}:{node.lineno}: use lpie.cli.format.echo"
                )


@pytest.mark.parametrize(
    "words",
    [
        ["{}"],
        ["evaluate", "{}", "--builtin"],
        ["restore", "denoise-s", "{}.png"],
        ["inspect", "{}.tflite"],
        ["report", "{}"],
        ["bench", "--{}"],
        ["export", "{}"],
        ["train", "{}", "--workdir", "w"],
        ["compare", "{}", "{}"],
    ],
)
def test_what_is_typed_does_not_act_on_the_terminal(words, tmp_path):
    name = ESCAPE + os.fsdecode(b"\xff")
    result = run_lpie(*(word.replace("{}", name) for word in words), cwd=tmp_path)
    assert_one_sentence(result, 2, r"\x1b]0;title\x07")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", result.stderr)


def path_parameters():
    """(verb, parameter) of every option and argument that is a path."""
    from lpie.cli.main import lpie

    context = click.Context(lpie)
    todo = [(name, lpie.get_command(context, name)) for name in COMMANDS]
    while todo:
        words, command = todo.pop(0)
        if isinstance(command, click.Group):
            todo += [(f"{words} {name}", inner) for name, inner in command.commands.items()]
            continue
        for parameter in command.params:
            if isinstance(parameter.type, click.Path):
                yield words, command, parameter


@pytest.mark.parametrize(
    ("command", "parameter"),
    [
        pytest.param(command, parameter, id=f"{words}-{parameter.name}")
        for words, command, parameter in path_parameters()
    ],
)
def test_a_path_is_neither_a_pipe_nor_a_device(command, parameter, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    context = click.Context(command)
    for path, kind in ((tmp_path / "pipe.png", "a pipe"), ("/dev/zero", "a device")):
        with pytest.raises(InputError, match=f"Received: {path}, which is {kind}"):
            parameter.type.convert(str(path), parameter, context)


def test_a_pipe_is_refused_by_the_name_that_was_typed(tmp_path):
    os.mkfifo(tmp_path / "p.tflite")
    result = run_lpie("verify", "denoise-s", "p.tflite", "--photos", tmp_path, cwd=tmp_path)
    assert_one_sentence(result, 2, "FILE must be a file or a folder", "a pipe")
    result = run_lpie("evaluate", "p.tflite", "--builtin", cwd=tmp_path)
    assert_one_sentence(result, 2, "p.tflite is a pipe")


WARNING = """
import logging, warnings
from lpie.cli.main import _keep_libraries_quiet
_keep_libraries_quiet()
warnings.warn("of a library")
logging.getLogger("tifffile").warning("a record")
"""


@pytest.mark.parametrize("options", [[], ["-Wdefault"]])
def test_no_warning_of_a_library_is_shown_unless_python_is_asked(options):
    command = [sys.executable, *options, "-c", WARNING]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ("of a library" in result.stderr) == bool(options)
    assert "a record" not in result.stderr
