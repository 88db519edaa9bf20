"""Where results go: names that never meet a photo, each other, or what is there already."""

import os
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lpie.errors import InputError, LpieError
from lpie.image.image import EXTENSIONS
from lpie.restore.batch.inputs import Source
from lpie.system.files import refuse_existing, sentence
from lpie.system.paths import check_outputs, refuse_special

LONGEST_NAME = 255  # bytes, of nearly every file system


class Job(NamedTuple):
    """One photo to restore and the files to write.

    comparison: before and after, side by side. backup: the photo as it was, where `out` is the
    photo itself.
    """

    photo: Path
    out: Path
    comparison: Path | None = None
    backup: Path | None = None

    @property
    def outputs(self) -> list[Path]:
        """All files that the job writes."""
        return [path for path in (self.out, self.comparison, self.backup) if path]


@dataclass(frozen=True)
class Naming:
    """How results are named.

    Attributes:
        output: A file, for one photo, or a folder; None for names beside the inputs.
        suffix: The suffix of all results, such as ".png"; None for that of each photo.
        compare: Whether a comparison is written beside each result.
        backup: Results replace the photos, which are kept under this suffix (it begins with ".",
            "_", "-" or "~") or in this folder; None where results have names of their own.
    """

    output: str | None = None
    suffix: str | None = None
    compare: bool = False
    backup: str | None = None

    def jobs(self, sources: Sequence[Source], inputs: Sequence[str]) -> list[Job]:
        """The jobs of `sources`, which `inputs` named: every result has a name of its own.

        Raises:
            InputError: A result would replace a photo, or two would be one file.
        """
        roots = {source.root for source in sources if source.root}
        places = {root: self._place(root, inputs) for root in roots}
        own = {root: self._own_folder(root, place) for root, place in places.items()}
        kept = [
            (source, self._out(source, places, inputs))
            for source in sources
            if not (source.root and own[source.root] in source.name.parents)
        ]
        ignores_case = bool(kept) and _ignores_case(kept[0][1].parent)
        outs = _apart([out for _, out in kept], [s.photo for s, _ in kept], ignores_case)
        jobs = [self._job(source, out) for (source, _), out in zip(kept, outs, strict=True)]
        _refuse_meeting(jobs, ignores_case)
        return jobs

    def _job(self, source: Source, out: Path) -> Job:
        if out.suffix.lower() not in EXTENSIONS:
            raise InputError(
                f"`output` must end in one of {', '.join(EXTENSIONS)}. Received: {out}."
            )
        comparison = with_ending(out, "_compare") if self.compare else None
        return Job(source.photo, out, comparison, self._backup(source))

    def _place(self, root: Path, inputs: Sequence[str]) -> Path:
        """The folder that the results of the folder `root` go to."""
        if self.output is None or not self.is_folder(inputs):
            return with_ending(root.with_name(root.resolve().name), "_restored")
        return Path(self.output) / (root.resolve().name if len(inputs) > 1 else "")

    def _own_folder(self, root: Path, place: Path) -> Path | None:
        """The folder of results, or of backups, within `root`, whose photos are no inputs."""
        if self.backup:
            place = root if self._is_ending else Path(self.backup)
        inside, around = place.resolve(), root.resolve()
        return inside.relative_to(around) if around in inside.parents else None

    def _out(self, source: Source, places: Mapping[Path, Path], inputs: Sequence[str]) -> Path:
        """The result of `source` by its name alone."""
        if self.backup:
            return source.photo
        if source.root:
            out = places[source.root] / source.name
        elif self.output is None:
            out = with_ending(source.photo, "_restored")
        elif self.is_folder(inputs):
            out = Path(self.output) / source.name
        else:
            out = Path(self.output)
            refuse_special(out, name="`output`")
        if self.suffix is None or _same_format(out.suffix, self.suffix):
            return out
        if self.output is not None and not self.is_folder(inputs):
            raise InputError(
                f"`format` and the name of `output` disagree: {self.suffix[1:]} and {out}. Omit "
                f"`format`, or try {out.with_suffix(self.suffix)}."
            )
        return out.with_suffix(self.suffix)

    def is_folder(self, inputs: Sequence[str]) -> bool:
        """Whether `output` is the folder of the results."""
        if self.output is None:
            return False
        path, separators = Path(self.output), tuple(filter(None, (os.sep, os.altsep)))
        if self.output.endswith(separators) or path.is_dir():
            return True
        if len(inputs) == 1 and Path(inputs[0]).is_file():
            return False
        if path.exists() or path.suffix.lower() in EXTENSIONS:
            raise InputError(
                f"`output` must be a folder for several photos. Received: {path}. Try "
                f"{path.with_suffix('')}{os.sep}."
            )
        return True

    @property
    def _is_ending(self) -> bool:
        """Whether `backup` is an ending of names rather than a folder."""
        backup = self.backup or ""
        return backup[:1] in tuple("._-~") and os.path.basename(backup) == backup

    def _backup(self, source: Source) -> Path | None:
        if not self.backup:
            return None
        if self._is_ending:
            return source.photo.with_name(source.photo.name + self.backup)
        return Path(self.backup) / source.name


def with_ending(path: Path, ending: str) -> Path:
    """`path` with `ending` after its stem, which is shortened where the name gets too long."""
    stem, rest = path.stem, ending + path.suffix
    while stem and len(os.fsencode(stem + rest)) > LONGEST_NAME:
        stem = stem[:-1]
    return path.with_name(stem + rest)


def refuse_finished(jobs: Iterable[Job], *, force: bool) -> None:
    """Raise an `InputError` where a result exists already, unless `force`, or a backup, always."""
    for job in jobs:
        if job.backup and job.backup.exists():
            raise InputError(
                f"{job.backup} exists already, and lpie never overwrites a backup. Choose another "
                "`backup`, or add `resume` to skip the photos that have one."
            )
        for path in (job.comparison, None if job.backup else job.out):
            if path:
                refuse_existing(path, force=force)


def check_writable(folders: Iterable[Path]) -> None:
    """Raise an `LpieError` where no file can be written in `folders`, or no folder made for them.

    Nothing is left behind, not even an empty folder.
    """
    for folder in sorted({_there(folder) for folder in folders}):
        try:
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise LpieError(f"{folder} cannot be written to: {sentence(error)}") from None


def _there(folder: Path) -> Path:
    """The nearest of `folder` and those around it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _same_format(one: str, other: str) -> bool:
    alike = {".jpeg": ".jpg", ".tiff": ".tif"}
    one, other = one.lower(), other.lower()
    return alike.get(one, one) == alike.get(other, other)


def _ignores_case(folder: Path) -> bool:
    """Whether a.jpg and A.jpg are one file in `folder`, or in the folder that it will be in."""
    try:
        with tempfile.NamedTemporaryFile(prefix="lpie-case-", dir=_there(folder)) as probe:
            return Path(probe.name).with_name(Path(probe.name).name.upper()).exists()
    except OSError:  # `check_writable` says so in its turn
        return False


def _key(path: Path, ignores_case: bool) -> str:
    """What two names of one file have in common."""
    text = str(path)
    return unicodedata.normalize("NFC", text).casefold() if ignores_case else text


def _apart(outs: list[Path], photos: list[Path], ignores_case: bool) -> list[Path]:
    """`outs`, where a.jpg and a.png with one suffix become a.jpg.png and a.png."""
    keys = [_key(out, ignores_case) for out in outs]
    names = Counter(keys)
    return [
        with_ending(out.with_name(photo.name + out.suffix), "")
        if names[key] > 1 and not _same_format(photo.suffix, out.suffix)
        else out
        for key, out, photo in zip(keys, outs, photos, strict=True)
    ]


def _refuse_meeting(jobs: Sequence[Job], ignores_case: bool) -> None:
    """Raise an `InputError` where an output is a photo that is read, or that of another job."""
    writers: dict[str, Job] = {}
    for job in jobs:
        for path in job.outputs:
            other = writers.setdefault(_key(path, ignores_case), job)
            if other is not job:
                raise InputError(
                    f"{other.photo} and {job.photo} would both be written to {path}. Restore them "
                    "by two commands, with an `output` for each."
                )
    written = [path for job in jobs for path in job.outputs if not (job.backup and path == job.out)]
    check_outputs(written, [job.photo for job in jobs])
