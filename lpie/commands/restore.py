"""`lpie restore`."""

import time
from pathlib import Path

import click

from lpie.commands.output import json_option, print_json, progress_bar
from lpie.errors import InputError
from lpie.files import refuse_existing
from lpie.image import EXTENSIONS, list_images, read_image, write_image


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="[OUT]", required=False, type=click.Path(path_type=Path))
@click.option("--tile", "tile_px", type=int, help="Side of the tiles in px.")
@click.option("--threads", type=click.IntRange(1), help="For a .tflite.  [default: all cores]")
@click.option("--force", is_flag=True, help="Overwrite OUT.")
@json_option
def restore(
    model: Path,
    source: Path,
    target: Path | None,
    tile_px: int | None,
    threads: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Restore the photo IN, or every photo in the folder IN, with MODEL.

    MODEL is a run, a .keras or a .tflite file, or a shipped network. OUT defaults to a name beside
    IN (photo_restored.jpg, or the folder IN_restored); IN itself is never written to.

    \b
    Examples:
      lpie restore denoise photo.jpg
      lpie restore lpienet_int8_1920x1080.tflite photo.jpg restored.png
      lpie restore runs/smoke holiday/ holiday_restored/
    """
    jobs = _jobs(source, target, force)
    from lpie.restorer import TILE_PX, Restorer

    restorer = Restorer(model, tile_px=tile_px or TILE_PX, threads=threads)
    done = []
    for photo, out in progress_bar(jobs, unit="photo", disable=as_json or len(jobs) == 1):
        image = read_image(photo)
        start = time.perf_counter()
        restored = restorer.restore(image)
        seconds = time.perf_counter() - start
        write_image(out, restored)
        h, w, _ = image.shape
        done.append({"in": str(photo), "out": str(out), "width": w, "height": h, "s": seconds})
        if not as_json:
            click.echo(f"{out} ({w}x{h}, {seconds:.2f} s)")
    if as_json:
        print_json({"restored": done})


def _jobs(source: Path, target: Path | None, force: bool) -> list[tuple[Path, Path]]:
    """(photo, where its restored version goes), checked before any slow work."""
    if not source.exists():
        raise InputError(f"{source} does not exist.")
    if source.is_dir():
        folder = target or source.with_name(f"{source.resolve().name}_restored")
        jobs = [(photo, folder / photo.name) for photo in list_images(source)]
    else:
        out = target or source.with_stem(f"{source.stem}_restored")
        jobs = [(source, out / source.name if out.is_dir() else out)]
    for photo, out in jobs:
        if out.resolve() == photo.resolve():
            raise InputError(f"OUT is IN ({photo}): the photo itself is never written to.")
        if out.suffix.lower() not in EXTENSIONS:
            raise InputError(f"OUT must end in one of {', '.join(EXTENSIONS)}. Received: {out}.")
        refuse_existing(out, force=force)
    return jobs
