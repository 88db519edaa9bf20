"""Commands of help texts and guides, run as somebody who pastes them would.

The folder that they run in has what such a person has: photos of their own, and lpie's `configs/`.
"""

import glob
import os
import re
import shlex
import subprocess
import sys

import numpy as np

from lpie.image.image import write_image
from tests.conftest import ROOT, run_forked

PHOTOS = ("photo.jpg", "a.jpg", "b.jpg", "holiday/first.jpg", "holiday/beach/second.jpg")
# What only a shell understands; patterns of files are expanded here.
SHELL = re.compile(r"[<>|&$;`(]|^export ")
ENVIRONMENT = re.compile(
    r"(\S*/)?pip3? install |python3? -m (venv|pip) |\. |source |git clone |cd "
)
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<why>[^\n]+?) -->\n+)?^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def set_up(folder):
    """Photos and configs, in a new folder of that name."""
    rng = np.random.default_rng(0)
    for name in PHOTOS:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        ramp = np.linspace(40, 200, 96 * 128 * 3).reshape(96, 128, 3)
        noisy = ramp + rng.normal(0, 12, ramp.shape)
        write_image(path, np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    (folder / "configs").symlink_to(ROOT / "configs")
    programs = folder / ".programs"
    programs.mkdir()
    for name, what in (("lpie", "-m lpie"), ("python", ""), ("python3", "")):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {what} "$@"\n')
        script.chmod(0o755)
    return folder


def blocks(page):
    """(line number, language, code, why it is not run) of the blocks of a page in Markdown."""
    text = page.read_text()
    for block in BLOCK.finditer(text):
        line = text[: block.start("code")].count("\n") + 1
        yield line, block["language"], block["code"], block["why"]


def commands(code):
    """The commands of a block for a shell, without comments and what sets up Python."""
    lines = re.sub(r"\s*\\\n\s*", " ", code).splitlines()
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]
    return [line for line in lines if line and not ENVIRONMENT.match(line)]


def paste(command, folder, *more):
    """Run one command of a shell in the folder; `more` are further words."""
    words = shlex.split(command)
    path = f"{folder / '.programs'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    if words[0] == "lpie" and not SHELL.search(command):
        expanded = [file for word in words[1:] for file in _expanded(word, folder)]
        return run_forked([*expanded, *more], os.environ, folder, 600)
    line = " ".join([command, *map(shlex.quote, more)])
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def worked(result, command):
    """Whether a command did what it is for: `compare` tells by its exit code who is slower."""
    compared = command.startswith("lpie compare") and "95 % interval" in result.stdout
    return result.returncode == 0 or (compared and result.returncode == 1)


def paste_python(code, folder):
    """Run a block of Python in the folder."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _expanded(word, folder):
    files = sorted(glob.glob(word, root_dir=folder)) if re.search(r"[*?\[]", word) else []
    return files or [word]
