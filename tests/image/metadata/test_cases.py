"""The files of ../shared/cases/photos that are about metadata, each with what is right for it."""

import struct

import numpy as np
import pytest
from PIL import Image

from lpie.errors import InputError
from lpie.image.photo import read_photo, upright, write_photo
from tests.conftest import SHARED
from tests.image.metadata import exiftool, rich

CASES = SHARED / "cases" / "photos"
pytestmark = [
    exiftool.WANTED,
    pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases/photos is missing"),
]
TARGETS = ("jpg", "png", "webp", "tif")
# What is lost of each file, on the way to a format of TARGETS or to itself.
LOST = {
    "artist_nonascii_xmp.jpg": {},
    "copyright_nonascii.tif": {},
    "xmp.jpg": {},
    "xmp.png": {},
    "dpi.jpg": {},
    "dpi.png": {},
    "iptc.jpg": {},
    "comment.jpg": {},
    "icc70000.jpg": {},
    "uhdr_icc_mpf.jpg": {"jpg": [], "": ["gain map"]},
    "uhdr_mpf_only.jpg": {"jpg": [], "": ["gain map"]},
    "jfif_mpf.jpg": {"jpg": [], "": ["second picture"]},
    "chunks.png": {"png": [], "": ["gamma"]},
    "gama1.png": {"png": [], "": ["gamma"]},
    "cicp_pq.png": {"png": [], "": ["colour space (cICP)"]},
    "geo.tif": {"tif": [], "": ["GeoTIFF"]},
    "thumb.jpg": {"tif": ["thumbnail"], "": []},
    "motion.jpg": {"": ["motion video"]},
    "extxmp.jpg": {"jpg": ["gain map"], "": ["gain map", "extended XMP"]},
    "brokenexif.jpg": {"jpg": [], "": ["EXIF"]},
}
# Tags whose values every format holds.
WANTED = {
    "artist_nonascii_xmp.jpg": {
        "IFD0:Artist": "Zoë",
        "IFD0:XPTitle": "tïtle",
        "ExifIFD:UserComment": "héllo",
        "ExifIFD:LensModel": "L",
        "XMP-xmp:Rating": 4,
        "GPS:GPSLatitude": 1.5,
        "ICC_Profile:ProfileDescription": "sRGB built-in",
    },
    "copyright_nonascii.tif": {
        "IFD0:Copyright": "© 2024 Zoë",
        "IFD0:Artist": "José",
        "IFD0:ImageDescription": "Größe",
    },
    "xmp.jpg": {"XMP-xmp:Rating": 4, "IFD0:Artist": "Zoe"},
    "xmp.png": {"XMP-xmp:Rating": 4, "IFD0:Artist": "Bob"},
    "iptc.jpg": {"XMP-xmp:Rating": 4, "IFD0:Artist": "Zoë"},
    "thumb.jpg": {"IFD0:Make": "Acme"},
    "uhdr_icc_mpf.jpg": {"IFD0:Make": "Acme"},
    "extxmp.jpg": {"IFD0:Make": "Acme"},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(the folder, {file: what is lost}, {file: tags}) of all cases in all formats."""
    folder = tmp_path_factory.mktemp("cases")
    lost = {}
    for name in LOST:
        photo = read_photo(CASES / name)
        for suffix in TARGETS:
            path = folder / f"{name}.{suffix}"
            lost[path.name] = write_photo(path, photo)
    return folder, lost, exiftool.tags(folder.iterdir())


@pytest.mark.parametrize("suffix", TARGETS)
@pytest.mark.parametrize("name", LOST)
def test_what_is_kept_and_what_is_lost(written, name, suffix):
    _, lost, tags = written
    rules, file = LOST[name], f"{name}.{suffix}"
    assert lost[file] == rules.get(suffix, rules.get("", []))
    shown = tags[file]
    if name not in ("brokenexif.jpg", "extxmp.jpg"):
        assert "ExifTool:Warning" not in shown
    wanted = WANTED.get(name, {})
    assert {key: shown.get(key) for key in wanted} == wanted


@pytest.mark.parametrize("suffix", TARGETS)
@pytest.mark.parametrize(
    "name", ["uhdr_icc_mpf.jpg", "uhdr_mpf_only.jpg", "jfif_mpf.jpg", "icc70000.jpg"]
)
def test_the_profile_is_the_same_byte_for_byte(written, name, suffix):
    folder = written[0]
    with Image.open(CASES / name) as before, Image.open(folder / f"{name}.{suffix}") as after:
        theirs, ours = (image.info.get("icc_profile") for image in (before, after))
    if name in ("uhdr_mpf_only.jpg", "jfif_mpf.jpg"):
        assert ours is None
    else:
        assert ours == _profile_of(CASES / name)
    assert theirs is None or name != "icc70000.jpg" or ours == theirs


def _profile_of(path):
    """The profile by the numbers of its segments, so that no other one is taken along."""
    data, at, parts = path.read_bytes(), 2, {}
    while data[at + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, at + 2)
        if data[at + 4 : at + 16] == b"ICC_PROFILE\0":
            parts[data[at + 16]] = data[at + 18 : at + 2 + length]
        at += 2 + length
    return b"".join(parts[number] for number in sorted(parts))


@pytest.mark.parametrize("suffix", TARGETS)
def test_resolution_comment_and_iptc(written, suffix):
    tags = written[2]
    places = {"jpg": "JFIF:XResolution", "png": "PNG-pHYs:PixelsPerUnitX"}
    expected = 11811 if suffix == "png" else 300
    for name in ("dpi.jpg", "dpi.png"):
        assert tags[f"{name}.{suffix}"][places.get(suffix, "IFD0:XResolution")] == expected
    comments = {"jpg": "File:Comment", "png": "PNG:Comment", "tif": "IFD0:ImageDescription"}
    place = comments.get(suffix, "XMP-exif:UserComment")
    assert tags[f"comment.jpg.{suffix}"][place] == "hello world"
    iptc = tags[f"iptc.jpg.{suffix}"]
    places = (
        ("XMP-photoshop:City", "XMP-dc:Description")
        if suffix == "webp"
        else ("IPTC:City", "IPTC:Caption-Abstract")
    )
    assert [iptc[place] for place in places] == ["Bonn", "cap"]


def test_chunks_and_map_stay_in_their_format(written):
    tags = written[2]
    chunks = tags["chunks.png.png"]
    assert (chunks["PNG:Title"], chunks["PNG:Description"]) == ("sunset", "café 写真")
    assert chunks["PNG:Gamma"] == 1
    for suffix in ("jpg", "webp", "tif"):
        shown = tags[f"chunks.png.{suffix}"]
        assert (shown["XMP-dc:Title"], shown["XMP-dc:Description"]) == ("sunset", "café 写真")
    assert tags["cicp_pq.png.png"]["PNG-cICP:TransferCharacteristics"] == 16
    assert tags["geo.tif.tif"]["GeoTiff:ProjectedCSType"] == 32633
    assert tags["geo.tif.tif"]["IFD0:ModelTiePoint"].split()[3:5] == ["500000", "4649000"]


def test_a_video_and_its_promise_are_gone(written):
    folder, _, tags = written
    for suffix in TARGETS:
        assert not [key for key in tags[f"motion.jpg.{suffix}"] if "GCamera" in key]
        assert b"ftyp" not in (folder / f"motion.jpg.{suffix}").read_bytes()


def test_the_gain_map_lies_where_the_index_says(written):
    folder, _, tags = written
    for name in ("uhdr_icc_mpf.jpg", "uhdr_mpf_only.jpg"):
        shown = tags[f"{name}.jpg"]
        data = (folder / f"{name}.jpg").read_bytes()
        start, length = shown["MPImage2:MPImageStart"], shown["MPImage2:MPImageLength"]
        assert start + length == len(data)
        assert data[start:] == (CASES / name).read_bytes()[-length:]
        assert shown["XMP-hdrgm:Version"] == 1


def test_no_crop_shows_its_surroundings(tmp_path):
    photo = read_photo(CASES / "thumb.jpg")
    part = upright(photo).cropped(slice(8, 40), slice(16, 80))
    path = tmp_path / "part.jpg"
    assert write_photo(path, part) == []
    height, width = rich.thumbnail_of(path.read_bytes()).shape[:2]
    assert width == 2 * height


@pytest.mark.parametrize("suffix", ["gif", "bmp", "avif", "heic", "jxl", "tif", "png", "jpg"])
def test_a_turned_photo_is_shown_alike_in_every_format(tmp_path, suffix):
    photo = read_photo(CASES / "uhdr_icc_mpf.jpg")
    assert photo.orientation == 6
    path = tmp_path / f"a.{suffix}"
    try:
        write_photo(path, photo)
        shown = upright(read_photo(path))
    except InputError as error:
        pytest.skip(str(error))  # a package of the extra `photos` is missing
    difference = np.abs(shown.pixels.astype(int) - upright(photo).pixels).mean()
    assert difference < (20 if suffix == "gif" else 5)


def test_nothing_reaches_the_terminal(written, capfd, tmp_path):
    write_photo(tmp_path / "a.png", read_photo(CASES / "brokenexif.jpg"))
    assert capfd.readouterr() == ("", "")
