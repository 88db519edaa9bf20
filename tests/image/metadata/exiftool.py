"""exiftool, which judges what files hold: it is run once for many files, as it starts slowly."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

WANTED = pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="exiftool is not installed: .ci/exiftool"
)


def tags(paths):
    """{file name: {"group:tag": value}} of all files."""
    names = "\n".join(map(str, paths))
    options = ["-json", "-G1", "-a", "-b", "-struct", "-n", "-charset", "filename=utf8"]
    run = subprocess.run(
        ["exiftool", *options, "-@", "-"], input=names, capture_output=True, text=True, check=False
    )
    return {Path(row["SourceFile"]).name: row for row in json.loads(run.stdout)}


def write(folder, *commands):
    """Run exiftool's writing commands, each a list of arguments, in one process."""
    lines = []
    for command in commands:
        lines += ["-overwrite_original", "-m", "-q", *map(str, command), "-execute"]
    (folder / "commands").write_text("\n".join(lines))
    run = subprocess.run(
        ["exiftool", "-@", folder / "commands"], capture_output=True, text=True, check=False
    )
    assert "Error" not in run.stderr, run.stderr
