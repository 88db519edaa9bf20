"""Reads files that other people wrote: within limits, with one sentence for what is wrong."""

import json
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from lpie.errors import InputError
from lpie.system.paths import refuse_special

LONGEST = 50_000_000  # bytes of a JSON file; parsed it takes 20 times that
LONGEST_TOML = 1_000_000  # bytes; written by hand, and parsed slowly
# How a file begins that is text, but not in UTF-8.
_OTHER_TEXT = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_LONG_KEY = re.compile(r"""(?:["']?[\w-]{0,64}["']?[ \t]{0,9}\.[ \t]{0,9}){64}""")


def read_file(path: Path, *, most: int = LONGEST) -> bytes:
    """The bytes of an ordinary file; an `InputError` for everything else, which is not waited for.

    Args:
        path: The file.
        most: The largest file that is read, in bytes.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except ValueError:  # a zero byte in the name
        raise InputError(f"{str(path)!r} cannot be the name of a file.") from None
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path} is a folder. Give a file.")
    refuse_special(path)
    if status.st_size > most:
        raise InputError(
            f"{path} has {status.st_size / 1e6:,.1f} MB, where at most {most / 1e6:,.0f} MB can "
            "be right. Is it another file?"
        )
    with path.open("rb") as f:  # one that grows meanwhile, or lies about its size, as in /proc
        return f.read(most)


def read_text(path: Path, *, most: int = LONGEST) -> str:
    """The text of an ordinary file in UTF-8, without a byte order mark."""
    data = read_file(path, most=most)
    encoding = _OTHER_TEXT.get(data[:2])
    if encoding:
        raise InputError(f"{path} is in {encoding}. Save it as UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is no text in UTF-8 (byte {error.start:,}). Is it another file?"
        ) from None


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file; an `InputError` when it holds none."""
    text = read_text(path, most=LONGEST_TOML)
    try:
        return parse_toml(text)
    except ValueError as error:
        raise InputError(f"{path} is not valid TOML: {error}.") from None


def parse_toml(text: str) -> dict[str, Any]:
    """The table that `text` holds; a `ValueError` for whatever is wrong with it."""
    if _LONG_KEY.search(text):  # tomllib takes the square of its parts in time
        raise ValueError("a key has too many parts")
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_json(data: bytes | str) -> Any:
    """The value that `data` holds; a `ValueError` for whatever is wrong with it."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
