"""`lpie restore`."""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
from tqdm import tqdm

from lpie.cli.format import echo, json_option, print_json
from lpie.cli.paths import PATH
from lpie.errors import InputError, LpieError
from lpie.image.image import EXTENSIONS, list_images
from lpie.image.photo import MAX_MEGAPIXELS, Header, read_header, read_photo, write_photo
from lpie.restore.photos import Crop, restore_crop, restore_photo, side_by_side
from lpie.restore.restorer import Restorer
from lpie.restore.tile_policy import HALOS, MAX_MEMORY_MB
from lpie.system.files import refuse_existing, sentence

# Encoding a larger photo takes as much memory as the interpreters, which are soon opened again.
LARGE_BYTES = 100e6


class Job(NamedTuple):
    """One photo to restore and the file to write."""

    photo: Path
    out: Path

    @property
    def comparison(self) -> Path:
        """The file of --compare."""
        return self.out.with_stem(f"{self.out.stem}_compare")


@click.command()
@click.argument("model", type=PATH)
@click.argument("source", metavar="IN", type=PATH)
@click.argument("target", metavar="[OUT]", required=False, type=PATH)
@click.option(
    "--strength",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Share of the network's change that is applied.",
)
@click.option(
    "--compare", is_flag=True, help="Also write NAME_compare: before and after, side by side."
)
@click.option(
    "--crop",
    metavar="X,Y,WxH",
    help="Restore only this part of the photo IN, in pixels from its top left corner.",
)
@click.option("--resume", is_flag=True, help="Skip photos whose output exists already.")
@click.option("--force", is_flag=True, help="Overwrite existing outputs.")
@click.option(
    "--halo",
    type=click.Choice(HALOS),
    default=HALOS[0],
    show_default=True,
    help="Overlap of tiles. fast: less of it, at an error of at most 1/1024 of a level of 255.",
)
@click.option(
    "--tile",
    "tile_px",
    type=int,
    help="Longest side of a tile, in pixels.  [default: the fastest on this machine]",
)
@click.option(
    "--max-memory",
    "max_memory_mb",
    type=click.FloatRange(1),
    default=MAX_MEMORY_MB,
    show_default=True,
    help="Memory for the result and for all tiles in work, in MB.",
)
@click.option(
    "--max-megapixels",
    type=click.FloatRange(0),
    default=MAX_MEGAPIXELS,
    show_default=True,
    help="Refuse larger photos before they are decoded.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Number of threads that run a .tflite.  [default: all cores]",
)
@json_option
def restore(
    model: Path,
    source: Path,
    target: Path | None,
    crop: str | None,
    resume: bool,
    force: bool,
    as_json: bool,
    strength: float,
    compare: bool,
    max_megapixels: float,
    **options: Any,
) -> None:
    """Restore the photo IN, or every photo in the folder IN and its subfolders, with MODEL.

    MODEL is the name of a pretrained network (see `lpie models`), a run, a .keras or a .tflite
    file. OUT defaults to a name beside IN (photo_restored.jpg, or the folder IN_restored); IN
    itself is never overwritten. Bit depth, transparency, EXIF, colour profile and JPEG quality
    are kept. Of a folder, photos that cannot be read are listed at the end, and the exit code
    is 1.

    \b
    Examples:
      lpie restore denoise photo.jpg
      lpie restore denoise photo.jpg --crop 1200,800,640x480 --compare
      lpie restore runs/smoke holiday/ holiday_restored/ --resume
    """
    part = Crop.parse(crop) if crop else None
    if part and source.is_dir():
        raise InputError("--crop is for one photo. Received a folder.")
    if not source.exists():
        raise InputError(f"{source} does not exist.")
    restorer = Restorer(model, **options)
    jobs, skipped = _jobs(source, target, force=force, resume=resume)
    for job in jobs if compare else ():
        refuse_existing(job.comparison, force=force or resume)
    _check_writable(jobs)

    def work(job: Job, progress: Callable[[int], object]) -> dict[str, Any]:
        photo = read_photo(job.photo, max_megapixels=max_megapixels)
        start = time.perf_counter()
        if part:
            result = restore_crop(restorer, photo, part, strength=strength)
        else:
            result = restore_photo(restorer, photo, strength=strength, progress=progress)
        seconds = time.perf_counter() - start
        if result.after.pixels.nbytes > LARGE_BYTES:
            restorer.close()
        write_photo(job.out, result.after)
        if compare:
            write_photo(job.comparison, side_by_side(result.before, result.after))
        h, w = result.before.pixels.shape[:2]
        row = {"in": str(job.photo), "out": str(job.out), "width": w, "height": h, "s": seconds}
        return {**row, "exact": result.exact}

    restored, failed = _restore_all(jobs, work, alone=not source.is_dir(), as_json=as_json)
    if as_json:
        print_json({"restored": restored, "skipped": len(skipped), "failed": failed})
    elif skipped:
        echo(f"{len(skipped)} already done, skipped.")
    if any(not row["exact"] for row in restored):
        echo(
            f"{restorer.reason}: tiles were blended, which is not exactly the result of the whole "
            "image.",
            err=True,
        )
    if failed:
        listed = "".join(f"\n  {row['error']}" for row in failed)
        raise LpieError(f"{len(failed)} of {len(jobs)} photos were not restored:{listed}")


def _restore_all(
    jobs: Sequence[Job],
    work: Callable[[Job, Callable[[int], object]], dict[str, Any]],
    *,
    alone: bool,
    as_json: bool,
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """(rows of restored photos, rows of failed ones); a single photo raises its error."""
    restored: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    headers = {} if as_json else _headers(jobs)
    total = sum(header.width * header.height for header in headers.values())
    options = {"unit": "px", "unit_scale": True, "dynamic_ncols": True, "leave": False}
    with tqdm(total=total or None, disable=True if as_json else None, **options) as bar:
        for job in jobs:
            try:
                row = work(job, bar.update)
            except LpieError as error:
                if alone:
                    raise
                failed.append({"in": str(job.photo), "error": str(error)})
                continue
            restored.append(row)
            if not as_json:
                size = f"{row['width']}x{row['height']}"
                bar.write(f"{job.out} ({size}, {row['s']:.2f} s)", file=sys.stdout)
    return restored, failed


def _headers(jobs: Sequence[Job]) -> dict[Path, Header]:
    """The headers of the photos that have one, for the progress bar."""
    headers = {}
    for job in jobs:
        try:
            headers[job.photo] = read_header(job.photo)
        except (InputError, OSError):  # reported when its turn comes
            continue
    return headers


def _jobs(
    source: Path, target: Path | None, *, force: bool, resume: bool
) -> tuple[list[Job], list[Job]]:
    """(photos to restore, photos that --resume skips), checked before any slow work."""
    if source.is_dir():
        folder = target or source.with_name(f"{source.resolve().name}_restored")
        photos = list_images(source, inner=True)
        inside = folder.resolve() if folder.resolve() != source.resolve() else None
        photos = [p for p in photos if inside is None or inside not in p.resolve().parents]
        jobs = [Job(photo, folder / photo.relative_to(source)) for photo in photos]
    else:
        out = target or source.with_stem(f"{source.stem}_restored")
        jobs = [Job(source, out / source.name if out.is_dir() else out)]
    sources = {job.photo.resolve() for job in jobs}
    for photo, out in jobs:
        if out.resolve() in sources:
            raise InputError(
                f"Input and output are the same file ({photo}). Choose another output: "
                "lpie never overwrites its input."
            )
        if out.suffix.lower() not in EXTENSIONS:
            raise InputError(f"OUT must end in one of {', '.join(EXTENSIONS)}. Received: {out}.")
        if not resume:
            refuse_existing(out, force=force)
    skipped = [job for job in jobs if resume and job.out.exists()]
    return [job for job in jobs if job not in skipped], skipped


def _check_writable(jobs: Sequence[Job]) -> None:
    """Raise an `LpieError` where a file cannot be written in the folder of an output."""
    for folder in sorted({job.out.parent for job in jobs}):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise LpieError(f"{folder} cannot be written to: {sentence(error)}") from None
