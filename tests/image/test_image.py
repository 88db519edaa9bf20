import cv2
import numpy as np
import pytest

from lpie.errors import InputError
from lpie.image.image import (
    EXTENSIONS,
    list_images,
    mosaic,
    pad_reflect,
    read_image,
    to_float,
    to_uint8,
    write_image,
)


@pytest.mark.parametrize("suffix", EXTENSIONS)
def test_round_trip(tmp_path, astronaut, suffix):
    if suffix in (".heic", ".heif", ".hif", ".avif", ".jxl"):
        pytest.importorskip("imagecodecs")
        pytest.importorskip("pillow_heif")
    path = tmp_path / f"photo{suffix}"
    write_image(path, astronaut)
    back = read_image(path)
    exact = suffix in (".png", ".tif", ".tiff", ".bmp")
    assert (
        np.array_equal(back, astronaut)
        if exact
        else np.abs(back - astronaut.astype(int)).mean() < (12 if suffix == ".gif" else 4)
    )
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # no temporary file stays


def test_exif_orientation_is_honoured(tmp_path, astronaut):
    """Orientation 6: the camera was turned, so the picture is shown turned clockwise."""
    plain = tmp_path / "plain.jpg"
    write_image(plain, astronaut[:200])
    data = plain.read_bytes()
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(data[:2] + segment + data[2:])
    np.testing.assert_array_equal(read_image(turned), np.rot90(read_image(plain), -1))


def test_grey_alpha_and_16_bit_become_rgb(tmp_path, astronaut):
    bgr = cv2.cvtColor(astronaut, cv2.COLOR_RGB2BGR)
    for name, image in {
        "grey.png": cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY),
        "alpha.png": cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA),
        "deep.png": bgr.astype(np.uint16) * 257,
    }.items():
        cv2.imwrite(str(tmp_path / name), image)
        back = read_image(tmp_path / name)
        assert back.shape == astronaut.shape
        assert back.dtype == np.uint8
    np.testing.assert_array_equal(read_image(tmp_path / "alpha.png"), astronaut)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
@pytest.mark.parametrize("kept", [0, 0.05, 0.5, 0.98])
def test_a_truncated_file_is_named(tmp_path, astronaut, suffix, kept):
    path = tmp_path / f"photo{suffix}"
    write_image(path, astronaut)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(InputError, match=f"photo{suffix} is not a readable image"):
        read_image(path)


def test_other_bad_files_are_named(tmp_path):
    (tmp_path / "text.jpg").write_text("not a photo")
    with pytest.raises(InputError, match=r"text\.jpg is not a readable image"):
        read_image(tmp_path / "text.jpg")
    with pytest.raises(InputError, match=r"gone\.png does not exist"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(InputError, match="is not an image"):
        read_image(tmp_path / "notes.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no image"):
        list_images(tmp_path / "empty")
    with pytest.raises(InputError, match="not a folder"):
        list_images(tmp_path / "gone")


def test_uint8_is_rounded_then_clipped():
    values = np.array([-0.2, 0, 0.499 / 255, 0.501 / 255, 254.6 / 255, 1.3])
    np.testing.assert_array_equal(to_uint8(values), [0, 0, 0, 1, 255, 255])
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_uint8(to_float(every)), every)


def test_padding_reflects_without_repeating_the_edge(astronaut):
    small = astronaut[:5, :7]
    np.testing.assert_array_equal(
        pad_reflect(small, 8, 12), np.pad(small, ((0, 3), (0, 5), (0, 0)), "reflect")
    )
    assert pad_reflect(astronaut[:1, :2], 64, 64).shape == (64, 64, 3)
    assert pad_reflect(small, 5, 7) is small


def test_mosaic_is_made_of_unscaled_photos(astronaut):
    picture = mosaic([astronaut], 1080, 1920)
    assert picture.shape == (1080, 1920, 3)
    np.testing.assert_array_equal(picture[:512, :512], astronaut)
    np.testing.assert_array_equal(picture[540 : 540 + 512, 960 : 960 + 512], astronaut)


def test_what_computers_leave_in_folders_is_no_image(tmp_path):
    for name in (
        "b.png",
        "a.JPG",
        "._a.JPG",
        ".x.12.part.png",
        "thumbs.db",
        "in/c.tif",
        "in/._c.tif",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "in")
    assert list_images(tmp_path) == [tmp_path / "a.JPG", tmp_path / "b.png"]
    assert list_images(tmp_path, inner=True) == [
        tmp_path / "a.JPG",
        tmp_path / "b.png",
        tmp_path / "in" / "c.tif",
    ]
