"""A photo that holds everything, from every format to every other, as exiftool reads the result."""

import io

import numpy as np
import pytest
from PIL import Image

from lpie.image.metadata import embed, read_metadata
from tests import soak
from tests.image.metadata import exiftool, rich

pytestmark = exiftool.WANTED

FORMATS = tuple(rich.SUFFIXES)
SOURCES = (*(name for name in FORMATS if name != "BMP"), "JPEG of a big-endian camera")
COMMENT, TITLE, CITY, KEYWORD = "© Комментарий", "写真 title", "Köln", "Ж"
# Where each format keeps a comment.
COMMENTS = {
    "JPEG": "File:Comment",
    "PNG": "PNG:Comment",
    "GIF": "File:Comment",
    "TIFF": "IFD0:ImageDescription",
    "WEBP": "XMP-exif:UserComment",
    "AVIF": "XMP-exif:UserComment",
    "HEIF": "XMP-exif:UserComment",
}
# Formats that turn a picture by other means than EXIF.
TURNED = ("AVIF", "HEIF")
EXIF_GROUPS = ("IFD0", "ExifIFD", "GPS", "Canon")
# What a picture's encoding is, or what only YCbCr has.
STORAGE = {
    "ImageWidth",
    "ImageHeight",
    "BitsPerSample",
    "Compression",
    "PhotometricInterpretation",
    "StripOffsets",
    "SamplesPerPixel",
    "RowsPerStrip",
    "StripByteCounts",
    "PlanarConfiguration",
    "YCbCrPositioning",
    "ImageDescription",
}


def format_of(source):
    return source.split()[0]


def name_of(source, target):
    return f"{source.replace(' ', '_')}.{rich.SUFFIXES[target]}"


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """{name: the file of a photo that holds what its format can}, written by exiftool."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "sRGB.icc").write_bytes(rich.PROFILE)
    thumbnail = rich.encoded("JPEG", rich.pixels(rich.Size(12, 20)))
    files, commands = {}, []
    for source in SOURCES:
        kind = format_of(source)
        files[source] = folder / f"{len(files)}.{rich.SUFFIXES[kind]}"
        order = "<" if source == kind else ">"
        held = b"Exif\0\0" + rich.exif(order=order, thumbnail=thumbnail)
        if kind == "JPEG":
            files[source].write_bytes(rich.jpeg((0xE1, held)))
            commands.append(
                [
                    f"-XMP-dc:Title={TITLE}",
                    "-XMP-xmp:Rating=4",
                    "-XMP-xmp:Label=Red",
                    "-XMP-tiff:Orientation#=6",
                    "-XMP-exif:ExifImageWidth=40",
                    f"-IPTC:City={CITY}",
                    f"-IPTC:Keywords={KEYWORD}",
                    "-IPTC:CodedCharacterSet=UTF8",
                    f"-ICC_Profile<={folder / 'sRGB.icc'}",
                    f"-Comment={COMMENT}",
                    files[source],
                ]
            )
        else:
            files[source].write_bytes(rich.encoded(kind))
            copied = ["-all:all", "-unsafe", "-icc_profile", "-IPTC:CodedCharacterSet"]
            if kind in ("PNG", "GIF"):
                copied.append(f"-Comment={COMMENT}")
            commands.append(["-tagsFromFile", files["JPEG"], *copied, files[source]])
    exiftool.write(folder, *commands)
    return files


@pytest.fixture(scope="module")
def written(sources, tmp_path_factory):
    """({file: tags} of sources and results, {file: what is lost}, {file: its profile})."""
    folder = tmp_path_factory.mktemp("pairs")
    lost, profiles = {}, {}
    for source, path in sources.items():
        for target in FORMATS:
            data, gone = rich.carried(path.read_bytes(), format_of(source), target)
            name = name_of(source, target)
            (folder / name).write_bytes(data)
            lost[name] = gone
            with Image.open(io.BytesIO(data)) as image:
                image.load()
                profiles[name] = image.info.get("icc_profile")
    tags = exiftool.tags([*sources.values(), *folder.iterdir()])
    return tags, lost, profiles


def groups(tags, *names):
    """The tags of some groups without those of the encoding."""
    return {
        name: value
        for name, value in tags.items()
        if name.split(":")[0] in names and name.split(":")[1] not in STORAGE
    }


def check(before, after, lost, source, target):
    """What a source says is there after it was restored to `target`, or is named as lost."""
    assert not {"ExifTool:Warning", "ExifTool:Error"} & set(after)
    expected = groups(before, *EXIF_GROUPS)
    assert ("EXIF" in lost) == (bool(expected) and target in ("GIF", "BMP"))
    if target not in ("GIF", "BMP"):
        expected |= {"IFD0:Orientation": 1} if source in TURNED and "IFD0:Make" in before else {}
        assert {key: after.get(key) for key in expected} == expected
    expected = {key: value for key, value in before.items() if key.startswith("XMP")}
    assert ("XMP" in lost) == (bool(expected) and target == "BMP")
    if target == "BMP":
        return
    if source in TURNED and "XMP-tiff:Orientation" in expected:  # its decoders turn otherwise
        expected["XMP-tiff:Orientation"] = 1
    assert {key: after.get(key) for key in expected} == expected
    if "IPTC:City" in before:
        in_xmp = target in ("WEBP", "AVIF", "HEIF", "GIF")
        city, words = (
            ("XMP-photoshop:City", "XMP-dc:Subject") if in_xmp else ("IPTC:City", "IPTC:Keywords")
        )
        assert after[city] == before["IPTC:City"]
        if in_xmp and "XMP-dc:Subject" in before:  # which says something else
            assert "parts of IPTC" in lost
        else:
            assert after[words] in (before["IPTC:Keywords"], [before["IPTC:Keywords"]])
    if comment := before.get(COMMENTS[source]):
        assert after[COMMENTS[target]] == comment


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", SOURCES)
def test_everything_arrives_or_is_named(sources, written, source, target):
    tags, lost, profiles = written
    name, before = name_of(source, target), tags[sources[source].name]
    check(before, tags[name], lost[name], format_of(source), target)
    assert before["XMP-dc:Title"] == TITLE  # the source has all that its format can hold
    assert ("Canon:CanonImageType" in before) == (source != "GIF")
    if target == "BMP":
        assert "colour profile" in lost[name] or source in TURNED
    elif "ICC_Profile:ProfileDescription" in before:
        assert "ICC_Profile:ProfileDescription" in tags[name]
        assert profiles[name] == rich.PROFILE or target == "GIF"  # of which Pillow reads none


WORDS = ("plain", "Größe ©", "写真", "Комментарий", "שלום", "émoji 📷", "a <b> & 'c' \"d\"")


def generated(rng, path):
    """(the arguments by which exiftool fills a JPEG file at `path`), which has random EXIF."""
    parts = []
    if rng.random() < 0.8:
        small = rich.encoded("JPEG", rich.pixels(rich.Size(12, 20)))
        block = rich.exif(
            int(rng.integers(1, 9)),
            order="<>"[rng.integers(2)],
            thumbnail=small if rng.random() < 0.5 else None,
        )
        parts.append((0xE1, b"Exif\0\0" + block))
    path.write_bytes(rich.jpeg(*parts))
    words = [str(word) for word in rng.choice(WORDS, 4)]
    choices = [
        [f"-XMP-dc:Title={words[0]}", f"-XMP-xmp:Rating={rng.integers(6)}"],
        [f"-XMP-dc:Subject={words[1]}", "-XMP-crs:Exposure2012=+0.5"],
        [f"-IPTC:City={words[2]}"[:32], "-IPTC:Keywords=k", "-IPTC:CodedCharacterSet=UTF8"],
        [f"-Comment={words[3]}"],
        [f"-ICC_Profile<={path.parent / 'sRGB.icc'}"],
        ["-JFIF:XResolution=240", "-JFIF:YResolution=240", "-JFIF:ResolutionUnit=inches"],
    ]
    chosen = [choice for choice in choices if rng.random() < 0.7] or choices[:1]
    return [argument for choice in chosen for argument in choice]


@pytest.mark.soak
def test_generated_photos_over_all_pairs(tmp_path):
    rng, count = soak.rng(400), soak.amount(400, 24)
    (tmp_path / "sRGB.icc").write_bytes(rich.PROFILE)
    (tmp_path / "results").mkdir()
    pairs, commands = [], []
    for n in range(count):
        source = SOURCES[n % (len(SOURCES) - 1)]
        target = FORMATS[int(rng.integers(len(FORMATS)))]
        donor, path = tmp_path / f"donor{n}.jpg", tmp_path / f"{n}.{rich.SUFFIXES[source]}"
        commands.append([*generated(rng, donor), donor])
        if source == "JPEG":
            path = donor
        else:
            path.write_bytes(rich.encoded(source))
            comment = ["-Comment"] if source in ("PNG", "GIF") else []
            copied = ["-all:all", "-unsafe", "-icc_profile", "-IPTC:CodedCharacterSet", *comment]
            commands.append(["-tagsFromFile", donor, *copied, path])
        pairs.append((path, source, target))
    exiftool.write(tmp_path, *commands)
    lost = {}
    for n, (path, source, target) in enumerate(pairs):
        data, lost[n] = rich.carried(path.read_bytes(), source, target)
        (tmp_path / "results" / f"r{n}.{rich.SUFFIXES[target]}").write_bytes(data)
    tags = exiftool.tags([path for path, _, _ in pairs] + [*(tmp_path / "results").iterdir()])
    for n, (path, source, target) in enumerate(pairs):
        check(tags[path.name], tags[f"r{n}.{rich.SUFFIXES[target]}"], lost[n], source, target)


@pytest.mark.parametrize("target", FORMATS)
def test_no_profile_comes_from_nowhere(target):
    data, lost = rich.carried(rich.encoded("JPEG"), "JPEG", target)
    with Image.open(io.BytesIO(data)) as image:
        assert "icc_profile" not in image.info
    assert lost == []


def test_the_resolution_arrives(written, sources):
    tags, _lost, _ = written
    for source in SOURCES:
        assert tags[name_of(source, "PNG")].get("PNG-pHYs:PixelsPerUnitX") == (
            11811 if source not in ("GIF", "PNG") else None
        )
        if source != "GIF":
            assert tags[name_of(source, "JPEG")]["IFD0:XResolution"] == 300
            assert tags[name_of(source, "TIFF")]["IFD0:XResolution"] == 300


def test_pixels_of_lossless_files_are_untouched(sources):
    for source, path in sources.items():
        for target in ("PNG", "TIFF", "BMP"):
            data, _ = rich.carried(path.read_bytes(), format_of(source), target, turned=True)
            with Image.open(io.BytesIO(data)) as image:
                assert image.convert("RGB").tobytes() == rich.pixels().tobytes()


def test_jpeg_xl_holds_exif_and_xmp(sources, tmp_path):
    codecs = pytest.importorskip("imagecodecs")
    bare = codecs.jpegxl_encode(rich.pixels(), lossless=True)
    metadata = read_metadata(sources["JPEG"].read_bytes(), "JPEG")
    files = []
    for number, source in enumerate(("JPEG", "JXL")):
        data, lost = embed(bare, metadata, source=source, target="JXL", size=rich.SIZE)
        # OpenCV, which would make a new thumbnail, reads no JPEG XL.
        assert lost == ["thumbnail"] * (source == "JPEG")
        assert np.array_equal(codecs.jpegxl_decode(data), rich.pixels())
        files.append(tmp_path / f"{number}.jxl")
        files[-1].write_bytes(data)
        metadata = read_metadata(data, "JXL")
    for tags in exiftool.tags(files).values():
        assert (tags["IFD0:Artist"], tags["Canon:CanonImageType"]) == ("Zoë", "Type of a test")
        assert (tags["XMP-dc:Title"], tags["XMP-photoshop:City"]) == (TITLE, CITY)
        assert tags["XMP-exif:UserComment"] == COMMENT
