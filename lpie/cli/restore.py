"""`lpie restore`."""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
from tqdm import tqdm

from lpie.cli.format import json_option, print_json
from lpie.errors import InputError, LpieError
from lpie.image.image import EXTENSIONS, list_images
from lpie.image.photo import MAX_MEGAPIXELS, Header, read_header, read_photo, write_photo
from lpie.restore.photos import Crop, restore_crop, restore_photo, side_by_side
from lpie.restore.restorer import MAX_MEMORY_MB, Restorer
from lpie.restore.tile_policy import HALOS
from lpie.system.files import refuse_existing, sentence

# To encode a larger photo takes as much memory as the interpreters, which are soon made again.
LARGE_BYTES = 100e6


class Job(NamedTuple):
    photo: Path
    out: Path


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="[OUT]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--strength",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="How much of the network's change is applied.",
)
@click.option("--compare", is_flag=True, help="Also write NAME_compare: before and after.")
@click.option("--crop", metavar="X,Y,WxH", help="Restore this part of the photo IN only, in px.")
@click.option("--resume", is_flag=True, help="Skip photos whose OUT exists.")
@click.option("--force", is_flag=True, help="Overwrite OUT.")
@click.option(
    "--halo",
    type=click.Choice(HALOS),
    default=HALOS[0],
    show_default=True,
    help="fast: tiles overlap less; at most 1/1024 of a level is lost.",
)
@click.option("--tile", "tile_px", type=int, help="Longest side of a tile, px.  [default: fastest]")
@click.option(
    "--max-memory",
    "max_memory_mb",
    type=click.FloatRange(1),
    default=MAX_MEMORY_MB,
    show_default=True,
    help="MB beside the photo, its result included.",
)
@click.option(
    "--max-megapixels",
    type=click.FloatRange(0),
    default=MAX_MEGAPIXELS,
    show_default=True,
    help="Larger photos are refused before they are decoded.",
)
@click.option("--threads", type=click.IntRange(1), help="For a .tflite.  [default: all cores]")
@json_option
def restore(
    model: Path, source: Path, target: Path | None, crop: str | None, resume: bool, force: bool,
    as_json: bool, strength: float, compare: bool, max_megapixels: float, **options: Any,
) -> None:  # fmt: skip
    """Restore the photo IN, or every photo in the folder IN and those inside it, with MODEL.

    MODEL is a run, a .keras or a .tflite file, or a pretrained network. OUT defaults to a name beside
    IN (photo_restored.jpg, or the folder IN_restored); IN itself is never written to. Bit depth,
    transparency, EXIF, colour profile and JPEG quality stay. In a folder, photos that cannot be
    read are listed at the end, and the exit code is 1.

    \b
    Examples:
      lpie restore denoise photo.jpg
      lpie restore denoise photo.jpg --crop 1200,800,640x480 --compare
      lpie restore runs/smoke holiday/ holiday_restored/ --resume
    """
    part = Crop.parse(crop) if crop else None
    if part and source.is_dir():
        raise InputError("--crop is for one photo. Received a folder.")
    jobs, skipped = _jobs(source, target, force=force, resume=resume)
    for job in jobs if compare else ():
        refuse_existing(_compared(job), force=force or resume)
    restorer = Restorer(model, **options)
    _check_writable(jobs)

    def work(job: Job, bar: Any) -> dict[str, Any]:
        photo = read_photo(job.photo, max_megapixels=max_megapixels)
        start = time.perf_counter()
        if part:
            photo, done = restore_crop(restorer, photo, part, strength=strength)
        else:
            done = restore_photo(restorer, photo, strength=strength, progress=bar.update)
        seconds = time.perf_counter() - start
        if done.pixels.nbytes > LARGE_BYTES:
            restorer.close()
        write_photo(job.out, done)
        if compare:
            write_photo(_compared(job), side_by_side(photo, done))
        h, w = photo.pixels.shape[:2]
        row = {"in": str(job.photo), "out": str(job.out), "width": w, "height": h, "s": seconds}
        return {**row, "exact": restorer.was_exact}

    done, bad = _all(jobs, work, alone=not source.is_dir(), as_json=as_json)
    if as_json:
        print_json({"restored": done, "skipped": len(skipped), "failed": bad})
    elif skipped:
        click.echo(f"{len(skipped)} already done, skipped.")
    if any(not row["exact"] for row in done):
        click.echo(
            "This network sees the whole image: its tiles were blended, which is not exactly what "
            "the whole image gives.", err=True,
        )  # fmt: skip
    if bad:
        listed = "".join(f"\n  {each['error']}" for each in bad)
        raise LpieError(f"{len(bad)} of {len(jobs)} photos were not restored:{listed}")


def _all(
    jobs: Sequence[Job], work: Any, *, alone: bool, as_json: bool
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """(what was done, what was not); a photo that stands alone raises its error."""
    done: list[dict[str, Any]] = []
    bad: list[dict[str, str]] = []
    headers = {} if as_json else _headers(jobs)
    total = sum(header.width * header.height for header in headers.values())
    options = {"unit": "px", "unit_scale": True, "dynamic_ncols": True, "leave": False}
    with tqdm(total=total or None, disable=True if as_json else None, **options) as bar:
        for job in jobs:
            try:
                row = work(job, bar)
            except LpieError as error:
                if alone:
                    raise
                bad.append({"in": str(job.photo), "error": str(error)})
                continue
            done.append(row)
            if not as_json:
                size = f"{row['width']}x{row['height']}"
                bar.write(f"{job.out} ({size}, {row['s']:.2f} s)", file=sys.stdout)
    return done, bad


def _compared(job: Job) -> Path:
    return job.out.with_stem(f"{job.out.stem}_compare")


def _headers(jobs: Sequence[Job]) -> dict[Path, Header]:
    """The headers of the photos that have one, for the progress bar."""
    found = {}
    for job in jobs:
        try:
            found[job.photo] = read_header(job.photo)
        except (InputError, OSError):  # told when its turn comes
            continue
    return found


def _jobs(
    source: Path, target: Path | None, *, force: bool, resume: bool
) -> tuple[list[Job], list[Job]]:
    """(what is to be done, what --resume skips), checked before any slow work."""
    if not source.exists():
        raise InputError(f"{source} does not exist.")
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
            raise InputError(f"OUT is IN ({photo}): the photo itself is never written to.")
        if out.suffix.lower() not in EXTENSIONS:
            raise InputError(f"OUT must end in one of {', '.join(EXTENSIONS)}. Received: {out}.")
        if not resume:
            refuse_existing(out, force=force)
    skipped = [job for job in jobs if resume and job.out.exists()]
    return [job for job in jobs if job not in skipped], skipped


def _check_writable(jobs: Sequence[Job]) -> None:
    """Raise an `LpieError` where a file cannot be made in the folder of an OUT."""
    for folder in sorted({job.out.parent for job in jobs}):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise LpieError(f"{folder} cannot be written to: {sentence(error)}") from None
