"""`lpie.restore`: photos in files, from Python as on the command line."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lpie.errors import InputError, unknown_name
from lpie.image.image import EXTENSIONS
from lpie.image.photo import MAX_MEGAPIXELS
from lpie.restore.batch.choosing import chooser_of
from lpie.restore.batch.inputs import Shard
from lpie.restore.batch.outputs import Naming
from lpie.restore.batch.run import Batch, Summary, run
from lpie.restore.network import ImageModel
from lpie.restore.photos import Crop
from lpie.restore.restorer import Restorer
from lpie.restore.tile_policy import MAX_MEMORY_MB, Halo

if TYPE_CHECKING:
    import keras

AnyPath = str | os.PathLike[str]


def restore(
    model: "Restorer | keras.Model | ImageModel | Path | str",
    input: AnyPath | Sequence[AnyPath],
    output: AnyPath | None = None,
    *,
    strength: float = 1.0,
    format: str | None = None,
    compare: bool = False,
    crop: str | None = None,
    shard: str | None = None,
    in_place: bool = False,
    backup: str | None = None,
    resume: bool = False,
    force: bool = False,
    force_task: bool = False,
    halo: Halo = "exact",
    tile_px: int | None = None,
    threads: int | None = None,
    max_memory_mb: float = MAX_MEMORY_MB,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> Summary:
    """Restore photos in files, with all that the files hold beside the pixels.

    Args:
        model: As of `lpie.Restorer`, or a `Restorer`, which has the options of a network already,
            or "auto": of each photo it is estimated which pretrained network it needs, if any. A
            pretrained network by its name leaves photos alone that it is not meant for.
        input: A photo, a folder with all folders in it, a pattern such as `holiday/**/*.jpg`, or
            several of these. No input is overwritten, but for `in_place`.
        output: The file of the only photo, or the folder of the results. By default a name beside
            the input: photo_restored.jpg, or the folder holiday_restored.
        strength: The share of the network's change that is applied, from 0 to 1.
        format: The format of the results: jpg, png, webp, tif, bmp, gif, heic, avif or jxl. By
            default that of each photo.
        compare: Whether before and after are also written side by side, as NAME_compare.
        crop: The part X,Y,WIDTHxHEIGHT of the only photo, in px, such as "100,100,640x480".
        shard: The part of the photos, such as "3/16": 16 machines, each with a part from 1/16 to
            16/16, restore each photo once.
        in_place: Whether results replace the photos, which `backup` keeps.
        backup: With `in_place`: a suffix that begins with ".", "_", "-" or "~", or a folder.
        resume: Whether photos with a whole result are skipped.
        force: Whether results that exist are overwritten.
        force_task: Whether a pretrained network runs on every photo, also where it does harm.
        halo: As of `lpie.Restorer`.
        tile_px: As of `lpie.Restorer`.
        threads: As of `lpie.Restorer`.
        max_memory_mb: As of `lpie.Restorer`.
        max_megapixels: Larger photos are refused before they are decoded.

    Returns:
        What became of each photo: `restored`, `kept` (left as it is), `skipped`, `failed` and
        `left_out`. One that fails stops no other; look at `failed`.

    Raises:
        InputError: Something was asked for that cannot be done; nothing was written.
        LpieError: The only photo cannot be restored, or the disk is full.
    """
    batch = batch_of(
        [os.fspath(path) for path in ([input] if isinstance(input, str | os.PathLike) else input)],
        None if output is None else os.fspath(output),
        format=format,
        compare=compare,
        crop=crop,
        shard=shard,
        in_place=in_place,
        backup=backup,
        strength=strength,
        resume=resume,
        force=force,
        max_megapixels=max_megapixels,
    )
    chooser = chooser_of(
        model,
        force_task=force_task,
        halo=halo,
        tile_px=tile_px,
        threads=threads,
        max_memory_mb=max_memory_mb,
    )
    return run(batch, chooser)


def batch_of(
    inputs: Sequence[str],
    output: str | None,
    *,
    format: str | None,
    compare: bool,
    crop: str | None,
    shard: str | None,
    in_place: bool,
    backup: str | None,
    strength: float,
    resume: bool,
    force: bool,
    max_megapixels: float,
) -> Batch:
    """The photos and results that the arguments of `restore` describe, which are checked."""
    if not inputs:
        raise InputError("`input` must name at least one photo, folder or pattern.")
    suffix = _suffix(format)
    _check_in_place(output, suffix, in_place, backup)
    return Batch(
        tuple(inputs),
        Naming(output, suffix, compare, backup),
        strength=strength,
        crop=Crop.parse(crop) if crop else None,
        shard=Shard.parse(shard) if shard else None,
        resume=resume,
        force=force,
        max_megapixels=max_megapixels,
    )


def _suffix(format: str | None) -> str | None:
    if format is None:
        return None
    suffix = f".{format.lower().removeprefix('.')}"
    if suffix not in EXTENSIONS:
        raise unknown_name("format", format, [known[1:] for known in EXTENSIONS])
    return suffix


def _check_in_place(
    output: str | None, suffix: str | None, in_place: bool, backup: str | None
) -> None:
    """Raise an `InputError` where the photos would be replaced without a backup, or half of it."""
    if in_place and not backup:
        raise InputError(
            "`in_place` needs `backup`, a suffix or a folder that keeps the photos as they were. "
            "Try .orig or originals."
        )
    if backup is not None and not in_place:
        raise InputError(f"`backup` is for `in_place` alone. Received: {backup}. Add `in_place`.")
    if in_place and (output is not None or suffix is not None):
        name = "`output`" if output is not None else "`format`"
        raise InputError(f"`in_place` keeps the photos' names: omit {name}.")
    if backup and backup.lower().endswith(EXTENSIONS):
        raise InputError(
            f"`backup` must not end like a photo, or backups would be restored too. Received: "
            f"{backup}. Try .orig."
        )
