"""Restores photos one after another; one that fails stops no other."""

import contextlib
import dataclasses
import errno
import os
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lpie.errors import InputError, LpieError
from lpie.image.formats.kinds import target_format
from lpie.image.photo import MAX_MEGAPIXELS, Photo, encode_photo, read_photo
from lpie.restore.batch.choosing import Choice, Chooser
from lpie.restore.batch.finished import is_finished
from lpie.restore.batch.inputs import UNREADABLE, LeftOut, Shard, collect
from lpie.restore.batch.outputs import Job, Naming, check_writable, refuse_finished
from lpie.restore.photos import Crop, cropped, restore_crop, restore_photo, side_by_side
from lpie.size import Size
from lpie.system.files import atomic_path, sentence

# Encoding a larger photo takes as much memory as the interpreters, which are soon opened again.
LARGE_BYTES = 100e6
# The next photo would meet the same.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


@dataclass(frozen=True)
class RestoredFile:
    """A photo that was restored, and where its result is.

    Attributes:
        photo: The photo.
        out: Its result.
        width: The photo's width, in px; of a crop the crop's.
        height: Its height.
        seconds: How long the network took.
        exact: Whether the result is that of the whole image, and not of blended tiles.
        lost: What the format of the result cannot hold, in words.
        scale: How many times as wide and high the result is.
        network: The name of the pretrained network; "" of others, and where none ran.
        note: Why this network, why less of it, or why none, as a phrase; "" where it ran as asked.
    """

    photo: Path
    out: Path
    width: int
    height: int
    seconds: float
    exact: bool
    lost: tuple[str, ...] = ()
    scale: int = 1
    network: str = ""
    note: str = ""

    @property
    def kept(self) -> bool:
        """Whether the photo was left as it is."""
        return bool(self.note) and not self.network


@dataclass
class Summary:
    """What became of photos that were to be restored: each is in one of the lists.

    Attributes:
        restored: Those that were restored.
        kept: Those that were left as they are, as they need nothing of the network: their results
            are copies. `note` says why.
        skipped: Those that had been restored before.
        failed: Those that could not be restored; the reason is a sentence.
        left_out: Files in folders that are no photos, and links to folders, with the reason.
    """

    restored: list[RestoredFile] = field(default_factory=list)
    kept: list[RestoredFile] = field(default_factory=list)
    skipped: list[LeftOut] = field(default_factory=list)
    failed: list[LeftOut] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


@dataclass(frozen=True)
class Batch:
    """Which photos to restore, where their results go, and how.

    Attributes:
        inputs: Files, folders and patterns; see `lpie.restore.batch.inputs.collect`.
        naming: Where the results go.
        strength: The share of the network's change that is applied, from 0 to 1.
        crop: The part of the photo that is restored; None for all of it.
        shard: The part of the photos that is restored; None for all of them.
        resume: Whether photos with a whole result are skipped.
        force: Whether results that exist are overwritten.
        max_megapixels: Larger photos are refused before they are decoded.
    """

    inputs: tuple[str, ...]
    naming: Naming = field(default_factory=Naming)
    strength: float = 1.0
    crop: Crop | None = None
    shard: Shard | None = None
    resume: bool = False
    force: bool = False
    max_megapixels: float = MAX_MEGAPIXELS

    @property
    def alone(self) -> bool:
        """Whether one file was named: its error is the error of all."""
        return len(self.inputs) == 1 and Path(self.inputs[0]).is_file()

    def jobs(self) -> tuple[list[Job], list[LeftOut]]:
        """(the jobs, what is left out), all of it checked; nothing is written yet.

        Raises:
            InputError: An input does not exist, or an output would replace a photo, another output
                or what is there already.
        """
        if self.crop and not self.alone:
            raise InputError("`crop` is for one photo. Received a folder or several photos.")
        sources, left_out = collect(self.inputs)
        jobs = self.naming.jobs(sources, self.inputs)
        if self.shard:
            chosen = {source.photo for source in sources if self.shard.holds(source)}
            jobs = [job for job in jobs if job.photo in chosen]
        if not self.resume:
            refuse_finished(jobs, force=self.force)
        return jobs, left_out


def run(
    batch: Batch,
    chooser: Chooser,
    *,
    on_start: Callable[[int, int, Path], object] = lambda index, count, photo: None,
    on_restored: Callable[[RestoredFile], object] = lambda row: None,
    progress: Callable[[int], object] = lambda pixels: None,
) -> Summary:
    """Restore the photos of `batch`.

    Args:
        batch: What to restore, and where to.
        chooser: The network, or who chooses one.
        on_start: Called before each photo with its number from 0 on, how many there are, and it.
        on_restored: Called after each photo that was restored or left as it is.
        progress: Called with the number of pixels of each finished tile.

    Returns:
        What became of each photo.

    Raises:
        InputError: The batch is refused; nothing was written. Or the only photo cannot be restored.
        LpieError: The disk is full or read-only: the photos that are left would fail as well.
    """
    jobs, left_out = batch.jobs()
    check_writable({job.out.parent for job in jobs})
    unreadable = [row for row in left_out if UNREADABLE in row.reason]
    summary = Summary(
        failed=[LeftOut(path, f"{path} is {why}.") for path, why in unreadable],
        left_out=[row for row in left_out if row not in unreadable],
    )
    for index, job in enumerate(jobs):
        on_start(index, len(jobs), job.photo)
        try:
            row = _restore(batch, chooser, job, progress)
        except (LpieError, MemoryError, OSError) as error:
            failure = _explained(error, job)
            if batch.alone:
                raise failure from None
            if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
                raise LpieError(
                    f"{failure} {len(summary.restored)} photos are restored, and "
                    f"{len(jobs) - index} are left: make room, then add `resume`."
                ) from None
            summary.failed.append(LeftOut(job.photo, str(failure)))
            continue
        if row is None:
            summary.skipped.append(LeftOut(job.photo, f"{job.out} exists already"))
        else:
            (summary.kept if row.kept else summary.restored).append(row)
            on_restored(row)
    return summary


def _restore(
    batch: Batch, chooser: Chooser, job: Job, progress: Callable[[int], object]
) -> RestoredFile | None:
    """Restore one photo, or leave it as it is; None when it is finished already."""
    scale = chooser.scale
    size = Size(batch.crop.height, batch.crop.width) if batch.crop else None
    if batch.resume and is_finished(job, scale=scale, crop=size, force=batch.force):
        return None
    if job.backup and job.photo.is_symlink():
        raise InputError(f"{job.photo} is a link, which is not replaced. Name the photo itself.")
    photo = read_photo(job.photo, max_megapixels=batch.max_megapixels)
    start = time.perf_counter()
    choice = chooser.choose(photo)
    if choice.restorer is None:
        return _keep(batch, job, photo, choice, start)
    strength = batch.strength * choice.strength
    if batch.crop:
        result = restore_crop(choice.restorer, photo, batch.crop, strength=strength)
    else:
        result = restore_photo(choice.restorer, photo, strength=strength, progress=progress)
    seconds = time.perf_counter() - start
    if result.after.pixels.nbytes > LARGE_BYTES:
        chooser.close()
    if job.backup:
        _back_up(job.photo, job.backup)
    lost = _write(job.out, result.after, job.photo)
    row = _row(job, result.before, choice, seconds, lost)
    if job.comparison:
        _write(job.comparison, side_by_side(result.before, result.after), job.photo)
    return dataclasses.replace(row, exact=result.exact, scale=scale)


def _keep(batch: Batch, job: Job, photo: Photo, choice: Choice, start: float) -> RestoredFile:
    """Write `photo` as it is: the same file where it may be, else its samples in another."""
    lost: list[str] = []
    whole = batch.crop is None
    if batch.crop:
        photo = cropped(photo, batch.crop)
    seconds = time.perf_counter() - start
    if job.out != job.photo:
        if whole and photo.header.format == target_format(job.out):
            _write_bytes(job.out, job.photo.read_bytes(), job.photo)
        else:
            lost = _write(job.out, photo, job.photo)
    if job.comparison:
        _write(job.comparison, side_by_side(photo, photo), job.photo)
    return _row(job, photo, choice, seconds, lost)


def _row(job: Job, before: Photo, choice: Choice, seconds: float, lost: list[str]) -> RestoredFile:
    h, w = before.pixels.shape[:2]
    network = choice.network if choice.restorer else ""
    return RestoredFile(
        job.photo, job.out, w, h, seconds, True, tuple(lost), network=network, note=choice.note
    )


def _write(path: Path, result: Photo, photo: Path) -> list[str]:
    """Write `result` with the times of `photo`, for nobody who may not read that; what is lost."""
    data, lost = encode_photo(result, target_format(path), path)
    _write_bytes(path, data, photo)
    return lost


def _write_bytes(path: Path, data: bytes, photo: Path) -> None:
    """Write a file with the times of `photo`, for nobody who may not read that."""
    status = photo.stat()
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
        with contextlib.suppress(OSError):  # a file system without them
            mode = stat.S_IMODE(temporary.stat().st_mode) & status.st_mode | 0o600
            temporary.chmod(mode)
            os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))


def _back_up(photo: Path, backup: Path) -> None:
    """Keep `photo` under the name `backup`, which nothing overwrites."""
    if backup.exists():  # a run was stopped after it: the same bytes, as `is_finished` has seen
        return
    backup.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(backup) as temporary:
        shutil.copy2(photo, temporary)


def _explained(error: BaseException, job: Job) -> LpieError:
    """The failure of one photo in a sentence."""
    if isinstance(error, LpieError):
        return error
    if isinstance(error, OSError):
        return sentence(error)
    return LpieError(
        f"{job.photo} needs more memory than there is. Lower `max_memory_mb`, or restore it by "
        "`crop`."
    )
