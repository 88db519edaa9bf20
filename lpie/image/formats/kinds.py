"""Which format a file has, by its first bytes."""

from pathlib import Path

from lpie.errors import InputError

# What to write for a name that ends so.
SUFFIXES = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG",
    ".png": "PNG", ".apng": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF",
    ".bmp": "BMP", ".dib": "BMP", ".gif": "GIF",
    ".heic": "HEIF", ".heif": "HEIF", ".hif": "HEIF", ".avif": "AVIF", ".jxl": "JXL",
}  # fmt: skip
NAMES = {
    "JPEG": "JPEG", "PNG": "PNG", "WEBP": "WebP", "TIFF": "TIFF", "BMP": "BMP", "GIF": "GIF",
    "HEIF": "HEIC", "AVIF": "AVIF", "JXL": "JPEG XL",
}  # fmt: skip
# Camera files hold what the sensor measured; their names, for those whose bytes say only TIFF.
RAW_SUFFIXES = {
    ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2", ".raf",
    ".pef", ".srw", ".x3f", ".rwl", ".iiq", ".3fr", ".fff", ".kdc", ".dcr", ".mrw", ".erf", ".mef",
    ".mos", ".gpr",
}  # fmt: skip
RAW_STARTS = (b"FUJIFILMCCD-RAW", b"FOVb", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"\0MRM")
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
# What other files begin with, to name them.
OTHERS = (
    (b"%PDF", "PDF"), (b"8BPS", "Photoshop"), (b"\x76\x2f\x31\x01", "OpenEXR"), (b"qoif", "QOI"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"), (b"\xff\x4f\xff\x51", "JPEG 2000"), (b"#?RADIANCE", "HDR"),
    (b"II\xbc\x01", "JPEG XR"), (b"<svg", "SVG"), (b"PK\x03\x04", "ZIP"), (b"\0\0\x01\0", "icon"),
    (b"version https://git-lfs", "Git LFS pointer"),
    (b"<!DOCTYPE", "HTML"), (b"<html", "HTML"), (b"DDS ", "DDS"),
)  # fmt: skip
READABLE = "JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF and JPEG XL"


def format_of(data: bytes, path: Path) -> str:
    """The format of a file's bytes; an `InputError` that says what else it is."""
    start = bytes(data[:64])
    if not start:
        raise InputError(f"{path} is not a readable image: it is empty.")
    if name := _known(start):
        return name
    if _is_raw(start):
        raise raw_error(path)
    for magic, name in OTHERS:
        if start.startswith(magic):
            raise InputError(f"{path} is a {name} file. Readable: {READABLE}.")
    raise InputError(
        f"{path} is not a readable image, or its first bytes are damaged. Readable: {READABLE}."
    )


def raw_error(path: Path) -> InputError:
    """The refusal of a camera's raw file."""
    return InputError(
        f"{path} holds raw sensor data, which needs demosaicing and a camera profile first. "
        "Develop it to a 16-bit TIFF or a JPEG in a raw converter, then restore that."
    )


def target_format(path: Path) -> str:
    """The format to write for a name."""
    name = SUFFIXES.get(path.suffix.lower())
    if name is None:
        raise InputError(
            f"The name of a photo must end in {', '.join(SUFFIXES)}. Received: {path}."
        )
    return name


def _known(start: bytes) -> str | None:
    if start.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") and start[8:10] != b"CR":
        return "TIFF"
    if start[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if start.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")):
        return "JXL"
    if start[:2] == b"BM" and len(start) > 25:
        return "BMP"
    return _isobmff(start)


def _isobmff(start: bytes) -> str | None:
    if start[4:8] != b"ftyp":
        return None
    length = min(int.from_bytes(start[:4], "big"), len(start))
    brands = {start[at : at + 4] for at in (8, *range(16, length - 3, 4))}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    return "HEIF" if brands & HEIF_BRANDS and start[8:12] != b"crx " else None


def _is_raw(start: bytes) -> bool:
    canon = start[:4] in (b"II*\0", b"MM\0*") and start[8:10] == b"CR"
    heap = start[6:14] == b"HEAPCCDR"
    return canon or heap or start.startswith(RAW_STARTS) or start[4:12] == b"ftypcrx "
