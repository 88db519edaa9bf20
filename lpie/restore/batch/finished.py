"""Whether a photo is restored already, for `resume`: neither half a file nor a foreign one is."""

import filecmp
from pathlib import Path

from lpie.errors import InputError
from lpie.image.photo import read_header, read_photo
from lpie.restore.batch.outputs import Job
from lpie.size import Size

# How a photo's file begins; a copy that was cut off has no more than that.
_STARTS = (b"\xff\xd8", b"\x89PNG", b"RIFF", b"II", b"MM", b"BM", b"GIF8", b"\0\0\0", b"\xff\x0a")
_SAME_TIME_S = 2.0  # FAT rounds to 2 s


def is_finished(job: Job, *, scale: int, crop: Size | None, force: bool) -> bool:
    """Whether all outputs of `job` are there, whole.

    An output that has the time and the size of the photo's result is one: lpie gives it the
    photo's time before it gives it its name. Any other is read to the end.

    Args:
        job: The photo and its outputs.
        scale: How many times as high and wide as the photo the result is.
        crop: The size of the part that is restored, if not all.
        force: Whether a foreign file may be replaced.

    Raises:
        InputError: There is a file that is no result of this photo, and `force` is not set.
    """
    if job.backup:
        return job.backup.exists() and not _same_content(job.backup, job.photo)
    if not job.out.exists():
        # It is written before the comparison, so that a comparison alone is not ours.
        if job.comparison and job.comparison.exists():
            return _refuse_foreign(job.comparison, half=False, force=force)
        return False
    return _is_result(job, scale, crop, force) and not (
        job.comparison and not job.comparison.exists()
    )


def _is_result(job: Job, scale: int, crop: Size | None, force: bool) -> bool:
    """Whether `job.out` is a whole result."""
    height, width = crop or _size(job.photo)
    expected = {(height * scale, width * scale), (width * scale, height * scale)}  # or turned
    try:
        size = _size(job.out)
    except InputError:
        return _refuse_foreign(job.out, half=_begins_like_a_photo(job.out), force=force)
    if size not in expected:
        return _refuse_foreign(job.out, half=False, force=force)
    return _same_time(job.photo, job.out) or _is_whole(job.out)


def is_ours(photo: Path, out: Path) -> bool:
    """Whether `out` surely is a result of `photo`: it has its time, to the nanosecond, and size.

    Whole seconds prove nothing, as a camera's photos of one second have them, nor does a copy.
    """
    try:
        times = {path.stat().st_mtime_ns for path in (photo, out)}
        alike = len(times) == 1 and times.pop() % 1_000_000_000 != 0 and _size(photo) == _size(out)
        return alike and not filecmp.cmp(photo, out, shallow=False)
    except (InputError, OSError):
        return False


def _size(path: Path) -> Size:
    header = read_header(path)
    return Size(header.height, header.width)


def _same_time(photo: Path, out: Path) -> bool:
    return abs(photo.stat().st_mtime - out.stat().st_mtime) < _SAME_TIME_S


def _is_whole(path: Path) -> bool:
    try:
        read_photo(path, max_megapixels=float("inf"))
    except InputError:
        return False
    return True


def _begins_like_a_photo(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(8)
    return any(start.startswith(known[: len(start)]) for known in _STARTS)


def _refuse_foreign(path: Path, *, half: bool, force: bool) -> bool:
    """False, as half a photo is not finished; an `InputError` for a file that is no result."""
    if half or force:
        return False
    raise InputError(
        f"{path} exists already and is no result of this photo. Choose another output, or add "
        "`force` to overwrite it."
    )


def _same_content(one: Path, other: Path) -> bool:
    return one.samefile(other) or filecmp.cmp(one, other, shallow=False)
