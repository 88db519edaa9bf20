"""RGB arrays: reading and writing them, and the few conversions that a restoration needs."""

import glob
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError, LpieError
from lpie.image.formats.kinds import SUFFIXES, format_of
from lpie.image.listing import entries, ignored, is_pattern
from lpie.system.files import write_atomic
from lpie.system.quiet import quiet

EXTENSIONS = tuple(SUFFIXES)
QUICK = {"JPEG", "PNG", "WEBP"}  # which OpenCV reads right, where it reads them in 8 bits
WRITTEN = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")  # by OpenCV


def read_image(path: Path) -> NDArray[np.uint8]:
    """The photo in `path`: [H, W, 3] uint8 RGB, turned upright as its EXIF orientation says."""
    if path.suffix.lower() not in EXTENSIONS:
        raise InputError(f"{path} is not an image. Readable: {', '.join(EXTENSIONS)}.")
    if not path.is_file():
        raise InputError(f"{path} does not exist or is not a file.")
    data = path.read_bytes()
    if format_of(data, path) in QUICK:
        with quiet():  # what it cannot read has another chance below
            try:
                bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            except cv2.error:  # more than 2^30 pixels
                bgr = None
        if bgr is not None:
            return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]
    from lpie.image.photo import decode_photo, upright  # which needs this module

    rgb = upright(decode_photo(data, path, max_megapixels=2**30 / 1e6)).rgb()
    if rgb.dtype == np.uint8:
        return np.ascontiguousarray(rgb)
    return to_uint8(rgb if rgb.dtype.kind == "f" else to_float(rgb))


def write_image(path: Path, image: NDArray[np.uint8], *, quality: int = 95) -> None:
    """Write `image` ([H, W, 3] uint8 RGB) to `path`; `quality` (1 to 100) is for JPEG and WebP."""
    suffix = path.suffix.lower()
    if suffix not in EXTENSIONS:
        raise InputError(
            f"The name of an image must end in {', '.join(EXTENSIONS)}. Received: {path}."
        )
    if suffix not in WRITTEN:
        from lpie.image.photo import Header, Photo, write_photo  # which need this module

        write_photo(path, Photo(image, Header(image.shape[1], image.shape[0], "PNG")))
        return
    options = {
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".webp": [cv2.IMWRITE_WEBP_QUALITY, quality],
    }.get(suffix, [])
    try:
        done, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    except cv2.error:
        done = False
    if not done:
        raise LpieError(f"Could not encode an image of shape {image.shape} as {suffix}.")
    write_atomic(path, data.tobytes())


def list_photos(place: Path) -> list[Path]:
    """The photos that a person means by a file, a folder with all folders in it, or a pattern.

    An error when there are none, or when a named file is no photo.
    """
    if is_pattern(str(place)):
        matches = [Path(match) for match in sorted(glob.glob(str(place), recursive=True))]
        photos = [m for m in matches if m.is_file() and m.suffix.lower() in EXTENSIONS]
        photos = [photo for photo in photos if not ignored(photo.name)]
        if not photos:
            raise InputError(f"No photo matches the pattern {place}.")
        return photos
    return [place] if place.is_file() else list_images(place, inner=True)


def list_images(folder: Path, *, inner: bool = False) -> list[Path]:
    """The image files directly in `folder`, sorted by name; an error when there are none.

    Files that computers leave in folders (`._a.jpg`, `Thumbs.db`) are ignored. inner: also those in
    the folders inside it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist or is not a folder.")
    paths = sorted(
        entry.path
        for entry in entries(folder, inner=inner)
        if entry.path.suffix.lower() in EXTENSIONS and "folder" not in entry.kind
    )
    if not paths:
        raise InputError(f"{folder} holds no image. Readable: {', '.join(EXTENSIONS)}.")
    return paths


def to_float(image: NDArray) -> NDArray[np.float32]:
    """uint8 in [0, 255], or uint16 in [0, 65535], to float32 in [0, 1]."""
    return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)


def to_uint8(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Floats in [0, 1] to uint8 in [0, 255]: they are scaled, rounded, then clipped."""
    return np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)


def to_levels_of(image: NDArray[np.float32], dtype: np.dtype) -> NDArray:
    """Floats in [0, 1] as `dtype`: uint8 or uint16 scaled, rounded, then clipped; float32 as is."""
    if dtype == np.float32:
        return image
    most = np.iinfo(dtype).max
    levels = image * np.float32(most)
    np.rint(levels, out=levels)
    return np.clip(levels, 0, most, out=levels).astype(dtype)


def cut(image: NDArray, origin: tuple[int, int], size: tuple[int, int]) -> NDArray:
    """`size` (height, width) pixels of `image` [H, W, C] from `origin` (y, x) on.

    Beyond the bottom and the right it is padded as by `pad_reflect`.
    """
    (y, x), (h, w) = origin, size
    if y + h <= image.shape[0] and x + w <= image.shape[1]:
        return image[y : y + h, x : x + w]
    rows, columns = (
        _reflected(length, start + wanted)[start:]
        for length, start, wanted in zip(image.shape, origin, size, strict=False)
    )
    return image[rows[:, None], columns]


def pad_reflect(image: NDArray, height: int, width: int) -> NDArray:
    """`image` [H, W, C] grown at the bottom and right to `height` x `width` by reflection.

    Reflects without repeating the edge, again and again where the image is smaller than the
    padding; an image of one pixel along an axis repeats it.
    """
    h, w, _ = image.shape
    rows, columns = _reflected(h, height), _reflected(w, width)
    return image if (h, w) == (height, width) else image[rows][:, columns]


def mosaic(images: Sequence[NDArray], height: int, width: int) -> NDArray:
    """A [height, width, 3] picture of real photo content, however large: `images` side by side.

    Each image is cropped to the cell (a quarter of a full-HD frame) it fills, or reflected into
    it, never resized.
    """
    cell_h, cell_w = min(height, 540), min(width, 960)
    out = np.empty((height, width, 3), images[0].dtype)
    index = 0
    for y in range(0, height, cell_h):
        for x in range(0, width, cell_w):
            h, w = min(cell_h, height - y), min(cell_w, width - x)
            image = images[index % len(images)]
            index += 1
            out[y : y + h, x : x + w] = pad_reflect(
                image, max(h, image.shape[0]), max(w, image.shape[1])
            )[:h, :w]
    return out


def _reflected(length: int, wanted: int) -> NDArray[np.intp]:
    period = max(2 * (length - 1), 1)
    position = np.arange(wanted) % period
    return np.minimum(position, period - position) if length > 1 else np.zeros(wanted, np.intp)
