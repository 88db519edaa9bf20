"""Kernels rounded together: on the converter's levels, and with less error than one by one."""

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import lpie
from lpie.backend import keras
from lpie.export.int8.gptq import preround, round_together
from lpie.image.image import to_float
from lpie.restore.keras_network import forward


def nearest(kernel):
    step = np.abs(kernel).max(axis=0) / 127
    return np.rint(kernel / step) * step


def test_levels_are_those_of_the_converter():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(50, 7)).astype(np.float32)
    x = rng.normal(size=(400, 4)) @ rng.normal(size=(4, 50))
    found = round_together(kernel, x.T @ x / len(x))
    step = np.abs(kernel).max(axis=0) / 127
    np.testing.assert_allclose(np.abs(found).max(axis=0) / 127, step, rtol=1e-6)
    np.testing.assert_allclose(found / step, np.rint(found / step), atol=1e-3)


def test_correlated_inputs_err_less_and_white_ones_as_much():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(50, 7)).astype(np.float32)
    alike = rng.normal(size=(400, 4)) @ rng.normal(size=(4, 50))
    white = rng.normal(size=(40_000, 50))
    for x, share in ((alike, 0.1), (white, 1.05)):
        found = round_together(kernel, x.T @ x / len(x))
        errors = [np.mean((x @ (kernel - each)) ** 2) for each in (found, nearest(kernel))]
        assert errors[0] < share * errors[1]


def test_the_bias_makes_up_for_clusters(astronaut):
    """All weights of a cluster err alike, so that their errors add up wherever inputs do."""
    image = keras.Input((None, None, 3))
    convolution = keras.layers.Conv2D(8, 5, padding="same")
    model = keras.Model(image, convolution(image))
    kernel = np.random.default_rng(0).choice([0.013, 0.102, -0.044, 0.3], (5, 5, 3, 8))
    convolution.set_weights([kernel, np.zeros(8)])
    tile = to_float(astronaut[:128, 100:228])
    rounded = preround(model, [tile])
    exact = forward(model, tile[None])
    bias = exact.mean(axis=(0, 1, 2)) - forward(rounded, tile[None]).mean(axis=(0, 1, 2))
    assert len(np.unique(rounded.layers[1].get_weights()[0])) <= 4
    to_nearest(model)
    alone = exact.mean(axis=(0, 1, 2)) - forward(model, tile[None]).mean(axis=(0, 1, 2))
    assert np.abs(bias).max() < 0.05 * np.abs(alone).max()


def to_nearest(model):
    """Every Conv2D's kernel on 255 levels for each filter, in place."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Conv2D):
            kernel = keras.ops.convert_to_numpy(layer.kernel)
            step = np.maximum(np.abs(kernel).max(axis=(0, 1, 2)) / 127, 1e-12)
            layer.kernel.assign(np.rint(kernel / step) * step)


@pytest.mark.parametrize("network", ["lpienet_rt", "lpienet", "nafnet"])
def test_a_network_on_real_photos(network, astronaut):
    keras.utils.set_random_seed(0)
    model = lpie.build_model(network, **SMALL[network])
    tiles = [to_float(astronaut[y : y + 128, 100:228]) for y in (0, 128, 256)]
    held_out = to_float(astronaut[300:428, 250:378])[None]
    exact = forward(model, held_out)
    rounded = preround(model, tiles)
    by_one = keras.models.clone_model(model)
    by_one.set_weights(model.get_weights())
    to_nearest(by_one)
    together = np.mean((forward(rounded, held_out) - exact) ** 2)
    assert 0 < together < 0.5 * np.mean((forward(by_one, held_out) - exact) ** 2)
    to_nearest(rounded)  # the converter finds the same levels again
    again = np.mean((forward(rounded, held_out) - exact) ** 2)
    assert again == pytest.approx(together, rel=0.05)


SMALL = {
    "lpienet_rt": {"widths": (8, 16), "encoder_blocks": (1,), "middle_blocks": 1},
    "lpienet": {"encoder_widths": (8, 12), "decoder_widths": (8,)},
    "nafnet": {"width": 8, "encoder_blocks": (1,), "middle_blocks": 1, "decoder_blocks": (1,)},
}
