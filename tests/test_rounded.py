"""Training with the rounding of int8: what is rounded, that gradients pass, and what it is for."""

import numpy as np
import pytest

pytest.importorskip("keras")

import lpie
from lpie.backend import keras
from lpie.models.rounded import Rounding, round_kernel, rounded
from lpie.restorer import forward
from tests.test_learner import learner, pools, settings, steps  # noqa: F401 (a fixture)


def tiny():
    keras.utils.set_random_seed(0)
    return lpie.build_model("lpienet_rt", widths=(8, 16), encoder_blocks=(1,), middle_blocks=1)


def test_an_output_lies_on_256_levels_that_hold_zero():
    x = np.random.default_rng(0).normal(0.3, 1, (2, 16, 16, 3)).astype(np.float32)
    found = keras.ops.convert_to_numpy(Rounding()(x))
    step = (x.max() - x.min()) / 255
    np.testing.assert_allclose(found / step, np.rint(found / step), atol=1e-3)
    assert np.abs(found - x).max() <= 0.501 * step
    assert 150 < len(np.unique(np.rint(found / step))) <= 256
    positive = np.abs(x)
    np.testing.assert_allclose(Rounding()(positive), positive, atol=0.51 * positive.max() / 255)
    np.testing.assert_array_equal(Rounding()(np.zeros((1, 2, 2, 3), np.float32)), 0)


def test_every_second_image_stays_as_it_is():
    x = np.random.default_rng(0).normal(0.3, 1, (3, 8, 8, 3)).astype(np.float32)
    found, all_rounded = (
        keras.ops.convert_to_numpy(Rounding(alternate=on)(x)) for on in (True, False)
    )
    np.testing.assert_array_equal(found[1], x[1])
    np.testing.assert_array_equal(found[::2], all_rounded[::2])
    assert not np.array_equal(found[0], x[0])


def test_a_kernel_has_255_levels_for_each_filter():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 8, 4)).astype(np.float32)
    kernel[..., 1] *= 100
    step = np.abs(kernel).max(axis=(0, 1, 2)) / 127
    found = keras.ops.convert_to_numpy(round_kernel(kernel))
    np.testing.assert_allclose(found / step, np.rint(kernel / step), atol=1e-3)


def test_a_copy_with_the_same_weights_rounds_and_learns():
    model = tiny()
    twin = rounded(model)
    for ours, theirs in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    x = np.random.default_rng(1).random((1, 16, 16, 3)).astype(np.float32)
    exact, found = (keras.ops.convert_to_numpy(each(x)) for each in (model, twin))
    assert 1e-4 < np.abs(exact - found).max() < 0.2
    roundings = [layer for layer in twin.layers if isinstance(layer, Rounding)]
    assert len(roundings) == len(model.layers) - 1  # all but the input


def test_gradients_pass_as_if_nothing_were_rounded():
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients by TensorFlow's tape")
    model = tiny()
    twin = rounded(model)
    x = np.random.default_rng(1).random((1, 16, 16, 3)).astype(np.float32)
    found = []
    for each in (model, twin):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(each(x, training=True))
        found.append(tape.gradient(loss, each.trainable_variables))
    for exact, passed in zip(*found, strict=True):
        assert passed is not None
        np.testing.assert_allclose(passed, exact, rtol=0.2, atol=0.2 * np.abs(exact).max())


def test_a_run_rounds_its_steps_and_keeps_an_exact_network(pools):  # noqa: F811
    exact, losses = steps(settings(), pools, 3)
    aware, near = steps(settings(train={"quantization_aware": True}), pools, 3)
    assert not np.array_equal(losses, near)
    np.testing.assert_allclose(losses, near, rtol=0.1)
    photo = np.random.default_rng(0).random((1, 32, 32, 3)).astype(np.float32)
    judged, plain = (
        forward(each, photo) for each in (aware.as_trained(aware.averaged()), aware.averaged())
    )
    assert np.abs(judged - plain).max() > 1e-4
    assert exact.as_trained(exact.averaged()) is exact.averaged()
    names = [type(layer).__name__ for layer in aware.averaged().layers]
    assert names == [type(layer).__name__ for layer in exact.averaged().layers]
