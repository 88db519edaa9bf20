"""Damaged photos and bombs are refused by one sentence, before they take memory or time."""

import io
import struct
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from lpie.errors import InputError, LpieError
from lpie.image.formats.common import available
from lpie.image.photo import decode_photo, encode_photo, read_photo
from tests import soak
from tests.image.test_formats import CASES, LOSSLESS, RGB, TIFFS


def file_of(tmp_path, kind):
    """The bytes of a file of a kind in the tables of `test_formats`."""
    make, suffix = (TIFFS[kind], ".tif") if kind in TIFFS else (LOSSLESS[kind], "")
    path = tmp_path / f"{kind}{suffix}"
    make(path)
    return path, path.read_bytes()


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
@pytest.mark.parametrize(
    "kind",
    ["u8", "u16 planar lzw", "tiled", "strips", "f32", "packbits", "zstd", "rgb.png", "rgb.bmp",
     "palette.gif", "rgb.webp", "rgb.jxl", "rgb.heic", "rgb.avif", "lossless.jpg"],
)  # fmt: skip
def test_a_cut_file_is_refused(tmp_path, kind, share, capfd):
    path, data = file_of(tmp_path, kind)
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"is not a readable image: truncated or damaged"):
        read_photo(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["tiled", "f32", "rgb.png", "rgba16.png"])
def test_a_flipped_bit_in_packed_pixels_is_refused(tmp_path, kind):
    """Their checksums say so; a decoder that goes on makes a black or torn picture of them."""
    path, data = file_of(tmp_path, kind)
    changed = bytearray(data)
    changed[len(data) // 2] ^= 16
    path.write_bytes(changed)
    with pytest.raises(InputError, match="truncated or damaged"):
        read_photo(path)


def scans(count):
    """A progressive JPEG file whose last scan is repeated."""
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + b"\xff\xd9"


def test_absurdly_many_scans(tmp_path):
    (tmp_path / "a.jpg").write_bytes(scans(20))
    assert read_photo(tmp_path / "a.jpg").pixels.shape == RGB.shape
    (tmp_path / "a.jpg").write_bytes(scans(3000))
    with pytest.raises(InputError, match="more than 100 scans"):
        read_photo(tmp_path / "a.jpg")


def gif_bomb():
    file = io.BytesIO()
    Image.new("P", (1, 1)).save(file, "GIF")
    data = file.getvalue()
    at = data.rindex(b"\x2c")
    return data[:6] + struct.pack("<HH", 60_000, 60_000) + data[10:at] + data[at:-1] * 50 + b";"


def tiff_bomb(pages=1, **options):
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for _ in range(pages):
            writer.write(np.zeros((64, 64), np.uint8), metadata=None, **options)
    data = file.getvalue()
    with tifffile.TiffFile(io.BytesIO(data)) as opened:
        for page in opened.pages:
            for tag in ("ImageWidth", "ImageLength"):
                at = page.tags[tag].valueoffset
                data = data[:at] + struct.pack("<I", 60_000)[:4] + data[at + 4 :]
    return data


def jxl_bomb():
    """A header: no small size, a height of 30 bits, the width alike, all else as usual."""
    bits = "0" + "11" + f"{60_000 - 1:030b}"[::-1] + "100" + "1"
    return b"\xff\x0a" + int(bits[::-1], 2).to_bytes(8, "little")


def heic_bomb(kind):
    """A file whose `ispe` says 60000x60000."""
    name = "rgb.heic" if kind == "heic" else "rgb.avif"

    def make(tmp_path):
        _, data = file_of(tmp_path, name)
        at = data.index(b"ispe") + 8
        return data[:at] + struct.pack(">II", 60_000, 60_000) + data[at + 8 :]

    return make


def webp_bomb(tmp_path):
    frames = [Image.fromarray(RGB), Image.fromarray(RGB[::-1].copy())]
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:])
    data = bytearray(file.getvalue())
    data[24:30] = (16_383).to_bytes(3, "little") * 2
    return bytes(data)


BOMBS = {
    "a.gif": lambda _: gif_bomb(),
    "a.tif": lambda _: tiff_bomb(),
    "pages.tif": lambda _: tiff_bomb(pages=5),
    "a.jxl": lambda _: jxl_bomb(),
    "a.avif": heic_bomb("avif"),
    "a.webp": webp_bomb,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_by_their_header(tmp_path, name):
    (tmp_path / "b").write_bytes(BOMBS[name](tmp_path))
    with pytest.raises(InputError, match="megapixels; at most 256 are decoded"):
        read_photo(tmp_path / "b")


def test_a_heic_bomb_is_refused(tmp_path):
    (tmp_path / "b").write_bytes(heic_bomb("heic")(tmp_path))
    with pytest.raises(InputError):
        read_photo(tmp_path / "b")


@pytest.mark.skipif(not available("imagecodecs"), reason="needs the extra photos")
@pytest.mark.parametrize("codec", ["jpegxl", "jpeg2000", "webp", "png", "jpeg"])
def test_a_picture_inside_a_strip_is_no_larger_than_it(tmp_path, codec):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((400, 400, 3), np.uint8), photometric="rgb",
                     compression=codec, rowsperstrip=400, metadata=None)  # fmt: skip
    read_photo(tmp_path / "a.tif")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tag = file.pages[0].tags[name]
            data[tag.valueoffset : tag.valueoffset + 2] = struct.pack("<H", 24)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(InputError, match="a strip or tile of 24x24 holds 400x400"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize("name", ["m0218_dword_deflate.tif", "h_scan_bomb.jpg"])
def test_the_shared_cases(name):
    with pytest.raises(InputError):
        read_photo(CASES / "hostile" / name)


def mutated(rng, data):
    """`data` cut short, or with some bits and numbers changed."""
    if rng.random() < 0.2:
        return data[: rng.integers(0, len(data))]
    changed = bytearray(data)
    reach = len(data) if rng.random() < 0.5 else min(len(data), 300)
    for _ in range(rng.integers(1, 12)):
        at = rng.integers(0, reach)
        if rng.random() < 0.3:
            changed[at : at + 4] = rng.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"])
            changed = changed[: len(data)] + bytes(len(data) - len(changed))
        else:
            changed[at] ^= 1 << rng.integers(0, 8)
    return bytes(changed)


@pytest.mark.soak
def test_mutated_files_are_restored_or_refused(tmp_path, capfd):
    """No other error, nothing printed; a crash of a native library would end the process."""
    kinds = [*TIFFS, *LOSSLESS]
    for number in range(soak.amount(4000, 60)):
        rng = soak.rng(number)
        path, data = file_of(tmp_path, kinds[number % len(kinds)])
        try:
            photo = decode_photo(mutated(rng, data), path)
            encode_photo(photo, photo.header.format, path)
        except LpieError:
            pass
    assert capfd.readouterr() == ("", "")


def test_without_the_extra_a_sentence_names_it(tmp_path, monkeypatch):
    kinds = {
        "rgb.jxl": "a JPEG XL file", "rgb.heic": "a HEIC file", "rgb10.avif": "an AVIF file of 10",
        "jls.jpg": "a JPEG-LS file", "zstd": "a TIFF compressed with Zstandard", "u12": "packed",
    }  # fmt: skip
    files = {kind: file_of(tmp_path, kind)[0] for kind in kinds}
    plain = {kind: file_of(tmp_path, kind)[0] for kind in ("rgb.avif", "u16 planar lzw", "strips")}
    expected = {kind: read_photo(path).pixels for kind, path in plain.items()}
    for name in ("imagecodecs", "pillow_heif"):
        monkeypatch.setitem(sys.modules, name, None)
    for module in [name for name in sys.modules if name.startswith("tifffile")]:
        monkeypatch.delitem(sys.modules, module)
    for module in ("reader", "lzw", "segments", "writer"):
        monkeypatch.delitem(sys.modules, f"lpie.image.formats.tiff.{module}", raising=False)
    for kind, words in kinds.items():
        with pytest.raises(InputError, match=rf"{words}.*pip install 'lpie\[photos\]'"):
            read_photo(files[kind])
    for kind, path in plain.items():
        np.testing.assert_array_equal(read_photo(path).pixels, expected[kind])
