import json

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from lpie import ssim  # noqa: E402
from lpie.config.config import LossConfig  # noqa: E402
from lpie.training import losses  # noqa: E402

HALF_PSNR = LossConfig(ssim=0, l1=0, gradient=0, psnr=0.5)


def value(loss, a, b):
    return float(loss(np.asarray(a, np.float32), np.asarray(b, np.float32)))


def test_by_hand():
    a, b = np.full((2, 8, 8, 3), 0.5), np.full((2, 8, 8, 3), 0.4)
    assert value(losses.l1_loss, a, b) == pytest.approx(0.1, rel=1e-5)
    assert value(losses.mse_loss, a, b) == pytest.approx(0.01, rel=1e-5)
    assert value(losses.charbonnier_loss, a, b) == pytest.approx(np.hypot(0.1, 1e-3), rel=1e-5)
    assert value(losses.psnr_loss, a, b) == pytest.approx(-20, abs=1e-4)
    assert value(losses.psnr_loss, a, a) == pytest.approx(-80, abs=1e-4)


def test_gradient_loss_by_hand():
    """A ramp of 0.1 per pixel against flat: inside, neighbours differ by 0.2 along one axis."""
    ramp = np.broadcast_to(np.arange(6) * 0.1, (1, 6, 6))[..., None].repeat(3, -1)
    flat = np.zeros_like(ramp)
    magnitude = np.zeros((6, 6))
    padded = np.pad(ramp[0, ..., 0], 1)
    for y in range(6):
        for x in range(6):
            dy = padded[y + 2, x + 1] - padded[y, x + 1]
            dx = padded[y + 1, x + 2] - padded[y + 1, x]
            magnitude[y, x] = np.sqrt(dx**2 + dy**2 + 1e-6)
    assert magnitude[2, 2] == pytest.approx(0.2, abs=1e-5)
    assert value(losses.gradient_loss, ramp, flat) == pytest.approx(
        np.mean(magnitude - 1e-3), rel=1e-5
    )


def test_ssim_loss_is_one_minus_the_metric(photos, astronaut):
    target = astronaut[100:164, 100:180][None].astype(np.float32) / 255
    image = photos[0][:64, :80][None].astype(np.float32) / 255
    assert value(losses.ssim_loss, image, target) == pytest.approx(
        1 - ssim(image, target), abs=1e-5
    )
    assert value(losses.ssim_loss, target, target) == pytest.approx(0, abs=1e-5)


def test_gradients_are_finite_where_images_are_equal_or_flat():
    for image in (np.zeros((1, 16, 16, 3), np.float32), np.full((1, 16, 16, 3), 0.5, np.float32)):
        for name, loss in losses.LOSSES.items():
            x = tf.Variable(image)
            with tf.GradientTape() as tape:
                out = loss(x, tf.constant(image))
            assert np.isfinite(tape.gradient(out, x).numpy()).all(), name


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("charbonnier_eps1e3", losses.charbonnier_loss),
        ("charbonnier_eps1e6", lambda p, t: losses.charbonnier_loss(p, t, epsilon=1e-6)),
        ("psnr_w0p5", lambda p, t: losses.total_loss(HALF_PSNR, p, t)[0]),
        ("psnr", losses.psnr_loss),
        ("psnr_toY", losses.psnr_y_loss),
        ("nafft_fft", losses.fft_loss),
        ("l1", losses.l1_loss),
        ("mse", losses.mse_loss),
    ],
)
def test_equal_to_the_reference_with_gradients(vectors, name, loss):
    (case,) = [
        c
        for c in json.loads((vectors / "manifest.json").read_text())["cases"]
        if c.get("case") == "losses"
    ]
    with np.load(vectors / "losses.npz") as stored:
        for kind in ("pred_noise", "pred_small", "pred_mixed", "pred_equal"):
            x = tf.Variable(stored[kind])
            with tf.GradientTape() as tape:
                found = loss(x, tf.constant(stored["target"]))
            expected = case["values"][f"{name}/{kind}"]["float32"]
            assert float(found) == pytest.approx(expected, abs=1e-5, rel=1e-5)
            np.testing.assert_allclose(
                tape.gradient(found, x).numpy(), stored[f"grad/{name}/{kind}"], atol=1e-5, rtol=1e-4
            )


def test_total_is_the_weighted_sum_of_its_parts():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 1, 16, 16, 3), np.float32)
    config = LossConfig(ssim=0.5, l1=2.0, gradient=0.0)
    total, parts = losses.total_loss(config, a, b)
    assert set(parts) == {"ssim", "l1"}
    assert float(total) == pytest.approx(0.5 * float(parts["ssim"]) + 2 * float(parts["l1"]))
