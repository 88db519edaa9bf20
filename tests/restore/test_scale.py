"""Networks whose output is larger than their input, of other channels, or of any size."""

import dataclasses
import hashlib

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from lpie import Restorer
from lpie.cli.restore import restore as restore_command
from lpie.errors import InputError
from lpie.image.photo import read_photo
from lpie.models.layers import PixelShuffle
from lpie.restore.photos import Crop, restore_crop, restore_photo, side_by_side
from lpie.restore.stitching import enlarged, enlarged_part
from lpie.restore.tile_policy import Plan
from lpie.tflite.foreign.trust import remember_export
from lpie.tflite.interpreter import Session
from lpie.tflite.model import TfliteModel
from tests.conftest import SHARED
from tests.receptive_fields import FOLDER, LARGE, LOCAL, SMALL, path_of

RNG = np.random.default_rng(0)
IMAGE = RNG.random((LARGE, LARGE, 3), np.float32)
CASES = SHARED / "cases" / "tflite"


@pytest.fixture(scope="module", autouse=True)
def known(tmp_path_factory):
    """Our own files run in this process: that of foreign ones has tests of its own."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        for file in FOLDER.glob("*.tflite"):
            remember_export(hashlib.sha256(file.read_bytes()).hexdigest())
        yield


def whole(name, image=IMAGE):
    """The network's output for an image of `LARGE`, in one run."""
    return Session(path_of(name, LARGE).read_bytes(), threads=1).run(image)


@pytest.mark.parametrize("name", LOCAL)
def test_tiles_of_foreign_files_are_what_the_whole_image_gives(name):
    restorer = Restorer(path_of(name), threads=1)
    plan = restorer.plan(LARGE, LARGE)
    if restorer.plan(16, 16).size == (16, 16):  # it can be resized
        side = 2 * restorer.halo_px + restorer.multiple
        plan = dataclasses.replace(plan, tile=(side, side), workers=2, threads=1)
    assert plan.exact
    assert len(plan.tiles()) > 1
    result = restorer.restore(IMAGE, plan=plan)
    assert np.abs(result - whole(name)).max() < 1e-5


@pytest.mark.parametrize(("name", "scale"), [("x2", 2), ("x3", 3), ("x4", 4)])
@pytest.mark.parametrize("size", [(1, 1), (7, 50), (71, 60)])
def test_any_size_is_enlarged(name, scale, size):
    h, w = size
    restorer = Restorer(path_of(name), threads=1)
    assert restorer.scale == scale
    eight = np.rint(IMAGE[:h, :w] * 255).astype(np.uint8)
    small, large = (restorer.restore(eight, plan=p) for p in (None, restorer.plan(80, 80)))
    assert small.shape == (h * scale, w * scale, 3)
    assert small.dtype == np.uint8
    if min(size) > 2:  # else the continuation beyond the image's border counts
        inner = slice(0, -2 * scale)
        difference = small[inner, inner].astype(int) - large[inner, inner]
        assert np.abs(difference).max() <= 1
        assert (difference != 0).mean() < 1e-4  # ties, where TFLite's float steps of 1/3 differ


def test_a_batch_is_enlarged():
    batch, out = np.stack([IMAGE[:20, :24], IMAGE[20:40, :24]]), np.empty((2, 40, 48, 3), "f")
    restorer, pixels = Restorer(path_of("x2")), []
    assert restorer.restore(batch, out=out, progress=pixels.append) is out
    assert sum(pixels) == 2 * 20 * 24
    np.testing.assert_array_equal(out[1], restorer.restore(batch[1]))
    with pytest.raises(InputError, match=r"`out` must have the shape \(40, 48, 3\)"):
        restorer.restore(batch[0], out=np.empty((20, 24, 3), np.float32))


@pytest.mark.parametrize("tile_px", [None, 9])
def test_strength_is_a_share_of_what_is_added_to_the_bicubic(tile_px):
    image = IMAGE[:30, :40]
    restorer = Restorer(path_of("x2"), tile_px=tile_px, threads=1)
    cubic = enlarged(image, 2)
    full = restorer.restore(image)
    np.testing.assert_allclose(restorer.restore(image, strength=0), cubic, atol=1e-6)
    half = restorer.restore(image, strength=0.5)
    np.testing.assert_allclose(half, (full + cubic) / 2, atol=1e-6)


@pytest.mark.parametrize("origin", [(0, 0), (1, 7), (20, 30), (25, 0)])
def test_a_part_is_enlarged_as_the_whole_is(origin):
    image = IMAGE[:30, :40]
    part = enlarged_part(image, origin, (8, 16), 2)
    assert part.shape == (16, 32, 3)
    y, x = (2 * at for at in origin)
    expected = enlarged(image, 2)[y : y + 16, x : x + 32]
    h, w, _ = expected.shape
    np.testing.assert_allclose(part[:h, :w], expected, atol=1e-6)


def test_blended_tiles_are_enlarged():
    """A network that sees the whole image has seams without a step."""
    restorer = Restorer(Nearest(), tile_px=32)
    plan = restorer.plan(LARGE, LARGE)
    assert not plan.exact
    assert len(plan.tiles()) > 4
    result = restorer.restore(IMAGE, plan=plan)
    np.testing.assert_allclose(result, IMAGE.repeat(2, 0).repeat(2, 1), atol=1e-6)


class Nearest:
    """A network of one's own that repeats pixels, and says that it sees the whole image."""

    multiple, halo_px, fixed, scale = 1, None, None, 2

    def run(self, image):
        return image.repeat(2, 0).repeat(2, 1)


def test_the_larger_result_counts_for_the_memory():
    restorer = Restorer(path_of("x4"), max_memory_mb=10)
    with pytest.raises(InputError, match="the result takes 48 MB"):
        restorer.plan(1000, 1000)
    plan = Restorer(path_of("x4"), max_memory_mb=120).plan(1000, 1000)
    assert plan.estimated_mb + 48 <= 120


def test_a_file_of_one_size_keeps_to_the_memory():
    name = path_of("windows")
    needed = Restorer(name).plan(SMALL, SMALL).estimated_mb
    assert needed > 0
    with pytest.raises(InputError, match=r"`max_memory_mb` 0.01 is too small"):
        Restorer(name, max_memory_mb=0.01).plan(SMALL, SMALL)


def test_a_fast_halo_of_a_network_that_enlarges(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    restorer = Restorer(path_of("x2"), halo="fast")
    assert restorer.halo_px == Restorer(path_of("x2")).halo_px == 2  # all of it matters


@pytest.mark.parametrize(
    ("name", "scale", "multiple"),
    [
        ("open", 1, 1),
        ("open u-net", 1, 2),
        ("open x2", 2, 1),
        ("open mean", 1, 1),
        ("open gated u-net", 1, 2),
    ],
)
def test_a_file_of_any_size_runs_at_the_size_of_the_photo(name, scale, multiple):
    """Not pixel by pixel, as its stored size of 1x1 says."""
    model, image = TfliteModel.read(path_of(name)), IMAGE[:20, :30]
    expected = run_dynamic(model, image)
    restorer = Restorer(path_of(name), threads=1)
    result = restorer.restore(image)
    assert result.shape == (20 * scale, 30 * scale, 3)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert restorer.restore(image[:19, :29]).shape == (19 * scale, 29 * scale, 3)
    if restorer.halo_px is not None:
        plan = Plan((20, 30), (12, 12), restorer.halo_px, multiple)
        np.testing.assert_allclose(restorer.restore(image, plan=plan), expected, atol=1e-6)


def run_dynamic(model, image):
    """The output of a file of any size, by the interpreter's own way of resizing."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model.to_bytes())
    source = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(source, [1, *image.shape])
    interpreter.allocate_tensors()
    interpreter.set_tensor(source, image[None])
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]


def keras_networks():
    layers = keras.layers

    def shuffle(x):
        return PixelShuffle(2)(layers.Conv2D(12, 3, padding="same")(x))

    def up(x):
        x = layers.UpSampling2D(3, interpolation="bilinear")(x)
        return layers.Conv2D(3, 3, padding="same")(x)

    def transposed(x):
        x = layers.Conv2D(4, 3, strides=2, padding="same")(x)
        return layers.Conv2DTranspose(3, 4, strides=4, padding="same")(x)

    def functions(x):  # of keras.ops, without layers
        features = keras.ops.relu(layers.Conv2D(12, 5, padding="same")(x * 2.0 - 1.0))
        return keras.ops.clip(keras.ops.depth_to_space(features, 2) / 2.0, 0, 1)

    def usual(x):
        x = layers.Conv2D(8, 3, padding="same")(x)
        x = layers.PReLU(shared_axes=[1, 2])(layers.BatchNormalization()(x))
        return layers.Conv2DTranspose(3, 4, strides=2, padding="same")(x)

    return {
        "shuffle": (shuffle, 2),
        "up": (up, 3),
        "transposed": (transposed, 2),
        "functions": (functions, 2),
        "usual": (usual, 2),
    }


@pytest.mark.parametrize("name", ["shuffle", "up", "transposed", "functions", "usual"])
def test_tiles_of_keras_networks_that_enlarge_are_exact(name):
    function, scale = keras_networks()[name]
    source = keras.Input((None, None, 3))
    restorer = Restorer(keras.Model(source, function(source)), tile_px=24)
    assert restorer.scale == scale
    plan = restorer.plan(LARGE, LARGE)
    assert plan.exact
    assert len(plan.tiles()) > 4
    whole_plan = dataclasses.replace(plan, tile=(LARGE, LARGE))
    tiled, expected = (restorer.restore(IMAGE, plan=p) for p in (plan, whole_plan))
    assert expected.shape == (LARGE * scale, LARGE * scale, 3)
    np.testing.assert_allclose(tiled, expected, atol=1e-5)


def test_sequential_models_and_a_size_that_is_too_small_for_the_halo():
    layers = keras.layers
    ends = [layers.Conv2D(12, 9, padding="same"), layers.Conv2DTranspose(3, 2, strides=2)]
    restorer = Restorer(keras.Sequential([keras.Input((None, None, 3)), *ends]))
    assert (restorer.scale, restorer.halo_px) == (2, 5)
    fixed = Restorer(keras.Sequential([keras.Input((8, 8, 3)), *ends]))
    assert fixed.halo_px is None
    assert fixed.restore(IMAGE[:20, :30]).shape == (40, 60, 3)


def test_models_that_state_no_image_are_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(InputError, match="functional and sequential models of one image"):
        Restorer(Own())
    image = keras.Input((16, 16, 3))
    vector = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(image)))
    with pytest.raises(InputError, match=r"returns tensors of the shape \[None, 3\]"):
        Restorer(vector)


def test_keras_networks_of_one_size_and_of_other_channels():
    raw = keras.Input((16, 16, 4))
    isp = keras.Model(raw, PixelShuffle(2)(keras.layers.Conv2D(12, 3, padding="same")(raw)))
    restorer = Restorer(isp)
    assert (restorer.scale, restorer.channels, restorer.result_channels) == (2, 4, 3)
    mosaic = RNG.random((30, 40, 4), np.float32)
    assert restorer.restore(mosaic).shape == (60, 80, 3)
    with pytest.raises(InputError, match=r"`image` must be \[H, W, 4\]"):
        restorer.restore(IMAGE)
    with pytest.raises(InputError, match="`strength` must be 1 for a network from 4 to 3"):
        restorer.restore(mosaic, strength=0.5)
    smaller = keras.Model(raw, keras.layers.Conv2D(3, 3, strides=2, padding="same")(raw))
    with pytest.raises(InputError, match="returns an image of 8x8 for one of 16x16"):
        Restorer(smaller)


@pytest.fixture
def photo_file(tmp_path):
    from PIL import Image

    pixels = np.rint(RNG.random((30, 40, 4)) * 255).astype(np.uint8)
    Image.fromarray(pixels, "RGBA").save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_photo_is_enlarged_with_its_alpha(photo_file):
    photo, restorer = read_photo(photo_file), Restorer(path_of("x2"))
    result = restore_photo(restorer, photo)
    after = result.after.pixels
    assert after.shape == (60, 80, 4)
    cubic = enlarged(photo.pixels, 2).astype(int)
    assert np.abs(after[..., 3] - cubic[..., 3]).max() <= 1
    np.testing.assert_array_equal(after[..., :3], restorer.restore(photo.rgb()))
    both = side_by_side(result.before, result.after).pixels
    assert both.shape == (60, 160, 4)
    assert np.abs(both[:, :80] - cubic).max() <= 1


def test_a_crop_is_that_of_the_enlarged_photo(photo_file):
    photo, restorer = read_photo(photo_file), Restorer(path_of("x2"))
    expected = restore_photo(restorer, photo).after.pixels
    cropped = restore_crop(restorer, photo, Crop(11, 7, 9, 12))
    np.testing.assert_array_equal(cropped.after.pixels[..., :3], expected[14:38, 22:40, :3])
    assert cropped.before.pixels.shape == (12, 9, 4)


def test_lpie_restore_enlarges(photo_file, tmp_path):
    words = [path_of("x2"), photo_file, tmp_path / "out.png", "--compare"]
    result = CliRunner().invoke(restore_command, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    sizes = [read_photo(tmp_path / f"{n}.png").pixels.shape for n in ("out", "out_compare")]
    assert sizes == [(60, 80, 4), (60, 160, 4)]


@pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared/cases beside this clone")
@pytest.mark.parametrize("name", ["sr2", "dyn", "bare", "twograph"])
def test_small_cases(name):
    restorer = Restorer(CASES / f"{name}.tflite", threads=1)
    image = RNG.random((150, 170, 3), np.float32)
    plan = restorer.plan(150, 170)
    assert plan.exact
    if name == "dyn":
        expected = run_dynamic(TfliteModel.read(CASES / "dyn.tflite"), image)
        np.testing.assert_allclose(restorer.restore(image), expected, atol=1e-6)
    if name == "sr2":
        assert restorer.restore(image).shape == (300, 340, 3)
    if name in ("bare", "twograph"):
        assert restorer.halo_px is not None
