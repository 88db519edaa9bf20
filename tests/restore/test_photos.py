import numpy as np
import pytest
from PIL import Image

from lpie import Restorer
from lpie.errors import InputError
from lpie.image.metadata import Metadata
from lpie.image.photo import Header, Photo, read_photo
from lpie.restore.photos import Crop, restore_crop, restore_photo, side_by_side


@pytest.fixture(scope="module")
def restorer():
    return Restorer("denoise-s")


def photo_of(pixels):
    return Photo(pixels, Header(pixels.shape[1], pixels.shape[0], "PNG"), Metadata(icc=b"x"))


@pytest.fixture
def noisy(astronaut):
    noise = np.random.default_rng(0).normal(0, 25, (200, 260, 3))
    return np.clip(np.rint(astronaut[:200, :260] + noise), 0, 255).astype(np.uint8)


def test_colours_are_in_their_place(restorer, noisy):
    done = restore_photo(restorer, photo_of(noisy)).after
    np.testing.assert_array_equal(done.pixels, restorer.restore(noisy))
    assert done.metadata == Metadata(icc=b"x")


def test_alpha_is_untouched(restorer, noisy):
    alpha = np.random.default_rng(0).integers(0, 256, noisy.shape[:2], np.uint8)
    done = restore_photo(restorer, photo_of(np.dstack([noisy, alpha]))).after
    np.testing.assert_array_equal(done.pixels[..., 3], alpha)
    np.testing.assert_array_equal(done.pixels[..., :3], restorer.restore(noisy))


def test_grey_stays_grey(restorer, noisy):
    grey = noisy[..., 1].copy()
    done = restore_photo(restorer, photo_of(grey)).after.pixels
    assert done.shape == grey.shape
    expected = restorer.restore(np.dstack([grey] * 3)).mean(axis=2)
    assert np.abs(done - expected).max() <= 0.5
    both = restore_photo(restorer, photo_of(np.dstack([grey, grey]))).after.pixels
    np.testing.assert_array_equal(both, np.dstack([done, grey]))


@pytest.mark.parametrize("crop", [Crop(0, 0, 40, 30), Crop(91, 77, 60, 51), Crop(219, 179, 41, 21)])
def test_a_crop_is_that_of_the_whole(restorer, noisy, crop):
    whole = restore_photo(restorer, photo_of(noisy)).after.pixels
    before, after, _ = restore_crop(restorer, photo_of(noisy), crop)
    x, y, w, h = crop
    np.testing.assert_array_equal(before.pixels, noisy[y : y + h, x : x + w])
    assert np.abs(after.pixels.astype(int) - whole[y : y + h, x : x + w]).max() <= 1
    pair = side_by_side(before, after).pixels
    np.testing.assert_array_equal(pair, np.hstack([before.pixels, after.pixels]))


def test_a_crop_is_of_what_is_shown(restorer, noisy, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noisy).save(tmp_path / "a.png", exif=exif)
    before, *_ = restore_crop(restorer, read_photo(tmp_path / "a.png"), Crop(5, 9, 50, 40))
    np.testing.assert_array_equal(before.rgb(), np.rot90(noisy, -1)[9:49, 5:55])


@pytest.mark.parametrize("text", ["", "1,2", "1,2,3", "1,2,0x4", "-1,2,3x4", "1,2,3x4x5"])
def test_a_crop_that_is_none(text):
    with pytest.raises(InputError, match="`crop` must be X,Y,WIDTHxHEIGHT"):
        Crop.parse(text)


def test_a_crop_outside(restorer, noisy):
    assert Crop.parse("1,2,300x4") == (1, 2, 300, 4)
    with pytest.raises(InputError, match="which is 260x200"):
        restore_crop(restorer, photo_of(noisy), Crop(1, 2, 300, 4))
