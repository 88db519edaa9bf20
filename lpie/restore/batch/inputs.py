"""Which photos a person means by files, folders and patterns."""

import glob
import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from lpie.errors import InputError
from lpie.image.formats.kinds import RAW_SUFFIXES
from lpie.image.image import EXTENSIONS
from lpie.image.listing import Entry, Kind, entries, ignored, is_pattern
from lpie.system.paths import refuse_special


class Source(NamedTuple):
    """A photo, and its name below the folder that results go to.

    root: the folder that was typed and holds the photo; None for a file or a pattern.
    """

    photo: Path
    name: Path
    root: Path | None = None


class LeftOut(NamedTuple):
    """A file that is not restored, and why, as a phrase."""

    path: Path
    reason: str


class Shard(NamedTuple):
    """One part of the `parts` into which photos are split, from 1 on."""

    part: int
    parts: int

    @staticmethod
    def parse(text: str) -> "Shard":
        """The part that a person typed, such as 3/16."""
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise InputError(
                f"`shard` must be PART/PARTS, where parts count from 1. Received: {text!r}. Try "
                "1/16 to 16/16 on 16 machines."
            )
        return Shard(int(match[1]), int(match[2]))

    def holds(self, source: Source) -> bool:
        """Whether `source` belongs to this part, which its name below the input alone decides.

        So machines agree that see the folder at other places, or while files are added.
        """
        name = unicodedata.normalize("NFC", source.name.as_posix())
        digest = hashlib.sha256(os.fsencode(name)).digest()
        return int.from_bytes(digest[:8], "big") % self.parts == self.part - 1


def collect(inputs: Sequence[str]) -> tuple[list[Source], list[LeftOut]]:
    """(the photos that `inputs` name, what in folders and among patterns is no photo).

    Args:
        inputs: Files, folders (with all folders in them) and patterns with `*`, `?` or `[...]`;
            a pattern with `**` looks into folders.

    Raises:
        InputError: An input does not exist, or all of them hold no photo.
    """
    sources: list[Source] = []
    left_out: list[LeftOut] = []
    for text in inputs:
        if is_pattern(text):
            _collect_pattern(text, sources, left_out)
        else:
            _collect_path(Path(text), sources, left_out, alone=len(inputs) == 1)
    sources, left_out = _once(sources), list(dict.fromkeys(left_out))
    if not sources and not any(UNREADABLE in row.reason for row in left_out):
        raise InputError(
            f"{', '.join(inputs)} holds no image. Readable: {', '.join(EXTENSIONS)}."
            + (f" Left out: {', '.join(summary(left_out))}." if left_out else "")
        )
    return sources, left_out


def summary(left_out: Iterable[LeftOut]) -> list[str]:
    """Phrases that count what was left out: by type where it is no photo, else one by one."""
    types: dict[str, Counter[str]] = {NO_PHOTO: Counter(), RAW: Counter()}
    rows = []
    for path, reason in left_out:
        if reason in types:
            types[reason][path.suffix.lower() or "without a suffix"] += 1
        else:
            rows.append(f"{path} ({reason})")
    counted = [
        f"{', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))} ({reason})"
        for reason, kinds in types.items()
        if kinds
    ]
    return counted + rows


UNREADABLE = "an unreadable folder"
NO_PHOTO = "no type of photo that is restored"
RAW = "raw sensor data, which a raw converter must develop first"
# What else is left out of a folder, which a person may not expect.
_REASONS = {
    "link to a folder": "a link to a folder, which is not followed",
    "pipe or device": "a pipe or a device",
    "broken link": "a link to nothing",
}


def _collect_path(
    path: Path, sources: list[Source], left_out: list[LeftOut], *, alone: bool
) -> None:
    """Add a file, or all photos in a folder."""
    refuse_special(path, name="`input`")
    if path.is_dir():
        for entry in entries(path, inner=True):
            source = Source(entry.path, entry.path.relative_to(path), path)
            _sort_out(entry, source, sources, left_out)
    elif not path.exists():
        raise InputError(f"{path} does not exist.")
    elif alone or path.suffix.lower() in EXTENSIONS:
        sources.append(Source(path, Path(path.name)))
    elif not ignored(path.name):  # as `*` of a shell gives it
        left_out.append(LeftOut(path, _no_photo(path)))


def _collect_pattern(text: str, sources: list[Source], left_out: list[LeftOut]) -> None:
    """Add all that a pattern matches; names below the part of it without wildcards."""
    matches = glob.glob(text, recursive=True)
    if not matches:
        raise InputError(f"No file matches the pattern {text}.")
    base = _base(text)
    for match in map(Path, matches):
        link = next((p for p in _inside(match, base) if p.is_symlink() and p.is_dir()), None)
        if link:
            _sort_out(Entry(link, "link to a folder"), Source(link, link), sources, left_out)
        elif ignored(match.name):
            continue
        elif not match.is_dir():
            kind: Kind = "file" if match.is_file() else "pipe or device"
            kind = kind if match.exists() else "broken link"
            source = Source(match, match.relative_to(base))
            _sort_out(Entry(match, kind), source, sources, left_out)
        elif "**" not in text:  # which has looked into it
            for entry in entries(match, inner=True):
                source = Source(entry.path, entry.path.relative_to(base))
                _sort_out(entry, source, sources, left_out)


def _inside(path: Path, base: Path) -> list[Path]:
    """`path` and the folders that hold it, below `base`, the outermost first."""
    parts = path.relative_to(base).parts
    return [base.joinpath(*parts[:n]) for n in range(1, len(parts) + 1)]


def _base(pattern: str) -> Path:
    """The folders of a pattern before its first wildcard."""
    parts = Path(pattern).parts
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:first])


def _sort_out(entry: Entry, source: Source, sources: list[Source], left_out: list[LeftOut]) -> None:
    if entry.kind == "unreadable folder":
        left_out.append(LeftOut(entry.path, f"{UNREADABLE}: {entry.reason}"))
    elif entry.kind != "file":
        left_out.append(LeftOut(entry.path, _REASONS[entry.kind]))
    elif entry.path.suffix.lower() in EXTENSIONS:
        sources.append(source)
    else:
        left_out.append(LeftOut(entry.path, _no_photo(entry.path)))


def _no_photo(path: Path) -> str:
    return RAW if path.suffix.lower() in RAW_SUFFIXES else NO_PHOTO


def _once(sources: list[Source]) -> list[Source]:
    """Sorted by the order of the inputs' names; a photo that is named twice comes once."""
    kept: dict[str, Source] = {}
    for source in sources:
        kept.setdefault(os.path.abspath(source.photo), source)
    return sorted(kept.values(), key=lambda source: str(source.photo).split(os.sep))
