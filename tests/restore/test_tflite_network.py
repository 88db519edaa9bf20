"""Tiles of `.tflite` files: exact, within their memory, on several interpreters."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from lpie import Restorer
from lpie.errors import InputError
from lpie.image.image import pad_reflect, to_float
from lpie.restore.tflite_network import TfliteNetwork
from lpie.restore.tile_policy import FAST_HALO_ERROR, Plan
from lpie.size import Size
from lpie.tflite.interpreter import Session
from lpie.tflite.model import TfliteModel
from lpie.weights import tflite_file

NAME = "denoise-s"  # halo 64, multiples of 8


@pytest.fixture(scope="module")
def photo(astronaut):
    """[2049, 1537, 3] uint8, noisy."""
    noise = np.random.default_rng(0).normal(0, 25, (2049, 1537, 3))
    return np.clip(np.rint(pad_reflect(astronaut, 2049, 1537) + noise), 0, 255).astype(np.uint8)


def whole(image, name=NAME):
    """The network's float output for all of `image`, in one run."""
    h, w, _ = image.shape
    size = (-(-h // 8) * 8, -(-w // 8) * 8)
    session = Session(
        TfliteModel.read(tflite_file(name)).resized(Size(*size)).to_bytes(), threads=2
    )
    return session.run(pad_reflect(to_float(image), *size))[:h, :w]


@pytest.mark.parametrize(
    ("size", "tile_px"),
    [
        ((1, 1), None),
        ((7, 3), None),
        ((136, 137), 136),
        ((301, 299), 200),
        ((1, 1537), 160),
        ((2049, 3), 160),
        ((90, 1500), 136),
        ((511, 640), 264),
        ((2049, 1537), None),
    ],
)
def test_tiles_are_what_the_whole_image_gives(photo, size, tile_px):
    image = photo[: size[0], : size[1]]
    restorer = Restorer(NAME, tile_px=tile_px, threads=2, max_memory_mb=120)
    restorer.prepare(plan := restorer.plan(*size))
    assert tile_px is None or len(plan.tiles()) > 1
    found, expected = restorer.restore(to_float(image), plan=plan), whole(image)
    assert np.abs(found - expected).max() <= 1e-6
    eight = restorer.restore(image).astype(int)
    assert np.abs(eight - np.clip(np.rint(expected * 255), 0, 255)).max() <= 1
    assert (eight != np.clip(np.rint(expected * 255), 0, 255)).mean() < 1e-4  # ties


@pytest.mark.parametrize("recipe", ["int8", "float32"])
def test_lpienet_too_and_in_integers(tiny_tflite, photos, recipe):
    image = photos[0][:255, :317]
    small = Restorer(tiny_tflite[recipe], tile_px=160).restore(image)
    large = Restorer(tiny_tflite[recipe], tile_px=320).restore(image)
    np.testing.assert_allclose(small.astype(int), large, atol=0 if recipe == "int8" else 1)


def test_workers_make_no_difference(photo):
    image = to_float(photo[:400, :500])
    restorer = Restorer(NAME)
    one, three = (
        restorer.restore(image, plan=Plan((400, 504), (264, 272), 64, 8, workers, 1))
        for workers in (1, 3)
    )
    np.testing.assert_array_equal(one, three)


def test_a_fast_halo_loses_less_than_it_says(photo):
    """LPIENet, of whose halo nothing but the last thousandths matter."""
    name = "denoise-lpienet"
    exact, fast = Restorer(name), Restorer(name, halo="fast")
    assert 0 < fast.halo_px < exact.halo_px == 68
    tiled = fast.restore(
        to_float(photo[:320, :320]), plan=Plan((320, 320), (120, 120), fast.halo_px, 4, 2, 1)
    )
    error = np.abs(tiled - whole(photo[:320, :320], name)).max()
    assert 1e-7 < error <= FAST_HALO_ERROR


def test_integers_keep_their_halo(tiny_tflite):
    restorer = Restorer(tiny_tflite["int8"], halo="fast")
    assert restorer.halo_px == Restorer(tiny_tflite["int8"]).halo_px
    with pytest.raises(InputError, match="Did you mean 'fast'"):
        Restorer(NAME, halo="fats")


def test_sixteen_bits_keep_theirs(photo):
    deep = photo[:100, :90].astype(np.uint16) * 257
    found = Restorer(NAME).restore(deep)
    expected = np.clip(np.rint(whole(photo[:100, :90]) * 65535), 0, 65535)
    assert found.dtype == np.uint16
    assert np.abs(found - expected).max() <= 1


def test_strength_is_a_share_of_the_change(photo):
    image = to_float(photo[:200, :210])
    restorer = Restorer(NAME, tile_px=136)
    full, half = restorer.restore(image), restorer.restore(image, strength=0.5)
    np.testing.assert_allclose(half, (image + full) / 2, atol=1e-6)
    np.testing.assert_array_equal(
        restorer.restore(photo[:200, :210], strength=0), photo[:200, :210]
    )
    with pytest.raises(InputError, match="`strength` must be from 0 to 1"):
        restorer.restore(image, strength=1.5)


def test_a_file_of_one_size_runs_on_all_threads(tmp_path):
    """A network that sees the whole image: photos larger than its file are blended tiles of it."""
    model = TfliteModel.read(tflite_file(NAME))
    spec = dataclasses.replace(model.spec, halo_px=None)
    editor = model.edit()
    editor.write_note(spec.to_json())
    (tmp_path / "a.tflite").write_bytes(editor.to_bytes())
    restorer = Restorer(tmp_path / "a.tflite", threads=3)
    small, large = restorer.plan(100, 256), restorer.plan(300, 500)
    assert (small.tile, small.threads, small.exact) == ((256, 256), 3, True)
    assert (large.tile, large.threads, large.exact, large.workers) == ((256, 256), 3, False, 1)
    with pytest.raises(InputError, match=r"`tile_px` cannot be chosen: .* images of 256x256 alone"):
        Restorer(tmp_path / "a.tflite", tile_px=128)


MEMORY = """
import sys, numpy as np, resource
from lpie import Restorer
from lpie.benchmarks.runners.run_tflite import peak_mb
import ai_edge_litert.interpreter, cv2
photo = np.full((1600, 2000, 3), 99, np.uint8)
photo[::3] = 60
Restorer("denoise-s").restore(photo[:64, :64])
before = peak_mb()
restorer = Restorer(sys.argv[1], threads=2, max_memory_mb=float(sys.argv[2]))
restorer.restore(photo)
print(peak_mb() - before)
"""


@pytest.mark.parametrize(
    ("model", "budget_mb"), [("denoise-lpienet", 250), (NAME, 60), (NAME, 150)]
)
def test_the_memory_is_what_was_allowed(model, budget_mb):
    command = [sys.executable, "-c", MEMORY, model, str(budget_mb)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(result.stdout.split()[-1]) <= budget_mb


def test_too_little_memory_is_one_sentence():
    with pytest.raises(InputError, match="`max_memory_mb` 10 is too small: the result takes 12 MB"):
        Restorer("denoise-lpienet", max_memory_mb=10).plan(2000, 2000)


@pytest.mark.parametrize("size", [(60, 80), (2000, 3000), (8, 5000)])
def test_the_memory_that_the_error_asks_for_is_enough(size):
    with pytest.raises(InputError, match="Use at least") as error:
        Restorer("denoise-lpienet", max_memory_mb=0.1).plan(*size)
    least_mb = int(str(error.value).split()[-1].rstrip("."))
    plan = Restorer("denoise-lpienet", max_memory_mb=least_mb).plan(*size)
    assert plan.estimated_mb + 3 * size[0] * size[1] / 1e6 <= least_mb


def test_a_batch_honours_every_argument(photo):
    """One image of two: the result in `out`, by the tiles of `plan`, with progress and strength."""
    restorer, batch, plan = (
        Restorer(NAME),
        photo[None, :200, :208],
        Plan((200, 208), (200, 136), 64, 8),
    )
    batch = np.concatenate([batch, batch[:, ::-1]])
    out, pixels = np.zeros_like(batch), []
    options = {"plan": plan, "strength": 0.5}
    result = restorer.restored(batch, out=out, progress=pixels.append, **options)
    assert result.pixels is out
    assert result.plan == plan
    assert len(pixels) == 2 * len(plan.tiles()) > 4
    assert sum(pixels) == 2 * 200 * 208
    np.testing.assert_array_equal(out, [restorer.restore(image, **options) for image in batch])
    assert np.abs(out.astype(int) - restorer.restore(batch, plan=plan)).max() > 3


def test_a_spec_that_is_not_the_files(tmp_path):
    file = shutil.copy(tflite_file(NAME), tmp_path / "a.tflite")
    spec = TfliteModel.read(file).spec
    beside = tmp_path / "a.spec.json"
    beside.write_text(dataclasses.replace(spec, sha256="0" * 64).to_json())
    with pytest.raises(InputError, match=r"a\.spec\.json describes another file"):
        TfliteNetwork(file, 1, "ai-edge-litert")
    beside.write_text(json.dumps(["no spec"]))
    with pytest.raises(InputError, match="is not a model spec"):
        TfliteNetwork(file, 1, "ai-edge-litert")


@pytest.mark.parametrize("change", [{"multiple": 0}, {"halo_px": -4}, {"halo_px": 3}])
def test_a_damaged_spec_inside(tmp_path, change):
    editor = TfliteModel.read(tflite_file(NAME)).edit()
    editor.write_note(dataclasses.replace(editor.view().spec, **change).to_json())
    (tmp_path / "a.tflite").write_bytes(editor.to_bytes())
    with pytest.raises(InputError, match="is damaged"):
        TfliteNetwork(tmp_path / "a.tflite", 1, "ai-edge-litert")
