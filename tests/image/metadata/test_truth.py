"""What stops being true is rewritten or dropped, and what is dropped is named."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from lpie.image.metadata import Metadata, embed, read_metadata
from lpie.size import Size
from tests.image.metadata import rich
from tests.image.metadata.rich import carried, chunk, encoded, exif, jpeg, pixels, png, rdf, segment

THUMBNAIL = encoded("JPEG", pixels(Size(12, 20)))
FULL = exif(thumbnail=THUMBNAIL)
GAIN_MAP = encoded("JPEG", pixels(Size(6, 10))[..., 0])
HDRGM = "xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/'"
VIDEO = b"\0\0\0\x18ftypmp42" + bytes(5000)
CONTAINER = (
    "xmlns:C='http://ns.google.com/photos/1.0/container/' "
    "xmlns:I='http://ns.google.com/photos/1.0/container/item/'"
)


def item(semantic, length):
    return (
        "<rdf:li rdf:parseType='Resource'><C:Item I:Mime='image/jpeg' "
        f"I:Semantic='{semantic}' I:Length='{length}'/></rdf:li>"
    )


def directory(*items):
    return f"<C:Directory><rdf:Seq>{''.join(item(*one) for one in items)}</rdf:Seq></C:Directory>"


def app1(packet):
    return (0xE1, rich.XMP_IN_APP1 + packet)


def with_index(data, *others, kinds=(0,)):
    """A JPEG file with further pictures behind it and an MPF segment that lists them."""
    rows = len(others) + 1
    length = 8 + 50 + 16 * rows
    at = len(data) + length
    base = 2 + 8
    entries = struct.pack("<IIIHH", 0x030000, at, 0, 0, 0)
    for kind, other in zip(kinds, others, strict=True):
        entries += struct.pack("<IIIHH", kind, len(other), at - base, 0, 0)
        at += len(other)
    content = b"MPF\0II*\0\x08\0\0\0" + struct.pack("<H", 3)
    content += struct.pack("<HHI4s", 0xB000, 7, 4, b"0100")
    content += struct.pack("<HHII", 0xB001, 4, 1, rows)
    content += struct.pack("<HHIII", 0xB002, 7, len(entries), 50, 0) + entries
    return data[:2] + segment(0xE2, content) + data[2:] + b"".join(others)


def pictures(data):
    """The pictures of a JPEG file as Pillow finds them by the file's index."""
    with Image.open(io.BytesIO(data)) as image:
        result = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            result.append(np.asarray(image))
        return result


def packet_of(data):
    with Image.open(io.BytesIO(data)) as image:
        return image.info.get("xmp", b"").decode()


@pytest.mark.parametrize("changes", [{}, {"turned": True}, {"cropped": True}])
def test_the_thumbnail_shows_the_picture(changes):
    new = pixels(Size(16, 30), seed=1)
    data, lost = carried(
        jpeg((0xE1, b"Exif\0\0" + FULL)), "JPEG", "JPEG", Size(16, 30), new, **changes
    )
    assert lost == []
    shown = rich.thumbnail_of(data)
    small = np.asarray(Image.fromarray(new).resize(shown.shape[1::-1], Image.Resampling.BOX))
    assert shown.shape[0] <= 12
    assert shown.shape[1] <= 20
    assert np.abs(small.astype(int) - shown).mean() < 20  # of 54 between unlike pictures


def test_a_thumbnail_without_room_is_dropped_with_its_bytes():
    tiny = THUMBNAIL[:150] + b"\xff\xd9"
    data, lost = carried(jpeg((0xE1, b"Exif\0\0" + exif(thumbnail=tiny))), "JPEG", "PNG")
    assert lost == ["thumbnail"]
    assert THUMBNAIL[:100] not in data
    assert "Zoë".encode() in data


def test_a_crop_leaves_no_preview_behind():
    note = THUMBNAIL.ljust(len(THUMBNAIL) + 7, b"n")
    tags = Image.Exif()
    tags.get_ifd(0x8769)[37500] = note
    source = jpeg((0xE1, tags.tobytes()))
    assert THUMBNAIL in carried(source, "JPEG", "JPEG")[0]
    data, lost = carried(source, "JPEG", "JPEG", cropped=True)
    assert lost == ["preview"]
    assert THUMBNAIL[20:200] not in data
    assert b"n" * 7 in data


def test_a_crop_leaves_no_preview_in_iptc():
    preview = b"\x1c\x02\xca\x00\x07preview"
    held = b"\x1c\x02Z\0\4Bonn" + preview
    resources = b"Photoshop 3.0\x008BIM\4\4\0\0" + struct.pack(">I", len(held)) + held
    source = jpeg((0xED, resources + bytes(len(held) % 2)))
    assert preview in carried(source, "JPEG", "JPEG")[0]
    data, lost = carried(source, "JPEG", "JPEG", cropped=True)
    assert lost == ["preview"]
    assert b"Bonn" in data
    assert b"preview" not in data


@pytest.mark.parametrize("target", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_sizes_and_orientation_are_those_of_the_picture(target):
    packet = rdf(
        "<exif:PixelXDimension>40</exif:PixelXDimension>",
        "xmlns:exif='http://ns.adobe.com/exif/1.0/' xmlns:tiff='http://ns.adobe.com/tiff/1.0/' "
        "tiff:ImageLength='24' tiff:Orientation='6'",
    )
    source = jpeg((0xE1, b"Exif\0\0" + exif()), app1(packet))
    data, lost = carried(source, "JPEG", target, Size(80, 48), turned=True)
    assert lost == []
    with Image.open(io.BytesIO(data)) as image:
        tags = image.getexif()
        inner = tags.get_ifd(0x8769)
        assert (tags.get(274), inner[40962], inner[40963]) == (1, 48, 80)
    for text in (b">48</exif:PixelXDimension>", b"tiff:ImageLength='80'", b"tiff:Orientation='1'"):
        assert text in data


def test_a_size_of_two_bytes_grows_where_it_must():
    tags = Image.Exif()
    tags.get_ifd(0x8769)[40962] = 40
    metadata = read_metadata(jpeg((0xE1, tags.tobytes())), "JPEG")
    data, _ = embed(encoded("PNG"), metadata, source="JPEG", target="PNG", size=Size(24, 70_000))
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif().get_ifd(0x8769)[40962] == 70_000


def test_a_video_is_gone_with_all_that_promises_it():
    camera = (
        "xmlns:G='http://ns.google.com/photos/1.0/camera/' G:MotionPhoto='1' G:MicroVideoOffset='5'"
    )
    inner = directory(("Primary", 0), ("MotionPhoto", len(VIDEO)))
    packet = rdf(
        f"<xmp:Rating>4</xmp:Rating>{inner}",
        f"{camera} {CONTAINER} xmlns:xmp='http://ns.adobe.com/xap/1.0/'",
    )
    data, lost = carried(jpeg(app1(packet)) + VIDEO, "JPEG", "JPEG")
    assert lost == ["motion video"]
    assert b"ftyp" not in data
    assert b"MotionPhoto" not in data
    assert b"MicroVideo" not in data
    assert ">4</xmp:Rating>" in packet_of(data)


@pytest.mark.parametrize("promise", ["base", "gain map", "ISO", "Apple"])
def test_a_gain_map_stays_beside_the_base(promise):
    packet = app1(rdf("", f"{HDRGM} hdrgm:Version='1.0'" if promise == "base" else ""))
    inside = {
        "gain map": segment(*app1(rdf("", f"{HDRGM} hdrgm:Version='1.0' hdrgm:GainMapMax='2'"))),
        "ISO": segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(40)),
        "Apple": segment(
            *app1(rdf("", "xmlns:H='http://ns.apple.com/HDRGainMap/1.0/' H:Version='1'"))
        ),
    }.get(promise, b"")
    gain_map = GAIN_MAP[:2] + inside + GAIN_MAP[2:]
    source = with_index(jpeg(packet, (0xE1, b"Exif\0\0" + exif())), gain_map)
    new = pixels(seed=2)
    data, lost = carried(source, "MPO", "JPEG", array=new)
    assert lost == []
    assert data.endswith(gain_map)
    base, shown = pictures(data)
    assert np.array_equal(base, np.asarray(Image.open(io.BytesIO(encoded("JPEG", new)))))
    assert shown.shape == (6, 10)
    assert ("hdrgm:Version" in packet_of(data)) == (promise == "base")
    # A picture that is larger by a whole factor has the same shape.
    assert len(pictures(carried(source, "MPO", "JPEG", Size(48, 80))[0])) == 2


@pytest.mark.parametrize(
    ("target", "size", "changes"),
    [
        ("JPEG", rich.SIZE, {"cropped": True}),
        ("JPEG", Size(40, 24), {"turned": True}),
        ("JPEG", Size(24, 80), {"side_by_side": True}),
        ("PNG", rich.SIZE, {}),
        ("JPEG", Size(24, 30), {}),
    ],
)
def test_a_gain_map_that_does_not_fit_is_gone_with_its_promise(target, size, changes):
    packet = rdf(
        directory(("Primary", 0), ("GainMap", 9)), f"{HDRGM} hdrgm:Version='1.0' {CONTAINER}"
    )
    source = with_index(jpeg(app1(packet)), GAIN_MAP)
    data, lost = carried(source, "MPO", target, size, **changes)
    assert lost == ["gain map"]
    assert len(pictures(data)) == 1
    for text in (b"MPF\0", b"hdr-gain-map/1.0/' hdrgm", b"GainMap"):
        assert text not in data


def test_a_video_behind_a_gain_map_leaves_the_gain_map():
    inner = directory(("Primary", 0), ("GainMap", len(GAIN_MAP)), ("MotionPhoto", len(VIDEO)))
    packet = rdf(inner, f"{HDRGM} hdrgm:Version='1.0' {CONTAINER}")
    source = with_index(jpeg(app1(packet)), GAIN_MAP) + VIDEO
    data, lost = carried(source, "MPO", "JPEG")
    assert lost == ["motion video"]
    assert data.endswith(GAIN_MAP)
    assert f"I:Length='{len(GAIN_MAP)}'" in packet_of(data)
    assert "MotionPhoto" not in packet_of(data)


def test_previews_in_the_index_are_gone():
    source = with_index(encoded("JPEG"), THUMBNAIL, kinds=(0x010001,))
    data, lost = carried(source, "MPO", "JPEG")
    assert lost == ["preview"]
    assert len(pictures(data)) == 1
    assert b"MPF\0" not in data


def test_segments_about_the_encoding_are_the_encoders():
    about = [(0xEE, b"Adobe\0\x64\0\0\0\0\0"), (0xE8, b"SPIFF\0" + bytes(24)), (0xEC, b"Ducky\0")]
    others = [(0xEE, b"ours"), (0xE7, b"a maker's own")]
    data, lost = carried(jpeg(*about, *others), "JPEG", "JPEG")
    assert lost == []
    assert [segment(*one) in data for one in [*about, *others]] == [False] * 3 + [True] * 2
    assert carried(jpeg(*about, *others), "JPEG", "PNG")[1] == ["APP14 segment", "APP7 segment"]


@pytest.mark.parametrize("start", [b"MPF\0II*\0", b"FPXR\0\0\0"])
def test_no_other_segment_becomes_a_profile(start):
    profile = b"ICC_PROFILE\0\1\1" + rich.PROFILE
    for segments, expected in (((), None), (((0xE2, profile),), rich.PROFILE)):
        source = jpeg(*segments, (0xE2, start + bytes(80)))
        for target in ("JPEG", "PNG", "WEBP", "TIFF"):
            with Image.open(io.BytesIO(carried(source, "JPEG", target)[0])) as image:
                assert image.info.get("icc_profile") == expected


def test_a_profile_in_several_segments_in_any_order():
    profile = rich.PROFILE + np.random.default_rng(0).bytes(150_000)
    pieces = [profile[at : at + 60_000] for at in range(0, len(profile), 60_000)]
    numbered = [
        (0xE2, b"ICC_PROFILE\0" + bytes([n, len(pieces)]) + piece)
        for n, piece in enumerate(pieces, 1)
    ]
    for segments in (numbered, numbered[::-1]):
        data, lost = carried(jpeg(*segments), "JPEG", "JPEG")
        assert lost == []
        assert Image.open(io.BytesIO(data)).info["icc_profile"] == profile
    data, lost = carried(jpeg(*numbered[1:]), "JPEG", "PNG")
    assert lost == ["colour profile"]
    assert "icc_profile" not in Image.open(io.BytesIO(data)).info


@pytest.mark.parametrize("target", ["JPEG", "PNG", "TIFF"])
def test_a_profile_lies_beside_the_colours_it_is_about(target):
    grey = rich.PROFILE[:16] + b"GRAY" + rich.PROFILE[20:]
    for profile, array in ((grey, pixels()[..., 0]), (rich.PROFILE, pixels())):
        metadata = Metadata(icc=profile)
        for picture in (pixels(), pixels()[..., 0]):
            data, lost = embed(
                encoded(target, picture), metadata, source="PNG", target=target, size=rich.SIZE
            )
            held = Image.open(io.BytesIO(data)).info.get("icc_profile")
            fits = picture.ndim == array.ndim
            assert (held, lost) == ((profile, []) if fits else (None, ["colour profile"]))


def test_a_png_keeps_its_chunks_byte_for_byte():
    chunks = [
        (b"gAMA", struct.pack(">I", 100_000)),
        (b"cICP", bytes([9, 16, 0, 1])),
        (b"sRGB", b"\0"),
        (b"mDCV", bytes(24)),
        (b"cLLI", bytes(8)),
        (b"tIME", bytes(7)),
        (b"tEXt", b"Title\0sunset"),
        (b"iTXt", "Description\0\0\0de\0\0写真".encode()),
        (b"zTXt", b"Author\0\0" + b"x\x9c\x03\0\0\0\0\1"),
        (b"prVt", b"private, safe to copy"),
        (b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
    ]
    late = [(b"tEXt", b"Software\0ours")]
    source = png(*chunks, (b"prVT", b"about the picture"), behind=late)
    data, lost = carried(source, "PNG", "PNG", cropped=True)
    assert lost == ["chunk prVT"]
    for one in [*chunks, *late]:
        assert data.count(chunk(*one)) == 1
    assert data.index(chunk(*late[0])) > data.index(b"IDAT")


@pytest.mark.parametrize(
    ("chunks", "lost"),
    [
        ([(b"gAMA", struct.pack(">I", 100_000))], ["gamma"]),
        ([(b"gAMA", struct.pack(">I", 45455)), (b"sRGB", b"\0")], []),
        ([(b"cICP", bytes([9, 16, 0, 1]))], ["colour space (cICP)"]),
        ([(b"tIME", bytes(7))], ["time of the last change"]),
        ([(b"caBX", bytes(7))], ["content credentials"]),
    ],
)
@pytest.mark.parametrize("target", ["JPEG", "WEBP", "TIFF", "BMP"])
def test_what_only_png_holds_is_named(chunks, lost, target):
    assert carried(png(*chunks), "PNG", target)[1] == lost


@pytest.mark.parametrize("target", ["AVIF", "HEIF"])
def test_primaries_and_transfer_travel_in_numbers(target):
    if target not in rich.SUFFIXES:
        pytest.skip("pillow-heif is not installed")
    source = png((b"cICP", bytes([9, 16, 0, 1])))
    data, lost = carried(source, "PNG", target)
    assert lost == []
    assert b"colrnclx" + struct.pack(">HH", 9, 16) in data
    again, lost = carried(data, target, target)
    assert lost == []
    assert b"colrnclx" + struct.pack(">HH", 9, 16) in again
    back, lost = carried(again, target, "PNG")
    assert lost == []
    assert chunk(b"cICP", bytes([9, 16, 0, 1])) in back
    assert carried(again, target, "JPEG")[1] == ["colour space (cICP)"]


def test_a_bmp_holds_a_resolution_and_the_rest_is_named_in_one_list():
    source = jpeg((0xE1, b"Exif\0\0" + exif()), app1(rdf("", "")), (0xFE, b"hello"))
    data, lost = carried(source, "JPEG", "BMP")
    assert lost == ["EXIF", "XMP", "comment"]
    assert round(Image.open(io.BytesIO(data)).info["dpi"][0]) == 300
    assert carried(encoded("JPEG"), "JPEG", "BMP")[1] == []


@pytest.mark.parametrize("target", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF"])
@pytest.mark.parametrize("text", ["plain", "© Zoë", "写真", "Комментарий", "a\n<b> & 'c'"])
def test_texts_survive_in_any_language(target, text):
    keywords = ("Title", "Comment", "parameters")
    source = png(*((b"iTXt", f"{word}\0\0\0\0\0{text} {word}".encode()) for word in keywords))
    data, lost = carried(source, "PNG", target)
    assert lost == []
    back, lost = carried(data, target, "PNG", array=pixels())
    assert lost == []
    held = read_metadata(back, "PNG")
    from xml.sax.saxutils import unescape

    shown = " ".join(
        [
            *(t.value for t in held.texts),
            unescape(held.xmp.decode()),
            held.exif.decode(errors="replace"),
        ]
    )
    for word in keywords:
        assert f"{text} {word}" in shown


@pytest.mark.parametrize("kind", ["exif", "APP1"])
def test_old_profiles_of_png_are_read(kind):
    held = b"Exif\0\0" + exif()
    raw = f"\n{kind}\n{len(held):8d}\n{held.hex()}\n".encode()
    source = png((b"tEXt", f"Raw profile type {kind}".encode() + b"\0" + raw))
    for target in ("PNG", "JPEG", "WEBP"):
        data, lost = carried(source, "PNG", target, turned=True)
        assert lost == []
        with Image.open(io.BytesIO(data)) as image:
            tags = image.getexif()
        assert (tags[271], tags[274]) == ("Canon", 1)
        assert b"Raw profile" not in data


def test_a_maker_note_far_behind_is_kept_and_its_offsets_are_named():
    behind = encoded("TIFF", np.zeros((200, 200, 3), np.uint8))
    tags = Image.Exif()
    for note, expected in ((b"Acme" * 9, ["offsets in the maker note"]), (b"Apple iOS" * 9, [])):
        tags.get_ifd(0x8769)[37500] = note
        carrier = carried(jpeg((0xE1, tags.tobytes())), "JPEG", "TIFF")[0]
        at = carrier.index(note)
        # The same file with its note behind many pixels.
        moved = bytearray(carrier + behind[8:])
        place = moved.index(struct.pack("<II", len(note), at)) + 4
        struct.pack_into("<I", moved, place, len(moved))
        data, lost = carried(bytes(moved + note), "TIFF", "JPEG")
        assert lost == expected
        assert note in data


def test_maps_move_only_with_their_pixels():
    place = tuple(float(n) for n in (0, 0, 0, 500_000, 4_649_000, 0))
    source = encoded("TIFF", tiffinfo={33922: place, 65000: 7})
    for changes, lost in (({}, []), ({"cropped": True}, ["map position"])):
        data, gone = carried(source, "TIFF", "TIFF", **changes)
        assert gone == lost
        with Image.open(io.BytesIO(data)) as image:
            assert image.tag_v2.get(33922) == (None if changes else place)
            assert image.tag_v2[65000] == 7
    assert carried(source, "TIFF", "PNG")[1] == ["GeoTIFF", "private TIFF tags"]


def test_latin_1_in_a_comment_is_the_same_text():
    for encoding in ("latin-1", "utf-8"):
        source = jpeg((0xFE, "Größe ©".encode(encoding)))
        with Image.open(io.BytesIO(carried(source, "JPEG", "PNG")[0])) as image:
            assert image.text["Comment"] == "Größe ©"
        assert "Größe ©".encode(encoding) in carried(source, "JPEG", "JPEG")[0]


def test_tiff_texts_keep_their_bytes():
    for encoding in ("latin-1", "utf-8"):
        text = "© 2024 Zoë".encode(encoding) + b"\0"
        source = encoded("TIFF", tiffinfo={33432: text, 270: b"Gr\xc3\xb6\xc3\x9fe\0"})
        for target in ("TIFF", "JPEG", "PNG", "WEBP"):
            data, lost = carried(source, "TIFF", target)
            assert lost == []
            assert text in data
            assert b"Gr\xc3\xb6\xc3\x9fe" in data
