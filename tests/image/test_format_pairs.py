"""Photos between all pairs of formats, confirmed by Pillow, tifffile and ImageMagick.

`make soak` runs over 400 pairs, CI a few that the commit chooses.
"""

import itertools
import shutil
import subprocess

import numpy as np
import pytest
import tifffile
from PIL import Image

from lpie.errors import InputError
from lpie.image.photo import read_photo
from tests import soak
from tests.image.test_formats import LOSSLESS, TIFFS, through

TARGETS = (".png", ".tif", ".bmp", ".webp", ".jpg", ".gif", ".heic", ".avif", ".jxl")
PAIRS = list(itertools.product([*TIFFS, *LOSSLESS], TARGETS))
# Formats in which nothing of an 8-bit picture is lost.
EXACT = {".png", ".tif", ".bmp", ".webp"}
# Who reads what rightly; ImageMagick 6 has its own ideas of rarer kinds.
PILLOW, MAGICK = {".png", ".bmp", ".webp", ".jpg", ".gif", ".avif"}, {".png", ".bmp", ".webp"}


def expected(photo):
    """[H, W, 4] of 8 bits: what is shown."""
    rgb = photo.rgb()
    high = np.iinfo(rgb.dtype).max if rgb.dtype.kind == "u" else 1
    colour, samples = photo.meaning, photo.pixels
    alpha = np.ones(samples.shape[:2])
    if colour.alpha is not None:
        alpha = samples[..., colour.alpha] / abs(colour.high - colour.low)
    return np.dstack([rgb / high, alpha]) * 255


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "suffix"), soak.some(PAIRS, 40))
def test_others_see_the_same_picture(tmp_path, kind, suffix):
    make, name = (TIFFS[kind], "a.tif") if kind in TIFFS else (LOSSLESS[kind], kind)
    path, out = tmp_path / name, tmp_path / f"out{suffix}"
    make(path)
    photo = read_photo(path)
    if suffix == ".jpg" and photo.meaning.alpha is not None:
        with pytest.raises(InputError, match="transparency"):
            through(path, out)
        return
    through(path, out)
    seen = expected(photo)
    if photo.meaning.curve is not None or (
        suffix == ".jpg" and kind in ("lossless.jpg", "jls.jpg")
    ):
        return  # other formats hold the samples, not the curve; Pillow knows no lossless JPEG
    for picture in others(out):
        assert picture.shape[:2] == seen.shape[:2]
        if suffix in EXACT:
            shown = seen[..., 3] > 0
            assert np.abs(picture - seen)[shown].max() < 1.01
        else:
            shown = (picture[..., 3] == 255) & (seen[..., 3] == 255)
            assert not shown.any() or np.abs(picture - seen)[shown][..., :3].mean() < 64


def others(path):
    """The picture in 8-bit RGBA by each decoder that knows the format."""
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            plain = page.photometric == tifffile.PHOTOMETRIC.RGB and not page.extrasamples
            if plain and page.dtype in (np.uint8, np.uint16) and page.bitspersample in (8, 16):
                samples = page.asarray()
                samples = np.moveaxis(samples, 0, -1) if page.planarconfig == 2 else samples
                colours = samples / np.iinfo(page.dtype).max * 255
                yield np.dstack([colours, np.full(colours.shape[:2], 255)])
    if path.suffix in PILLOW:
        with Image.open(path) as image:
            if not image.mode.startswith("I"):
                yield np.asarray(image.convert("RGBA")).astype(float)
    if path.suffix in MAGICK and shutil.which("convert"):
        with Image.open(path) as image:
            width, height = image.size
        command = ["convert", f"{path}[0]", "-alpha", "set", "-depth", "16", "rgba:-"]
        data = subprocess.run(command, capture_output=True, check=True).stdout
        yield np.frombuffer(data, np.uint16).reshape(height, width, 4) / 257
