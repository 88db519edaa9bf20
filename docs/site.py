"""Pages of the docs site that are generated, as hooks of MkDocs (`make docs`).

The commands come from click, the list of public names from the packages, the pages about the
project
and the cards of the pretrained networks from the files beside the code.
"""

import os
import re
import textwrap
from pathlib import Path
from typing import Any

import click
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
# Pages whose source lies outside docs/: page, file.
OUTSIDE = {
    "architecture.md": "ARCHITECTURE.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "android.md": "android_demo/README.md",
    **{f"weights/{p.name}": f"lpie/weights/{p.name}" for p in ROOT.glob("lpie/weights/*.md")},
}
PAGES = {source: page for page, source in OUTSIDE.items()} | {"README.md": "index.md"}
PACKAGES = {
    "lpie": "Train, restore and evaluate.",
    "lpie.export": "From a Keras network to a verified `.tflite`.",
    "lpie.benchmarks": "Latency, memory and quality of exported models.",
}
LINK = re.compile(r"(?P<start>!?\[(?P<text>[^\]]*)\]\()(?P<target>[^)\s]+)\)")
IMAGE = re.compile(r'(?P<start><img src=")(?P<target>[^"]+)"')


def on_config(config: Any) -> Any:
    """Put the commands and the pretrained networks into the navigation."""
    sections = {title: pages for entry in config["nav"] for title, pages in entry.items()}
    sections["Commands"] += [{f"lpie {verb}": _page_of(verb)} for verb, _ in _commands()]
    cards = sorted(page for page in OUTSIDE if page.startswith("weights/"))
    sections["Results"].append({"Pretrained networks": [{Path(p).stem: p} for p in cards]})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages."""
    pages = {page: (ROOT / source).read_text() for page, source in OUTSIDE.items()}
    pages["reference/cli.md"] = _command_index()
    pages["reference/api.md"] = _api_page()
    pages |= {_page_of(verb): _command_page(verb, command) for verb, command in _commands()}
    for page, text in pages.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Point links between files of the repository at pages; files without a page become text."""
    uri = page.file.src_uri
    origin = OUTSIDE.get(uri, f"docs/{uri}")
    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.DOTALL | re.MULTILINE)
    for i in range(0, len(parts), 2):  # the odd parts are code
        parts[i] = LINK.sub(lambda link: _link(link, origin, uri), parts[i])
        parts[i] = IMAGE.sub(lambda image: _image(image, origin, uri), parts[i])
    return "".join(parts)


def _target(target: str, origin: str) -> tuple[str | None, str]:
    """(the page or file of docs/ that a link of `origin` leads to, its anchor)."""
    path, _, anchor = target.partition("#")
    anchor = f"#{anchor}" if anchor else ""
    file = os.path.normpath(os.path.join(os.path.dirname(origin), path))
    if file.startswith("docs/"):
        return file.removeprefix("docs/"), anchor
    return PAGES.get(file), anchor


def _link(link: re.Match[str], origin: str, uri: str) -> str:
    target = link["target"]
    if re.match(r"[a-z]+:|#", target) or target.startswith("reference/"):
        return link[0]
    found, anchor = _target(target, origin)
    if found:
        return f"{link['start']}{os.path.relpath(found, os.path.dirname(uri) or '.')}{anchor})"
    file = ROOT / os.path.dirname(origin) / target
    return link["text"] if file.exists() else link[0]


def _image(image: re.Match[str], origin: str, uri: str) -> str:
    found, _ = _target(image["target"], origin)
    relative = os.path.relpath(found, os.path.dirname(uri) or ".") if found else image["target"]
    return f'{image["start"]}{relative}"'


def _page_of(verb: str) -> str:
    return f"reference/cli/{verb.replace(' ', '-')}.md"


def _commands() -> list[tuple[str, click.Command]]:
    """The verbs and their commands, those of groups too, in the order of `lpie --help`."""
    from lpie.cli.main import lpie

    commands = []
    for verb in lpie.list_commands(click.Context(lpie)):
        command = lpie.get_command(click.Context(lpie), verb)
        assert command is not None
        commands.append((verb, command))
        if isinstance(command, click.Group):
            commands += [(f"{verb} {name}", sub) for name, sub in command.commands.items()]
    return commands


def _command_index() -> str:
    from lpie.cli.main import COMMANDS

    rows = [
        f"| [`lpie {verb}`](cli/{verb.replace(' ', '-')}.md) | {line} |"
        for verb, (_, line) in COMMANDS.items()
    ]
    return "\n".join(["# Commands", "", "| command | |", "|---|---|", *rows, ""])


def _command_page(verb: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"lpie {verb}")
    usage = command.get_usage(context).removeprefix("Usage: ")
    text = [f"# lpie {verb}", "", "```", " ".join(usage.split()), "```", ""]
    text += [_help_text(command.help or ""), ""]
    rows = [_option_row(p, context) for p in command.params if isinstance(p, click.Option)]
    rows = [row for row in rows if row]
    if rows:
        text += ["## Options", "", "| option | |", "|---|---|", *rows, ""]
    return "\n".join(text)


def _help_text(text: str) -> str:
    """click's paragraphs as Markdown; those after a line of `\\b` keep their lines."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text.replace("\f", "").strip()):
        lines = paragraph.splitlines()
        if lines[0].strip() == "\b":
            title, *rest = lines[1:]
            code = textwrap.dedent("\n".join(rest))
            paragraphs.append(f"**{title.strip().removesuffix(':')}**\n\n```\n{code}\n```")
        else:
            paragraphs.append(" ".join(line.strip() for line in lines))
    return "\n\n".join(paragraphs)


def _option_row(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    if record is None:  # a hidden one
        return ""
    flags, text = (" ".join(part.split()).replace("|", "\\|") for part in record)
    return f"| `{flags}` | {text.replace('[', '&#91;')} |"


def _api_page() -> str:
    import importlib

    text = [
        "# Python API",
        "",
        "Every public name loads on first use: `import lpie` stays light.",
        "",
    ]
    for package, line in PACKAGES.items():
        module = importlib.import_module(package)
        text += [f"## {package}", "", line, ""]
        for name in module.__all__:
            if name in module._HOME:
                text += [f"::: {module._HOME[name]}.{name}", "    options: {heading_level: 3}", ""]
    return "\n".join(text)
