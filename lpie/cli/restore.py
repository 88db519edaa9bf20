"""`lpie restore`."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lpie.cli.format import PhotoBar, echo, json_option, print_json
from lpie.cli.options import command, option
from lpie.cli.paths import PATH
from lpie.cli.streams import (
    STREAM,
    check_standard_output,
    folder_of_streams,
    read_photo_file,
    write_photo_file,
)
from lpie.errors import InputError, LpieError, with_flags
from lpie.image.listing import is_pattern
from lpie.image.photo import MAX_MEGAPIXELS
from lpie.restore.batch.choosing import Chooser, chooser_of
from lpie.restore.batch.finished import is_ours
from lpie.restore.batch.inputs import summary
from lpie.restore.batch.restore import batch_of
from lpie.restore.batch.run import Batch, RestoredFile, Summary, run
from lpie.restore.tile_policy import HALOS, MAX_MEMORY_MB
from lpie.size import Size
from lpie.weights import is_name

MOST_LISTED = 50  # failures in an error; --json lists all


@command()
@click.argument("model", type=PATH)
@click.argument("input", metavar="IN...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    help="File of the result, or folder of the results.  [default: a name beside IN: "
    "photo_restored.jpg, or the folder holiday_restored]",
)
@click.option(
    "--format",
    metavar="FORMAT",
    help="Format of the results: jpg, png, webp, tif, bmp, gif, heic, avif or jxl.  "
    "[default: that of each photo]",
)
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
@click.option(
    "--force-task",
    is_flag=True,
    help="Run a pretrained network also on photos that it is not meant for and would harm.",
)
@click.option("--resume", is_flag=True, help="Skip photos whose result is there already, whole.")
@click.option("--force", is_flag=True, help="Overwrite existing outputs.")
@option(
    "--in-place",
    is_flag=True,
    help="Replace the photos by their results; --backup keeps them as they were.",
    advanced=True,
)
@option(
    "--backup",
    metavar="SUFFIX|FOLDER",
    help="For --in-place: where the photos are kept, by a suffix such as .orig, or in a folder.",
    advanced=True,
)
@option(
    "--shard",
    metavar="PART/PARTS",
    help="Restore only this part of the photos: 1/16 to 16/16 on 16 machines do each photo once.",
    advanced=True,
)
@option(
    "--halo",
    type=click.Choice(HALOS),
    default=HALOS[0],
    show_default=True,
    help="Overlap of tiles. fast: less of it, at an error of at most 1/1024 of a level of 255.",
    advanced=True,
)
@option(
    "--tile",
    "tile_px",
    type=int,
    help="Longest side of a tile, in pixels.  [default: the fastest on this machine]",
    advanced=True,
)
@option(
    "--max-memory",
    "max_memory_mb",
    type=click.FloatRange(1),
    default=MAX_MEMORY_MB,
    show_default=True,
    help="Memory for the result and for all tiles in work, in MB.",
    advanced=True,
)
@option(
    "--max-megapixels",
    type=click.FloatRange(0),
    default=MAX_MEGAPIXELS,
    show_default=True,
    help="Refuse larger photos before they are decoded.",
    advanced=True,
)
@option(
    "--threads",
    type=click.IntRange(1),
    help="Number of threads that run a .tflite.  [default: all cores]",
    advanced=True,
)
@json_option
def restore(
    model: Path,
    input: tuple[str, ...],
    output: str | None,
    as_json: bool,
    halo: Any,
    tile_px: int | None,
    max_memory_mb: float,
    threads: int | None,
    force_task: bool,
    **options: Any,
) -> None:
    """Restore photos with MODEL: files, folders with all their subfolders, and patterns.

    MODEL is auto, the name of a pretrained network (see `lpie models --pretrained`), a run, a
    .keras or a .tflite file. auto looks at each photo and chooses a pretrained network, or leaves
    a good photo as it is; a line says why. A pretrained network leaves photos as they are that it
    is not meant for, unless --force-task. A single - is standard input or output. IN is never
    overwritten, except by --in-place.

    Of two names without -o, the second is OUT if it is a folder or does not exist; a second photo
    needs -o. Bit depth, transparency, EXIF, colour profile, JPEG quality and the file's time are
    kept. A photo that fails stops no other: failures are listed at the end, and the exit code
    is 1.

    \b
    Examples:
      lpie restore auto photo.jpg
      lpie restore denoise a.jpg b.jpg holiday/ -o restored/
      lpie restore denoise "holiday/**/*.jpg" -o restored/ --format png --resume
      lpie restore denoise photo.jpg --crop 1200,800,640x480 --compare
      lpie restore denoise holiday/ --in-place --backup .orig
      lpie restore denoise - < noisy.jpg > restored.jpg
    """
    if options["crop"] and Path(input[0]).is_dir():
        raise InputError("`crop` is for one photo. Received a folder.")
    if not (input[0] == STREAM or is_pattern(input[0]) or os.path.lexists(input[0])):
        raise InputError(f"{input[0]} does not exist.")
    chooser = chooser_of(
        str(model) if is_name(model) else model,
        force_task=force_task,
        halo=halo,
        tile_px=tile_px,
        threads=threads,
        max_memory_mb=max_memory_mb,
    )
    inputs, out = inputs_and_output(input, output, resume=options["resume"])
    try:
        if STREAM in (*inputs, out):
            _restore_stream(chooser, inputs, out, as_json=as_json, options=options)
        else:
            batch = batch_of(inputs, out, **options)
            _show(batch, _run(batch, chooser, as_json), chooser.reason, as_json=as_json)
    except InputError as error:
        raise InputError(_as_typed(str(error), output)) from None


def inputs_and_output(
    words: Sequence[str], output: str | None, *, resume: bool
) -> tuple[tuple[str, ...], str | None]:
    """(IN..., OUT) of what was typed, where lpie 0.1 took OUT as a second word.

    A second photo is never taken for OUT: it might be overwritten.
    """
    if output is not None or len(words) != 2:
        return tuple(words), output
    first, second = words
    if second == STREAM:
        return (first,), second
    if is_pattern(second):
        return (first, second), None
    new = os.path.isdir(second) or not os.path.lexists(second)
    same = os.path.exists(first) and os.path.exists(second) and os.path.samefile(first, second)
    if new or same or (resume and is_ours(Path(first), Path(second))):
        return (first,), second
    raise InputError(
        f"{second} exists already. To restore both, name the folder of the results: -o FOLDER. "
        f"To write the result of {first} to it: -o {second} --force."
    )


def _run(batch: Batch, chooser: Chooser, as_json: bool) -> Summary:
    """What became of the photos, each printed when it is restored."""
    with PhotoBar(disable=as_json) as bar:

        def show(row: RestoredFile) -> None:
            if not as_json:
                bar.print(*_lines(row))

        return run(batch, chooser, on_start=bar.start, on_restored=show, progress=bar.progress)


def _lines(row: RestoredFile) -> list[str]:
    note = [f"{row.photo.name}: {_note(row)}"] if row.note else []
    lost = [f"lost: {', '.join(row.lost)}"] if row.lost else []
    size = Size(row.height * row.scale, row.width * row.scale)
    if row.kept and row.out == row.photo:  # in place
        return note
    what = "as it was" if row.kept else f"{row.seconds:.2f} s"
    return [*note, f"{row.out} ({size}, {what})", *lost]


def _note(row: RestoredFile) -> str:
    return with_flags(row.note, {"force_task": "--force-task"})


def _show(batch: Batch, done: Summary, reason: str, *, as_json: bool) -> None:
    """Print what became of the photos; an `LpieError` when some failed."""
    if as_json:
        print_json(_to_json(done))
    elif not batch.alone or done.skipped:
        _print_summary(done)
    _print_inexact(done, reason)
    if done.failed:
        listed = "".join(f"\n  {row.reason}" for row in done.failed[:MOST_LISTED])
        if len(done.failed) > MOST_LISTED:
            listed += f"\n  and {len(done.failed) - MOST_LISTED} more, which --json lists"
        count = len(done.restored) + len(done.kept) + len(done.skipped) + len(done.failed)
        raise LpieError(f"{len(done.failed)} of {count} photos were not restored:{listed}")


def _print_inexact(done: Summary, reason: str) -> None:
    """Say that tiles were blended, and why."""
    if any(not row.exact for row in done.restored):
        echo(
            f"{reason}: tiles were blended, which is not exactly the result of the whole image.",
            err=True,
        )


def _print_summary(done: Summary) -> None:
    counts: dict[str, Sequence[object]] = {
        "restored": done.restored,
        "left as they are": done.kept,
        "already done, skipped": done.skipped,
        "failed": done.failed,
        "left out": done.left_out,
    }
    echo(", ".join(f"{len(rows)} {what}" for what, rows in counts.items() if rows) + ".")
    phrases = summary(done.left_out)
    more = len(phrases) - MOST_LISTED
    for phrase in phrases[:MOST_LISTED]:
        echo(f"Left out: {phrase}", err=True)
    if more > 0:
        echo(f"Left out: {more} more, which --json lists", err=True)


def _to_json(done: Summary) -> dict[str, Any]:
    return {
        "restored": [
            {
                "in": str(row.photo),
                "out": str(row.out),
                "width": row.width,
                "height": row.height,
                "s": row.seconds,
                "exact": row.exact,
                "lost": list(row.lost),
                "network": row.network or None,
                "note": _note(row) or None,
            }
            for row in done.restored
        ],
        "kept": [
            {
                "in": str(row.photo),
                "out": str(row.out),
                "reason": _note(row),
                "lost": list(row.lost),
            }
            for row in done.kept
        ],
        "skipped": len(done.skipped),
        "skipped_photos": [{"in": str(p), "reason": why} for p, why in done.skipped],
        "failed": [{"in": str(p), "error": why} for p, why in done.failed],
        "left_out": [{"in": str(p), "reason": why} for p, why in done.left_out],
    }


def _restore_stream(
    chooser: Chooser,
    inputs: Sequence[str],
    output: str | None,
    *,
    as_json: bool,
    options: dict[str, Any],
) -> None:
    """Restore one photo from standard input, or to standard output, or both."""
    out = STREAM if output is None else output
    _check_stream(inputs, out, options, as_json=as_json)
    with folder_of_streams() as folder:
        source = Path(inputs[0])
        if inputs[0] == STREAM:
            source = read_photo_file(folder, max_megapixels=options["max_megapixels"])
        suffix = f".{options['format'].lower()}" if options["format"] else source.suffix
        target = str(folder / f"standard output{suffix}") if out == STREAM else out
        try:
            batch = batch_of([str(source)], target, **options)
            done = _run(batch, chooser, True)
        except LpieError as error:  # whose file is no one's
            raise type(error)(str(error).replace(f"{folder}{os.sep}", "")) from None
        if out == STREAM:
            write_photo_file(Path(target))
    _print_inexact(done, chooser.reason)
    for row in (*done.restored, *done.kept):
        named = dataclasses.replace(row, photo=Path(inputs[0]), out=Path(out))
        if as_json:
            done = Summary(kept=[named]) if row.kept else Summary(restored=[named])
            print_json(_to_json(done))
        else:
            for line in _lines(named):
                echo(line, err=out == STREAM)


def _check_stream(
    inputs: Sequence[str], out: str, options: dict[str, Any], *, as_json: bool
) -> None:
    """Raise an `InputError` for what one photo in a stream cannot do."""
    if len(inputs) > 1 or (inputs[0] != STREAM and not Path(inputs[0]).is_file()):
        raise InputError(f"- is for one photo. Received: {', '.join(inputs)}.")
    for name in ("shard", "resume", "in_place", "backup"):
        if options[name]:
            raise InputError(f"- is one photo in a stream: omit `{name}`.")
    if out == STREAM:
        if options["compare"] or as_json:
            name = "`compare`" if options["compare"] else "`as_json`"
            raise InputError(f"Standard output takes the photo alone: omit {name}, or name OUT.")
        check_standard_output()


def _as_typed(message: str, output: str | None) -> str:
    """`message` with OUT for `output` where that was no option."""
    return message if output is not None else message.replace("`output`", "OUT")
