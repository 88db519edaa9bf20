"""The documentation leads to what exists: paths, links, commands, flags and Python names."""

import ast
import configparser
import importlib
import importlib.util
import inspect
import re
import shlex

import click
import pytest

from tests.conftest import ROOT

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        ROOT / "android_demo" / "README.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "lpie" / "weights").glob("*.md"),
    ]
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r'\]\((?P<link>[^)\s]+)\)|(?:src|href)="(?P<html>[^"]+)"')
TOP = (
    "lpie",
    "export",
    "benchmarks",
    "tests",
    "docs",
    "configs",
    "android_demo",
    "notebooks",
    ".ci",
)
PATH = re.compile(rf"`(?P<path>(?:{'|'.join(map(re.escape, TOP))})/[\w./*-]*)`")
# What a user makes, or writes by the recipes of CONTRIBUTING.md.
MADE = re.compile(r"/mine\.py$|^android_demo/build/|^docs/reference/")


def prose(text):
    """A page without its blocks of code."""
    return FENCE.sub("", text)


def commands(text, start):
    """The words of each command in a page that begins with `start`: in blocks and in prose."""
    blocks = [m["code"] for m in FENCE.finditer(text) if m["language"] in ("sh", "")]
    blocks += re.findall(r"(?:^    .*\n)+", prose(text), re.MULTILINE)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    lines += re.findall(r"`([^`\n]+)`", prose(text).replace("\n", " "))
    for line in lines:
        line = re.sub(r"^(?:[A-Z_]+=\S+ )+", "", line.strip())
        if line.startswith(start):
            yield shlex.split(line.removeprefix(start), comments=True)


def check_options(command, words):
    """click's own parser knows every option in `words`; what they lack does not matter."""
    context = click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        verb = words.pop(0)
        command = command.get_command(context, verb)
        assert command is not None, f"there is no command {verb}"
        context = click.Context(command, parent=context)
    options = {
        flag
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for flag in (*parameter.opts, *parameter.secondary_opts)
    }
    flags = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    missing = flags - options - set(context.help_option_names)
    assert not missing, f"{command.name} has no {', '.join(sorted(missing))}"


@pytest.mark.parametrize("name", NAMES)
def test_links_and_paths_exist(name):
    page = ROOT / name
    text = prose(page.read_text())
    links = [m["link"] or m["html"] for m in LINK.finditer(text)]
    files = [link.partition("#")[0] for link in links if not re.match(r"[a-z]+:", link)]
    missing = [file for file in files if file and not (page.parent / file).exists()]
    paths = [m["path"] for m in PATH.finditer(text)]
    missing += [p for p in paths if not MADE.search(p) and not any(ROOT.glob(p.rstrip("/")))]
    missing = [path for path in missing if not path.startswith("reference/")]
    assert not missing


@pytest.mark.parametrize("name", NAMES)
def test_commands_and_flags_exist(name):
    from lpie.cli.main import lpie

    text = (ROOT / name).read_text()
    for words in commands(text, "lpie "):
        check_options(lpie, words)
    for words in commands(text, "python -m lpie.benchmarks"):
        module = importlib.import_module(f"lpie.benchmarks{words.pop(0)}")
        check_options(module.main, words)
    for words in commands(text, "make "):
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert not words or words[0] in targets, words


@pytest.mark.parametrize("name", NAMES)
def test_python_names_exist(name):
    text = (ROOT / name).read_text()
    for block in (m["code"] for m in FENCE.finditer(text) if m["language"] == "python"):
        for node in ast.walk(ast.parse(block)):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if re.fullmatch(r"lpie\.[\w.]+", called):
                function = public(called)
                keywords = {keyword.arg: None for keyword in node.keywords}
                if not accepts_anything(function):
                    inspect.signature(function).bind_partial(*node.args, **keywords)


def public(name):
    """The public thing of that name; only what a package's `__all__` lists may be shown."""
    package, _, attribute = name.rpartition(".")
    module = importlib.import_module(package)
    assert attribute in module.__all__, name
    return getattr(module, attribute)


def accepts_anything(function):
    kinds = {p.kind for p in inspect.signature(function).parameters.values()}
    return inspect.Parameter.VAR_KEYWORD in kinds


def test_every_package_is_in_the_architecture():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    folders = {
        re.sub(r"^lpie\.(export|benchmarks)", r"\1", package).replace(".", "/") + "/"
        for package in setup["options"]["packages"].split()
    }
    listed = set(re.findall(r"^\| `([\w/]+/)` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.M))
    assert folders <= listed
    assert all((ROOT / folder).is_dir() for folder in listed)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 180


def test_no_page_names_a_registry_or_a_path_of_its_writer():
    for page in [*PAGES, ROOT / "mkdocs.yml", ROOT / "CHANGELOG.md"]:
        text = page.read_text()
        assert not re.search(r"https?://\S*(pypi|registry)", text), page
        assert not re.search(r"(^|[\s`\"(])/(tmp|home|root|work)/", text), page


def test_results_have_dates_and_commands():
    for page in (ROOT / "docs" / "results").glob("*.md"):
        if page.stem != "index":
            text = page.read_text()
            assert re.search(r"\b20\d\d-\d\d-\d\d\b", text), page
            assert list(commands(text, "lpie ")) or list(commands(text, "python -m ")), page
