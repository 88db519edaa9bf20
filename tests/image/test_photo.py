"""What a photo's file carries is there after it was read and written."""

import io

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, JpegImagePlugin

from lpie.errors import InputError, LpieError
from lpie.image.photo import read_photo, upright, write_photo

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MAKE, ORIENTATION, EXIF, GPS, EXPOSURE = 0x010F, 0x0112, 0x8769, 0x8825, 0x829A
SAVED = {
    "a.jpg": {"quality": 83},
    "b.jpeg": {"quality": 91, "subsampling": 0, "progressive": True},
    "a.png": {},
    "a.webp": {"lossless": True},
}


def exif(orientation=1):
    found = Image.Exif()
    found[MAKE], found[ORIENTATION] = "Ours", orientation
    found.get_ifd(EXIF)[EXPOSURE] = 0.01
    found.get_ifd(GPS)[1] = "N"
    return found


@pytest.fixture(params=SAVED)
def file(request, tmp_path, astronaut):
    """A photo of 121x90 with EXIF (turned) and a colour profile."""
    path = tmp_path / request.param
    image = Image.fromarray(astronaut[:90, :121])
    image.save(path, exif=exif(6), icc_profile=ICC, **SAVED[request.param])
    return path


def carried(path):
    with Image.open(path) as image:
        found = image.getexif()
        words = found.get(MAKE), found.get(ORIENTATION, 1)
        inner = dict(found.get_ifd(EXIF)), dict(found.get_ifd(GPS))
        return *words, *inner, image.info.get("icc_profile")


def test_metadata_and_pixels_stay(file, tmp_path):
    photo = read_photo(file)
    assert photo.pixels.shape == (90, 121, 3)  # as stored, not turned
    again = tmp_path / f"again{file.suffix}"
    write_photo(again, photo)
    assert carried(again) == carried(file) == ("Ours", 6, {EXPOSURE: 0.01}, {1: "N"}, ICC)
    difference = np.abs(read_photo(again).pixels - photo.pixels.astype(int)).mean()
    assert difference == 0 if file.suffix in (".png", ".webp") else difference < 2


@pytest.mark.parametrize("name", ["b.tif", "b.bmp", "b.png", "b.webp", "b.jpg"])
def test_other_formats_take_what_they_can(file, tmp_path, name):
    write_photo(tmp_path / name, read_photo(file))
    found = carried(tmp_path / name)
    if name == "b.bmp":
        assert found == (None, 1, {}, {}, None)
    else:
        assert found == ("Ours", 1 if name == "b.tif" else 6, {EXPOSURE: 0.01}, {1: "N"}, ICC)
    turned = name in ("b.tif", "b.bmp")
    assert read_photo(tmp_path / name).pixels.shape == ((121, 90, 3) if turned else (90, 121, 3))


def test_a_tiff_of_ours_reads_as_it_was_written(file, tmp_path):
    write_photo(tmp_path / "a.tif", read_photo(file))
    write_photo(tmp_path / "b.tif", first := read_photo(tmp_path / "a.tif"))
    assert carried(tmp_path / "a.tif") == carried(tmp_path / "b.tif")
    np.testing.assert_array_equal(read_photo(tmp_path / "b.tif").pixels, first.pixels)
    with tifffile.TiffFile(tmp_path / "b.tif") as opened:
        np.testing.assert_array_equal(opened.asarray(), first.rgb())


@pytest.mark.parametrize("quality", [35, 75, 90, 98])
@pytest.mark.parametrize("sampling", [0, 1, 2])
def test_jpeg_quality_stays(tmp_path, astronaut, quality, sampling):
    Image.fromarray(astronaut).save(tmp_path / "a.jpg", quality=quality, subsampling=sampling)
    write_photo(tmp_path / "b.jpg", read_photo(tmp_path / "a.jpg"))
    with Image.open(tmp_path / "a.jpg") as a, Image.open(tmp_path / "b.jpg") as b:
        assert a.quantization == b.quantization
        assert JpegImagePlugin.get_sampling(b) == sampling


def test_tables_of_another_maker(tmp_path, astronaut):
    """Not the standard's: flat ones, whose sum is that of some quality."""
    Image.fromarray(astronaut).save(tmp_path / "a.jpg", qtables=[[9] * 64, [15] * 64])
    write_photo(tmp_path / "b.jpg", read_photo(tmp_path / "a.jpg"))
    with Image.open(tmp_path / "b.jpg") as b:
        sums = [sum(table) for table in b.quantization.values()]
    assert np.allclose(sums, [9 * 64, 15 * 64], rtol=0.1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_is_as_pillow_turns_it(tmp_path, astronaut, orientation):
    from PIL import ImageOps

    path = tmp_path / "a.png"
    Image.fromarray(astronaut[:40, :70]).save(path, exif=exif(orientation))
    photo = upright(read_photo(path))
    with Image.open(path) as image:
        np.testing.assert_array_equal(photo.rgb(), np.asarray(ImageOps.exif_transpose(image)))
    write_photo(tmp_path / "b.png", photo)
    assert carried(tmp_path / "b.png")[:3] == ("Ours", 1, {EXPOSURE: 0.01})


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3), (40, 50, 4)])
def test_16_bits_stay(tmp_path, suffix, shape):
    deep = np.random.default_rng(0).integers(0, 65536, shape, np.uint16)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), deep)
    photo = read_photo(tmp_path / f"a{suffix}")
    colours = deep if deep.ndim == 2 else deep[..., [2, 1, 0, 3][: shape[2]]]  # OpenCV wrote BGR
    np.testing.assert_array_equal(photo.pixels, colours)
    write_photo(tmp_path / f"b{suffix}", photo)
    np.testing.assert_array_equal(read_photo(tmp_path / f"b{suffix}").pixels, colours)
    if len(shape) < 3 or shape[2] == 3:
        assert write_photo(tmp_path / "c.jpg", photo) == ["16-bit depth"]
        assert read_photo(tmp_path / "c.jpg").pixels.dtype == np.uint8


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_modes(tmp_path, astronaut, mode):
    picture = Image.fromarray(astronaut[:40, :50]).convert(mode)
    picture.save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert photo.grey == (mode in ("1", "L", "LA"))
    np.testing.assert_array_equal(photo.rgb(), np.asarray(picture.convert("RGB")))


def bomb(width, height):
    """A PNG that is nothing but a header."""
    data = io.BytesIO()
    Image.new("RGB", (1, 1)).save(data, "PNG")
    head = bytearray(data.getvalue())
    head[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    import zlib

    head[29:33] = zlib.crc32(bytes(head[12:29])).to_bytes(4, "big")
    return bytes(head)


def test_too_many_pixels_are_refused_before_decoding(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(bomb(60_000, 60_000))
    monkeypatch.setattr(cv2, "imdecode", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(InputError, match=r"60000x60000, 3,600 megapixels; at most 256 are"):
        read_photo(path)
    monkeypatch.undo()
    with pytest.raises(InputError, match="is not a readable image"):
        read_photo(path, max_megapixels=4000)
    Image.new("L", (1000, 1000)).save(path)
    with pytest.raises(InputError, match=r"at most 0\.5 are"):
        read_photo(path, max_megapixels=0.5)


def test_what_is_not_restored(tmp_path, astronaut):
    small = Image.fromarray(astronaut[:40, :50])
    small.convert("RGBA").save(tmp_path / "a.png")
    with pytest.raises(InputError, match="cannot hold the photo's transparency"):
        write_photo(tmp_path / "a.jpg", read_photo(tmp_path / "a.png"))
    Image.new("L", (20_000, 1)).save(tmp_path / "long.png")
    with pytest.raises(LpieError, match="too many for WebP"):
        write_photo(tmp_path / "long.webp", read_photo(tmp_path / "long.png"))
    assert not list(tmp_path.glob(".*"))
