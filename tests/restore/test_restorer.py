import json

import numpy as np
import pytest

pytest.importorskip("keras")

import lpie
from lpie import Restorer
from lpie.backend import keras
from lpie.benchmarks.runners.run_tflite import peak_mb
from lpie.errors import InputError
from lpie.image.image import read_image, write_image
from lpie.restore.keras_network import forward
from tests.conftest import assert_one_sentence, run_lpie
from tests.forked import Forked


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (37, 50), (64, 64), (161, 163)])
def test_any_size_comes_back_as_it_was(tiny_run, astronaut, size):
    h, w = size
    photo = astronaut[:h, :w]
    out = Restorer(tiny_run).restore(photo)
    assert out.shape == photo.shape
    assert out.dtype == np.uint8
    assert Restorer(tiny_run).restore(photo.astype(np.float32) / 255).dtype == np.float32


def test_a_multiple_of_the_grid_is_the_network_itself(tiny_model, photos):
    x = photos[1][:64, :100].astype(np.float32) / 255
    expected = keras.ops.convert_to_numpy(tiny_model(x[None]))[0]
    np.testing.assert_array_equal(Restorer(tiny_model).restore(x), expected)


def test_tiles_equal_the_whole_image(tiny_model, photos):
    x = photos[0].astype(np.float32) / 255  # 256x320
    whole = Restorer(tiny_model).restore(x)
    tiled = Restorer(tiny_model, tile_px=160).restore(x)
    np.testing.assert_allclose(tiled, whole, atol=1e-6)


def test_a_tflite_of_any_size_restores_like_keras(tiny_model, tiny_tflite, photos):
    """The file is of 96x64; the photo is larger, odd, and cut into tiles."""
    photo = photos[1][:301, :299]
    expected = Restorer(tiny_model).restore(photo.astype(np.float32) / 255)
    found = Restorer(tiny_tflite["float32"], tile_px=160).restore(photo.astype(np.float32) / 255)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("tile", "words"), [(151, "multiple of 2"), (60, "at least 62")])
def test_a_tile_that_cannot_work_is_one_sentence(tiny_run, tile, words):
    with pytest.raises(InputError, match=words):
        Restorer(tiny_run, tile_px=tile)


LIMIT_MB = 60
NETWORKS = {
    "lpienet": {"encoder_widths": (8, 16), "decoder_widths": (8,)},
    "nafnet": {"width": 8, "encoder_blocks": (1, 1), "middle_blocks": 1, "decoder_blocks": (1, 1)},
}


def print_memory(name):
    """Peaks of a process of its own: of one tile alone, and of all tiles of a photo."""
    restorer = Restorer(lpie.build_model(name, **NETWORKS[name]), max_memory_mb=LIMIT_MB)
    photo = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    restorer.restore(photo[:64, :64])
    plan = restorer.plan(*photo.shape[:2])
    before = peak_mb()
    restorer.restored(photo[: plan.tile.height, : plan.tile.width])
    one_mb = peak_mb() - before
    restored = restorer.restored(photo)
    assert restored.plan == plan
    numbers = (plan.exact, len(plan.tiles()), plan.estimated_mb, one_mb, peak_mb() - before)
    print(*numbers)  # noqa: T201


@pytest.mark.parametrize(("name", "exact"), [("lpienet", "True"), ("nafnet", "False")])
def test_keras_models_keep_to_the_memory_too(name, exact):
    """The plan fits in the limit, and all tiles take little more than one does on this machine.

    Were a tile not freed, they would take as many times more as there are tiles.
    """
    result = Forked(print_memory, name).completed(timeout=800)
    assert result.returncode == 0, result.stderr
    was_exact, tiles, *numbers = result.stdout.split()[-5:]
    estimated_mb, one_mb, taken_mb = map(float, numbers)
    result_mb = 360 * 640 * 3 / 1e6
    assert was_exact == exact
    assert int(tiles) >= 4
    assert estimated_mb + result_mb <= LIMIT_MB
    assert one_mb <= 2 * estimated_mb  # kernels for other instruction sets take more or less
    assert taken_mb <= 2 * max(one_mb, estimated_mb / 2) + result_mb


def test_too_little_memory_for_a_keras_model_is_one_sentence(tiny_run):
    with pytest.raises(
        InputError, match=r"`max_memory_mb` 2 is too small: the result takes 0\.75 MB"
    ):
        Restorer(tiny_run, max_memory_mb=2).plan(500, 500)


def test_a_batch_is_its_images(tiny_run, photos):
    restorer, batch = Restorer(tiny_run), np.stack([photos[1][:50, :60], photos[2][:50, :60]])
    np.testing.assert_array_equal(restorer.restore(batch), [restorer.restore(x) for x in batch])


def test_not_an_image(tiny_run):
    with pytest.raises(InputError, match=r"\(8, 8\)"):
        Restorer(tiny_run).restore(np.zeros((8, 8), np.uint8))


def test_command_line_on_a_photo_and_a_folder(tiny_run, astronaut, tmp_path):
    photo = tmp_path / "in" / "photo.jpg"
    write_image(photo, astronaut[:90, :121])
    write_image(tmp_path / "in" / "other.webp", astronaut[:50, :50])
    before = photo.read_bytes()
    assert run_lpie("restore", tiny_run, photo).returncode == 0
    assert read_image(tmp_path / "in" / "photo_restored.jpg").shape == (90, 121, 3)
    result = run_lpie("restore", tiny_run, tmp_path / "in", tmp_path / "out", "--json")
    assert result.returncode == 0, result.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "photo.jpg",
        "photo_restored.jpg",
        "other.webp",
    }
    assert len(json.loads(result.stdout)["restored"]) == 3
    assert photo.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone.jpg"], "gone.jpg does not exist"),
        (
            ["a.png", "a.png"],
            "Input and output are the same file (a.png). "
            "Choose another output: lpie never overwrites",
        ),
        (["a.png", "a.svg"], "OUT must end in one of"),
        (["a.png", "b.png"], "b.png exists already"),
        (["broken.jpg"], "broken.jpg is not a readable image"),
        (["empty"], "empty holds no image"),
        (["a.png", "c.png", "--tile", "31"], "--tile must be a multiple of 2"),
    ],
)
def test_a_wrong_question_is_one_sentence(tiny_run, astronaut, tmp_path, arguments, words):
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, astronaut[:40, :40])
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (tmp_path / "empty").mkdir()
    files = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    assert_one_sentence(run_lpie("restore", tiny_run, *arguments, cwd=tmp_path), 2, words)
    assert files == {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lpienet", {"encoder_widths": (8, 12), "decoder_widths": (8,)}),
        (
            "nafnet",
            {"width": 8, "encoder_blocks": (1,), "middle_blocks": 1, "decoder_blocks": (1,)},
        ),
    ],
)
def test_a_network_runs_layer_by_layer(name, options):
    """Not one output is held longer than it is read; the result is the model's own."""
    model = lpie.build_model(name, **options)
    images = np.random.default_rng(0).random((2, 32, 48, 3), np.float32)
    whole = keras.ops.convert_to_numpy(model(images, training=False))
    np.testing.assert_array_equal(forward(model, images), whole)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 0.5,
        lambda x: 1 - x,
        lambda x: keras.ops.concatenate(keras.ops.split(x, 3, axis=-1)[::-1], axis=-1),
        lambda x: keras.layers.Add()([x, x * x]),
    ],
)
def test_a_model_of_other_operations(function):
    image = keras.Input((None, None, 3))
    model = keras.Model(image, function(image))
    images = np.random.default_rng(0).random((2, 32, 48, 3), np.float32)
    whole = keras.ops.convert_to_numpy(model(images, training=False))
    np.testing.assert_array_equal(forward(model, images), whole)


def test_a_model_that_is_no_graph_of_layers():
    class Darker(keras.Model):
        def call(self, x):
            return x / 2

    images = np.random.default_rng(0).random((2, 32, 48, 3), np.float32)
    np.testing.assert_array_equal(forward(Darker(), images), images / 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"threads": 2}, "`threads` is for"), ({"runtime": "tflite-runtime"}, "`runtime` is for")],
)
def test_options_of_a_tflite_are_refused_for_other_networks(options, words):
    class Identity:
        multiple, halo_px, fixed = 1, 0, None

        def run(self, image):
            return image

    with pytest.raises(InputError, match=words):
        Restorer(Identity(), **options)
