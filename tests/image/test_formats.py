"""Every kind of photo file: what goes in comes out, with independent decoders as the judges."""

import io
import struct

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from lpie import Restorer
from lpie.errors import InputError
from lpie.image.photo import Photo, read_header, read_photo, write_photo
from lpie.image.samples import Header
from lpie.restore.photos import restore_photo
from tests.conftest import ROOT

imagecodecs = pytest.importorskip("imagecodecs")
pillow_heif = pytest.importorskip("pillow_heif")

HEIGHT, WIDTH = 24, 40
CASES = ROOT.parent / "shared" / "cases"
RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
RGB, RGBA, GREY = COLOURS[..., :3].copy(), COLOURS, COLOURS[..., 0].copy()
DEEP = RNG.integers(0, 65536, (HEIGHT, WIDTH, 5), np.uint16)
DEEP16 = DEEP[..., 0].copy()


class Shift:
    """A network that changes each value by the same share of the range."""

    multiple, halo_px, fixed = 1, 0, None

    def __init__(self, change):
        self.change = change

    def run(self, image):
        return np.clip(image + np.float32(self.change), 0, 1)


def through(path, out, *, change=0.0):
    """`path` restored to `out` by a network that changes each value; what is lost."""
    return write_photo(out, restore_photo(Restorer(Shift(change)), read_photo(path)).after)


def tiff(samples, **options):
    """A file of `samples`; black and white are told by `photometric`."""
    usual = {"photometric": "rgb" if samples.ndim == 3 else "minisblack", "metadata": None}
    return lambda path: tifffile.imwrite(path, samples, **{**usual, **options})


def associated(dtype):
    high = np.iinfo(dtype).max
    alpha = RNG.integers(0, high + 1, (HEIGHT, WIDTH, 1)).astype(np.float64)
    colours = RNG.random((HEIGHT, WIDTH, 3)) * alpha
    return np.concatenate([colours, alpha], axis=-1).astype(dtype)


TIFFS = {
    "u8": tiff(RGB),
    "u8 grey, black last": tiff(GREY, photometric="miniswhite"),
    "u16 planar": tiff(np.moveaxis(DEEP[..., :3], 2, 0), planarconfig="separate"),
    "u16 planar lzw": tiff(
        np.moveaxis(DEEP[..., :3], 2, 0), planarconfig="separate", compression="lzw", predictor=True
    ),
    "u8 planar with alpha": tiff(
        np.moveaxis(RGBA, 2, 0), planarconfig="separate", extrasamples=["unassalpha"]
    ),
    "u16 white is zero": tiff(DEEP[..., 0], photometric="miniswhite"),
    "u8 straight alpha": tiff(RGBA, extrasamples=["unassalpha"]),
    "u8 associated alpha": tiff(associated(np.uint8), extrasamples=["assocalpha"]),
    "u16 associated alpha": tiff(associated(np.uint16), extrasamples=["assocalpha"]),
    "u8 grey with alpha": tiff(
        RGBA[..., :2], photometric="minisblack", extrasamples=["unassalpha"], planarconfig="contig"
    ),
    "u16 five channels": tiff(DEEP, extrasamples=["unassalpha", "unspecified"]),
    "i16": tiff((DEEP[..., :3] >> 1).astype(np.int16)),
    "i16 with negative values": tiff(DEEP[..., :3].view(np.int16)),
    "i8": tiff(RGB.view(np.int8)),
    "u32": tiff(DEEP[..., :3].astype(np.uint32) * 65537),
    "i32": tiff(DEEP[..., :3].astype(np.int32) * 30000),
    "u32 of 16 bits": tiff(DEEP[..., :3].astype(np.uint32)),
    "u12": tiff(DEEP[..., :3] >> 4, bitspersample=12),
    "u10 grey": tiff(DEEP[..., 0] >> 6, bitspersample=10),
    "u4 grey": tiff(GREY >> 4, bitspersample=4),
    "f16": tiff((RGB / 255).astype(np.float16)),
    "f32": tiff((RGB / 255).astype(np.float32), compression="zlib", predictor=True),
    "f64": tiff(RGB / 255),
    "f32 beyond white": tiff(np.where(RGB > 250, 7, RGB / 255).astype(np.float32)),
    "f32 to 255": tiff(RGB.astype(np.float32)),
    "bilevel": tiff(GREY > 127),
    "bilevel, black last": tiff(GREY > 127, photometric="miniswhite"),
    "palette": tiff(
        GREY, photometric="palette", colormap=RNG.integers(0, 65536, (3, 256), np.uint16)
    ),
    "palette of 8 bits": tiff(
        GREY, photometric="palette",
        colormap=RNG.integers(0, 256, (3, 256)).astype(np.uint16) * 257,
    ),
    "cmyk": tiff(RGBA, photometric="separated"),
    "cmyk16 with alpha": tiff(DEEP, photometric="separated", extrasamples=["unassalpha"]),
    "tiled": tiff(np.tile(RGB, (2, 2, 1)), tile=(16, 32), compression="zlib"),
    "big, big-endian": tiff(DEEP[..., :3], bigtiff=True, byteorder=">", compression="zlib"),
    "packbits": tiff(RGB, compression="packbits"),
    "zstd": tiff(RGB, compression="zstd", predictor=True),
    "lzma": tiff(DEEP[..., :3], compression="lzma"),
    "strips": tiff(RGB, rowsperstrip=5, compression="lzw"),
    "jpeg2000": tiff(RGB, compression="jpeg2000", compressionargs={"level": 0}),
    "webp": tiff(RGB, compression="webp", compressionargs={"lossless": True}),
    "jpegxl": tiff(RGB, compression="jpegxl", compressionargs={"lossless": True}),
    "lerc": tiff(RGB, compression="lerc"),
}  # fmt: skip
# What of a page's storage stays; a lossy or unusual codec becomes deflate.
STORED = ("dtype", "photometric", "planarconfig", "extrasamples", "is_tiled", "bitspersample",
          "compression", "predictor")  # fmt: skip
OTHER_CODEC = {"jpeg2000", "webp", "jpegxl", "lerc"}


@pytest.mark.parametrize("kind", TIFFS)
def test_a_tiff_comes_back_as_it_was(tmp_path, kind):
    source, out = tmp_path / "a.tif", tmp_path / "b.tif"
    TIFFS[kind](source)
    assert through(source, out) == []
    with tifffile.TiffFile(source) as a, tifffile.TiffFile(out) as b:
        np.testing.assert_array_equal(a.asarray(), b.asarray())
        assert (a.byteorder, a.is_bigtiff) == (b.byteorder, b.is_bigtiff)
        for name in STORED:
            if name not in ("compression", "predictor") or kind not in OTHER_CODEC:
                assert getattr(a.pages[0], name) == getattr(b.pages[0], name), name
        if a.pages[0].colormap is not None:
            np.testing.assert_array_equal(a.pages[0].colormap, b.pages[0].colormap)


RESTORED = {  # how the samples show that white rose by a tenth of the range
    "u16 planar": 6553.5, "u16 white is zero": -6553.5, "i16": 3276.7, "u12": 409.5, "f16": 0.1,
    "f64": 0.1, "u32": 429496729.5, "f32 to 255": 25.5, "i16 with negative values": 6553.5,
}  # fmt: skip


@pytest.mark.parametrize("kind", RESTORED)
def test_the_networks_change_has_the_range_of_the_samples(tmp_path, kind):
    source, out = tmp_path / "a.tif", tmp_path / "b.tif"
    TIFFS[kind](source)
    through(source, out, change=0.1)
    before, after = (tifffile.imread(path).astype(np.float64) for path in (source, out))
    near = 1e-6 * np.ptp(after)  # floats of 32 bits end a little beside white
    inside = (after < after.max() - near) & (after > after.min() + near)
    difference = (after - before)[inside]
    np.testing.assert_allclose(difference, RESTORED[kind], rtol=0.02, atol=1.01)


@pytest.mark.parametrize("kind", TIFFS)
def test_every_kind_is_restored(tmp_path, kind):
    """Beyond a palette the colours are stored themselves; all other kinds stay what they are."""
    source, out = tmp_path / "a.tif", tmp_path / "b.tif"
    TIFFS[kind](source)
    through(source, out, change=0.1)
    before, after = (read_photo(path) for path in (source, out))
    change = after.rgb().astype(float) - before.rgb()
    high = np.iinfo(before.rgb().dtype).max if before.rgb().dtype.kind == "u" else 1
    assert after.pixels.dtype == before.pixels.dtype
    assert (change >= -0.02 * high).all()
    if "bilevel" not in kind:  # a tenth of the range turns no pixel
        assert 0.03 * high < change.mean() < 0.12 * high


def test_colours_stay_below_associated_alpha(tmp_path):
    source, out = tmp_path / "a.tif", tmp_path / "b.tif"
    TIFFS["u8 associated alpha"](source)
    through(source, out, change=0.2)
    after = tifffile.imread(out).astype(int)
    assert (after[..., :3] <= after[..., 3:]).all()
    before = tifffile.imread(source).astype(int)
    np.testing.assert_array_equal(after[..., 3], before[..., 3])
    opaque = before[..., 3] > 250
    assert np.abs((after - before)[opaque][:, :3]).mean() > 20


def png(samples, **chunks):
    """A file by Pillow or OpenCV, of any type and channels."""
    return lambda path: path.write_bytes(imagecodecs.png_encode(samples))


def pillow(image, **options):
    return lambda path: image.save(path, **options)


PICTURE = Image.fromarray(RGB)
PALETTED = PICTURE.quantize(100)
LOSSLESS = {
    "rgb.png": png(RGB),
    "rgb16.png": png(DEEP[..., :3].copy()),
    "rgba.png": png(RGBA),
    "rgba16.png": png(DEEP[..., :4].copy()),
    "grey.png": png(GREY.copy()),
    "grey16.png": png(DEEP[..., 0].copy()),
    "la.png": png(RGBA[..., :2].copy()),
    "la16.png": png(DEEP[..., :2].copy()),
    "bilevel.png": pillow(Image.fromarray(GREY > 99)),
    "palette.png": pillow(PALETTED),
    "palette4.png": pillow(PICTURE.quantize(11), bits=4),
    "palette_trns.png": pillow(PALETTED, transparency=bytes(range(100))),
    "grey_trns.png": pillow(Image.fromarray(GREY), transparency=int(GREY[3, 3])),
    "rgb_trns.png": pillow(PICTURE, transparency=tuple(int(n) for n in RGB[3, 3])),
    "grey16_trns.png": pillow(Image.fromarray(DEEP16), transparency=int(DEEP16[3, 3])),
    "rgb.bmp": pillow(PICTURE),
    "rgba.bmp": pillow(Image.fromarray(RGBA)),
    "grey.bmp": pillow(Image.fromarray(GREY)),
    "bilevel.bmp": pillow(Image.fromarray(GREY > 99)),
    "rgb.webp": pillow(PICTURE, lossless=True),
    "rgba.webp": pillow(Image.fromarray(RGBA), lossless=True, exact=True),
    "palette.gif": pillow(PALETTED),
    "rgb.jxl": lambda path: path.write_bytes(imagecodecs.jpegxl_encode(RGB, lossless=True)),
    "rgb16.jxl": lambda path: path.write_bytes(
        imagecodecs.jpegxl_encode(DEEP[..., :3].copy(), lossless=True)
    ),
    "rgba.jxl": lambda path: path.write_bytes(imagecodecs.jpegxl_encode(RGBA, lossless=True)),
    "float.jxl": lambda path: path.write_bytes(
        imagecodecs.jpegxl_encode((RGB / 255).astype(np.float32), lossless=True)
    ),
    "lossless.jpg": lambda path: path.write_bytes(
        imagecodecs.jpeg8_encode(DEEP[..., 0].copy(), lossless=True, bitspersample=16)
    ),
    "jls.jpg": lambda path: path.write_bytes(imagecodecs.jpegls_encode(RGB.copy())),
    "rgb.heic": lambda path: heic(path, RGB, quality=-1, chroma=444, matrix_coefficients=0),
    "rgb.avif": lambda path: path.write_bytes(
        imagecodecs.avif_encode(RGB, level=100, pixelformat="444")
    ),
    "rgb10.avif": lambda path: path.write_bytes(
        imagecodecs.avif_encode(DEEP[..., :3] >> 6, level=100, pixelformat="444", bitspersample=10)
    ),
}


def heic(path, samples, **options):
    image = pillow_heif.from_bytes("RGB", (WIDTH, HEIGHT), np.ascontiguousarray(samples).tobytes())
    image.save(path, **options)


def judged(path):
    """The samples of a file by a decoder that lpie does not use for its format."""
    data = path.read_bytes()
    if path.suffix == ".jxl":
        return imagecodecs.jpegxl_decode(data)
    if path.suffix == ".heic":
        return np.asarray(pillow_heif.open_heif(io.BytesIO(data)))
    if path.suffix == ".avif":
        return imagecodecs.avif_decode(data)
    if path.suffix == ".jpg":
        decode = imagecodecs.jpegls_decode if "jls" in path.stem else imagecodecs.jpeg8_decode
        return decode(data)
    if path.suffix == ".png" and "16" in path.stem and "trns" not in path.stem:
        return imagecodecs.png_decode(data)
    with Image.open(path) as image:
        key = image.info.get("transparency")
        if image.mode == "I;16":
            return np.asarray(image), key
        return np.asarray(image.convert("RGBA")), image.mode, key


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_lossless_file_comes_back_as_it_was(tmp_path, name):
    source = tmp_path / name
    LOSSLESS[name](source)
    out = tmp_path / "out" / name
    assert through(source, out) == []
    if source.suffix == ".gif":
        a, b = (np.asarray(Image.open(path).convert("RGB")) for path in (source, out))
        np.testing.assert_array_equal(a, b)
        return
    for a, b in zip(listed(judged(source)), listed(judged(out)), strict=True):
        np.testing.assert_array_equal(a, b)


def listed(value):
    return value if isinstance(value, tuple) else (value,)


def frames_of(path):
    """(frames as shown, durations, loops) by Pillow."""
    with Image.open(path) as image:
        frames, times = [], []
        for number in range(image.n_frames):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGBA")))
            times.append(image.info["duration"])
        return frames, times, image.info.get("loop")


STEPS = [PICTURE.quantize(100), PICTURE.rotate(90).quantize(90), PICTURE.rotate(180).quantize(120)]
ANIMATIONS = {
    "a.gif": {}, "disposed.gif": {"disposal": 2}, "a.png": {},
    "a.webp": {"lossless": True, "exact": True},
}  # fmt: skip


@pytest.mark.parametrize("target", [".gif", ".png", ".webp"])
@pytest.mark.parametrize("name", ANIMATIONS)
def test_frames_and_their_times_stay(tmp_path, name, target):
    frames = [step.convert("RGBA" if name == "disposed.gif" else "RGB") for step in STEPS]
    for frame in frames if name == "disposed.gif" else ():
        frame.putalpha(frame.getchannel(0).point(lambda level: 255 * (level > 90)))
    path, out = tmp_path / name, tmp_path / f"out{target}"
    options = {"save_all": True, "append_images": frames[1:], "duration": [70, 120, 250], "loop": 3}
    frames[0].save(path, **options, **ANIMATIONS[name])
    assert through(path, out) == []
    (before, *_), (after, *told) = frames_of(path), frames_of(out)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a[..., 3], b[..., 3])
        np.testing.assert_array_equal(a[a[..., 3] > 0], b[a[..., 3] > 0])
    assert told == [[70, 120, 250], 3]


def test_equal_frames_stay_frames(tmp_path):
    photo = Photo(RGB, Header(WIDTH, HEIGHT, "PNG"), duration_ms=40, loops=0)
    photo = photo.with_pictures([photo, photo, photo])
    for suffix in (".gif", ".png", ".webp"):
        write_photo(tmp_path / f"a{suffix}", photo)
        assert read_header(tmp_path / f"a{suffix}").frames == 3
        assert [p.duration_ms for p in read_photo(tmp_path / f"a{suffix}").pictures] == [40] * 3


def test_pages_and_masks_stay(tmp_path):
    path, out = tmp_path / "a.tif", tmp_path / "b.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(RGB, photometric="rgb", metadata=None)
        writer.write(GREY > 99, photometric="mask", subfiletype=4, metadata=None)
        writer.write(DEEP[:10, :12, 0], photometric="minisblack", metadata=None)
    assert read_header(path).frames == 3
    assert through(path, out) == []
    with tifffile.TiffFile(path) as a, tifffile.TiffFile(out) as b:
        for one, other in zip(a.pages, b.pages, strict=True):
            np.testing.assert_array_equal(one.asarray(), other.asarray())
            assert one.subfiletype == other.subfiletype
    through(path, out, change=0.1)
    after = tifffile.TiffFile(out)
    assert (after.pages[0].asarray() != RGB).any()
    np.testing.assert_array_equal(after.pages[1].asarray(), GREY > 99)


@pytest.mark.parametrize("quality", [60, 90])
def test_cmyk_jpeg(tmp_path, quality):
    path, out = tmp_path / "a.jpg", tmp_path / "b.jpg"
    smooth = cv2.GaussianBlur(RGBA, (0, 0), 4)
    Image.fromarray(smooth, "CMYK").save(path, quality=quality)
    assert through(path, out) == []
    with Image.open(path) as a, Image.open(out) as b:
        assert b.mode == "CMYK"
        assert a.quantization == b.quantization
        assert np.abs(np.asarray(a).astype(int) - np.asarray(b)).mean() < 2


CURVES = {"linear": 1.0, "gamma 1.8": 1.8, "gamma 2.6": 2.6}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("name", CURVES)
def test_other_curves_are_shown_to_the_network_as_srgb(tmp_path, name, dtype):
    """White light of 50 % has the value 188 in sRGB whatever the curve."""
    path, out = tmp_path / "a.tif", tmp_path / "b.tif"
    value = 0.5 ** (1 / CURVES[name])
    high = 1 if dtype == np.float32 else np.iinfo(dtype).max
    samples = np.full((HEIGHT, WIDTH, 3), value * high if high == 1 else round(value * high), dtype)
    samples[:4] = RGB[:4] / 255 * high
    tifffile.imwrite(path, samples, photometric="rgb", iccprofile=gamma_profile(CURVES[name]))
    photo = read_photo(path)
    seen = photo.rgb()
    share = seen[10, 10, 0] / (np.iinfo(seen.dtype).max if seen.dtype.kind == "u" else 1)
    assert abs(share * 255 - 187.5) < 1
    through(path, out)
    np.testing.assert_array_equal(tifffile.imread(out), samples)
    assert read_photo(out).metadata.icc == gamma_profile(CURVES[name])


def gamma_profile(exponent):
    """A display profile whose curves are gamma curves: a minimal one of ICC version 2."""
    curve = b"curv" + bytes(4) + struct.pack(">IHH", 1, round(exponent * 256), 0)
    tags = []
    start = 128 + 4 + 12 * 3
    for tag in (b"rTRC", b"gTRC", b"bTRC"):
        tags.append(tag + start.to_bytes(4, "big") + len(curve).to_bytes(4, "big"))
    head = bytearray(128)
    head[0:4] = (start + len(curve)).to_bytes(4, "big")
    head[12:24] = b"mntrRGB XYZ "
    head[36:40] = b"acsp"
    return bytes(head) + (3).to_bytes(4, "big") + b"".join(tags) + curve


def test_srgb_profiles_change_nothing(tmp_path):
    path = tmp_path / "a.png"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    PICTURE.save(path, icc_profile=profile)
    np.testing.assert_array_equal(read_photo(path).rgb(), RGB)


# Valid files that are not restored, by their true cause; a network never sees what they hold.
REFUSED = {
    "nan.tif": (tiff(np.full((4, 5, 3), np.nan, np.float32)), "NaN or infinite"),
    "range.tif": (tiff(np.linspace(-9e5, 9e5, 60).reshape(4, 5, 3)), "scale them"),
    "lab.tif": (tiff(RGB, photometric="cielab"), "CIELab"),
    "complex.tif": (tiff(GREY.astype(np.complex64)), "complex samples"),
    "raw.dng": (tiff(RGB), "Develop it"),
    "cfa.tif": (
        tiff(DEEP[..., 0], photometric="cfa", extratags=[(50706, "B", 4, (1, 4, 0, 0), True)]),
        "Develop it",
    ),
    "a.jpg": (lambda path: path.write_bytes(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom"), "Develop it"),
    "a.pdf": (lambda path: path.write_bytes(b"%PDF-1.7 and more"), "is a PDF file"),
    "a.txt": (lambda path: path.write_bytes(b"nothing"), "is not a readable image"),
    "empty.png": (lambda path: path.write_bytes(b""), "it is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_restored_is_said(tmp_path, name, capfd):
    make, words = REFUSED[name]
    make(tmp_path / name)
    with pytest.raises(InputError, match=words):
        read_photo(tmp_path / name)
    assert capfd.readouterr() == ("", "")


def test_a_name_says_nothing(tmp_path):
    PICTURE.save(tmp_path / "a.png")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.png").read_bytes())
    np.testing.assert_array_equal(read_photo(tmp_path / "a.jpg").pixels, RGB)
    write_photo(tmp_path / "noname", read_photo(tmp_path / "a.jpg"), format="TIFF")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "noname"), RGB)


LOSSES = {
    ("rgb16.png", ".jpg"): ["16-bit depth"],
    ("rgb16.png", ".webp"): ["16-bit depth"],
    ("float.jxl", ".png"): ["floating-point values"],
    ("rgb10.avif", ".bmp"): ["10-bit depth"],
    ("rgb.png", ".gif"): ["all but 256 colours"],
    ("palette.png", ".gif"): [],
    ("rgb.png", ".tif"): [],
    ("rgb10.avif", ".tif"): [],
}


@pytest.mark.parametrize(("name", "suffix"), LOSSES)
def test_what_another_format_cannot_hold_is_said(tmp_path, name, suffix):
    LOSSLESS[name](tmp_path / name)
    assert through(tmp_path / name, tmp_path / f"out{suffix}") == LOSSES[name, suffix]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".bmp", ".heic", ".avif", ".jxl"])
@pytest.mark.parametrize("name", ["rgb.png", "rgba.png", "palette.gif", "rgb.webp"])
def test_a_lossless_photo_stays_so_in_other_formats(tmp_path, name, suffix):
    LOSSLESS[name](tmp_path / name)
    out = tmp_path / f"out{suffix}"
    assert through(tmp_path / name, out) == []
    np.testing.assert_array_equal(read_photo(out).rgb(), read_photo(tmp_path / name).rgb())


def test_no_transparency_in_jpeg_and_no_pages_in_png(tmp_path):
    LOSSLESS["rgba.png"](tmp_path / "a.png")
    with pytest.raises(InputError, match="cannot hold the photo's transparency"):
        through(tmp_path / "a.png", tmp_path / "a.jpg")
    tifffile.imwrite(tmp_path / "a.tif", np.stack([GREY, GREY]), photometric="minisblack")
    with pytest.raises(InputError, match="cannot hold the photo's 2 pages"):
        through(tmp_path / "a.tif", tmp_path / "b.png")


EXACT = ("lossless.jpg", "jls.jpg")


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize("path", sorted((CASES / "photos").glob("*")), ids=lambda path: path.name)
def test_the_shared_cases(tmp_path, path, capfd):
    suffix = ".heic" if path.name == "isheic.jpg" else path.suffix
    out = tmp_path / f"out{suffix}"
    through(path, out)
    assert capfd.readouterr() == ("", "")
    before, after = read_photo(path), read_photo(out)
    if path.suffix == ".tif":
        for a, b in zip(*(tifffile.TiffFile(p).pages for p in (path, out)), strict=True):
            np.testing.assert_array_equal(a.asarray(), b.asarray())
            assert (a.extrasamples, a.photometric) == (b.extrasamples, b.photometric)
    exact = path.suffix in (".tif", ".png", ".bmp", ".gif") or path.name in (
        "lossless.jpg",
        "jls.jpg",
    )
    for a, b in zip(before.pictures, after.pictures, strict=True):
        if exact:
            np.testing.assert_array_equal(a.pixels, b.pixels)
        else:
            span = a.meaning.high - a.meaning.low
            assert np.abs(a.pixels.astype(float) - b.pixels).mean() < 0.02 * span


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_containers_that_turn_a_picture(tmp_path, suffix, orientation):
    """They come out upright, in other formats too, and nobody turns them again."""
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    steps = np.linspace(0, 255, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint8)
    picture = Image.fromarray(np.dstack([steps, steps[::-1], steps]))
    if suffix == ".heic":
        heic(path, np.asarray(picture), exif=exif.tobytes(), quality=100)
    else:
        picture.save(path, exif=exif, quality=100)
    shown = np.asarray(ImageOps.exif_transpose(turned(picture, orientation)))
    photo = read_photo(path)
    assert photo.orientation == 1
    assert np.abs(photo.rgb().astype(int) - shown).mean() < 9
    for target in (".png", suffix):
        out = tmp_path / f"out{target}"
        write_photo(out, photo)
        if target == ".heic":  # whose decoder turns it, and EXIF must not
            upright = np.asarray(pillow_heif.open_heif(out))
            assert read_photo(out).changes.turned is False
        else:
            with Image.open(out) as image:
                upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        assert np.abs(upright.astype(int) - shown).mean() < 9


def turned(picture, orientation):
    exif = picture.getexif()
    exif[0x0112] = orientation
    return picture
