"""A network that enlarges: exported, verified, restored and evaluated with, refused by the app."""

import keras
import numpy as np
import pytest

from lpie import Restorer, evaluate
from lpie.errors import InputError
from lpie.export import ExportRequest, export_tflite
from lpie.export.android_app import put_into_app
from lpie.export.verification.runtimes import CPU, compare_places
from lpie.image.image import write_image
from lpie.models.layers import PixelShuffle
from lpie.tflite.model import TfliteModel

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    x = PixelShuffle(2)(keras.layers.Conv2D(12, 3, padding="same")(x))
    larger = keras.layers.UpSampling2D(2, interpolation="bilinear")(image)
    return keras.Model(image, keras.layers.Add()([x, larger]))


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("x2") / "x2.tflite"
    spec = export_tflite(network, path, ExportRequest(sizes=("96x64", "64x64")))
    assert (spec.scale, spec.multiple, spec.verified["passed"]) == (2, 1, True)
    return path


def test_it_restores_as_its_network_does(network, exported):
    image = RNG.random((50, 70, 3), np.float32)
    file, own = Restorer(exported, tile_px=20, threads=1), Restorer(network)
    assert len(file.plan(50, 70).tiles()) > 4
    np.testing.assert_allclose(file.restore(image), own.restore(image), atol=1e-5)


def test_it_is_verified(network, exported):
    photos = [np.rint(RNG.random((64, 96, 3)) * 255).astype(np.uint8)]
    results, _ = compare_places(network, TfliteModel.read(exported), photos, CPU[:1])
    assert results[0].failure == ""
    assert results[0].residual_psnr_db > 80


def test_it_is_evaluated_with_larger_targets(network, tmp_path):
    for side, size in (("degraded", (20, 30)), ("target", (40, 60))):
        (tmp_path / side).mkdir()
        smooth = np.linspace(0, 200, size[1], dtype=np.uint8)[None, :, None]
        write_image(tmp_path / side / "a.png", np.tile(smooth, (size[0], 1, 3)))
    scores = evaluate(network, pairs=tmp_path)
    assert scores["degraded_psnr_db"] > 40  # the bicubic enlargement
    assert 5 < scores["psnr_db"] < scores["degraded_psnr_db"]
    with pytest.raises(InputError, match="enlarges 2 times, which needs real pairs"):
        evaluate(network, builtin=True)
    write_image(tmp_path / "target" / "a.png", np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(InputError, match=r"enlarges 2 times: the target must be 60x40"):
        evaluate(network, pairs=tmp_path)


def test_what_cannot_be_done_is_a_sentence(network, exported, tmp_path):
    with pytest.raises(InputError, match="recipe mixed is for networks"):
        export_tflite(
            network,
            tmp_path / "a.tflite",
            ExportRequest(recipe="mixed"),
            photos=[],
            ground_truth=[],
        )
    with pytest.raises(InputError, match=r"enlarges 2 times\. Restore with it on a computer"):
        put_into_app(exported, tmp_path)
