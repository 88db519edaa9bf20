"""What a photo's file holds beside its pixels, carried over into the restored file.

The principle: the container stays, only the picture is replaced. In the same format every segment,
chunk and tag that still holds true is carried over byte for byte; between formats all goes where
the other format has a place for it. What stops being true is rewritten or dropped, and `embed` says
what is lost.
"""

import struct
from types import ModuleType

from lpie.image.metadata.containers import bmp, gif, heif, jpeg, jxl, png, tiff, webp
from lpie.image.metadata.metadata import Changes, Metadata, Text
from lpie.image.metadata.revise import revised
from lpie.size import Size

__all__ = ["Changes", "Metadata", "Text", "embed", "read_metadata"]

CONTAINERS: dict[str, ModuleType] = {
    "JPEG": jpeg,
    "PNG": png,
    "WEBP": webp,
    "TIFF": tiff,
    "GIF": gif,
    "HEIF": heif,
    "AVIF": heif,
    "JXL": jxl,
    "BMP": bmp,
}
# Formats that say their primaries and transfer function in numbers.
CODE_POINTS = {"PNG", "HEIF", "AVIF"}
# Formats that are another one as far as metadata goes.
KINDS = {"MPO": "JPEG", "APNG": "PNG", "BIGTIFF": "TIFF", "HEIC": "HEIF"}


def read_metadata(data: bytes, format: str) -> Metadata:
    """The metadata of the photo file `data`.

    Args:
        data: The whole file.
        format: JPEG, MPO, PNG, APNG, WEBP, TIFF, BIGTIFF, HEIF, AVIF, JXL, GIF or BMP; a file of
            any other format has no metadata that is kept.

    Returns:
        What could be read. A damaged part is carried as it is or named in `lost`; nothing raises.
    """
    container = CONTAINERS.get(_kind(format))
    if container is None:
        return Metadata()
    try:
        metadata: Metadata = container.read(data)
        return metadata
    except (ValueError, IndexError, KeyError, OverflowError, struct.error):
        return Metadata(lost=("damaged metadata",))


def embed(
    encoded: bytes,
    metadata: Metadata,
    *,
    source: str,
    target: str,
    size: Size,
    changes: Changes = Changes(),  # noqa: B008
) -> tuple[bytes, list[str]]:
    """Put metadata into a picture file.

    Args:
        encoded: A picture file in the format `target`, without metadata.
        metadata: What `read_metadata` read from the photo.
        source: The format that `metadata` was read from.
        target: The format of `encoded`.
        size: The size of the picture in `encoded`, in px.
        changes: What happened to the picture.

    Returns:
        The file with all metadata that is true for it, and what is lost, in words.
    """
    source, target = _kind(source), _kind(target)
    same = source == target
    metadata, lost = revised(
        metadata, encoded, source=source, target=target, size=size, changes=changes
    )
    lost = [*metadata.lost, *lost]
    if not same:
        lost += [native.loss for native in metadata.native]
    if metadata.code_points and target not in CODE_POINTS:
        lost.append("colour space (cICP)")
    data, names = CONTAINERS[target].write(encoded, metadata, same=same)
    return data, [name for name in dict.fromkeys([*lost, *names]) if name]


def _kind(format: str) -> str:
    name = format.upper()
    return KINDS.get(name, name)
