"""Retired words stay out of what people read: help, errors, comments, docstrings, documentation.

The glossary in ARCHITECTURE.md has the word to use instead.
"""

import ast
import re

import click
import pytest

from tests.conftest import ROOT

RETIRED = re.compile(r"\b(shipped|spoiled|pieces?|surgery)\b", re.IGNORECASE)
# Words that say nothing as the name of a thing.
FILLERS = {"each", "found", "given", "made", "said", "told"}
TEXTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "mkdocs.yml", "setup.cfg")),
    *(path for path in (ROOT / "docs").rglob("*.md")),
    *(path for folder in ("lpie", "export", "benchmarks") for path in (ROOT / folder).rglob("*")),
    *(ROOT / "android_demo").glob("*.md"),
    *(ROOT / "configs").glob("*.toml"),
]
READ = (".md", ".py", ".toml", ".yml", ".cfg", ".html")


def lines():
    for path in TEXTS:
        if path.suffix in READ:
            for number, line in enumerate(path.read_text().splitlines(), start=1):
                yield f"{path.relative_to(ROOT)}:{number}", line


def test_no_retired_word_is_read():
    assert not [f"{place}: {line.strip()}" for place, line in lines() if RETIRED.search(line)]


def names(tree):
    """(line, name) of every variable, parameter, function and class that is defined."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, node.name


def test_no_filler_is_a_name():
    sources = [path for path in TEXTS if path.suffix == ".py"]
    fillers = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sources
        for line, name in names(ast.parse(path.read_text()))
        if name in FILLERS
    ]
    assert len(sources) > 200
    assert not fillers


def commands(command, context):
    yield command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), context)


def options():
    from lpie.cli.main import lpie

    return [
        pytest.param(option, id=f"{command.name} {option.opts[0]}")
        for command in commands(lpie, click.Context(lpie))
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden
    ]


@pytest.mark.parametrize("option", options())
def test_an_option_is_explained_by_a_phrase(option):
    """A capital letter, at least two words, a full stop: understandable without the name."""
    text = (option.help or "").split("  [")[0]
    assert re.fullmatch(r"(?s)[A-Z.'\"].*\w.* .*\.", text), text
