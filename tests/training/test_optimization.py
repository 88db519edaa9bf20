"""The optimizers of a run: their schedule, and what a step of Muon does to each kind of weight."""

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("keras")

from lpie.backend import keras
from lpie.training.optimizer import Muon, make_optimizer, orthogonalized
from tests.training.test_learner import settings

BIG, SMALL = (3, 3, 8, 16), (1, 1, 12, 4)


def optimizer(**train):
    return make_optimizer(settings(train={"warmup_steps": 0, **train}).train)


def test_the_cosine_counts_steps_not_parts():
    whole, parts = (
        make_optimizer(settings(train={"steps": 100, "warmup_steps": 10, "accumulate": k}).train)
        for k in (1, 4)
    )
    for step in (0, 5, 10, 55, 99):
        rates = []
        for optimizer, k in ((whole, 1), (parts, 4)):
            optimizer.build([])
            optimizer.variables[0].assign(step * k)  # its count of parts
            rates.append(float(optimizer.learning_rate))
        assert rates[0] == pytest.approx(rates[1])
    assert rates[0] < 1e-5


@pytest.mark.parametrize("shape", [(72, 16), (16, 72), (12, 12)])
def test_a_step_of_muon_has_singular_values_near_one_and_the_same_vectors(shape):
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=shape).astype(np.float32)
    found = keras.ops.convert_to_numpy(orthogonalized(matrix))
    u, _, v = np.linalg.svd(matrix.astype(float), full_matrices=False)
    in_basis = u.T @ found @ v.T
    diagonal = np.diag(in_basis)
    assert 0.6 < diagonal.min() < diagonal.max() < 1.25
    np.testing.assert_allclose(in_basis, np.diag(diagonal), atol=2e-3)


def weights_after_one_step(kind, gradients):
    variables = [keras.Variable(np.zeros_like(g)) for g in gradients]
    found = optimizer(optimizer=kind, learning_rate=1e-2, clip_norm=0.0)
    assert isinstance(found, Muon) == (kind == "muon")
    found.apply(gradients, variables)
    return [keras.ops.convert_to_numpy(v) for v in variables]


def test_muon_turns_kernels_and_leaves_the_rest_to_adam():
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=s).astype(np.float32) for s in (BIG, SMALL, (3, 3, 8, 1), (16,))]
    big, small, *rest = weights_after_one_step("muon", gradients)
    adam = weights_after_one_step("adam", gradients)
    for ours, theirs in zip(rest, adam[2:], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for found, shape in ((big, BIG), (small, SMALL)):
        step = found.reshape(-1, shape[-1])
        values = np.linalg.svd(step, compute_uv=False) / (1e-2 * 0.2 * max(step.shape) ** 0.5)
        assert 0.6 < values.min() < values.max() < 1.25
    # Of the size of Adam's first step, in which every weight moves by the learning rate.
    assert 0.1 < np.sqrt(np.mean(big**2)) / 1e-2 < 0.3


def test_a_zero_gradient_moves_nothing():
    for found in weights_after_one_step("muon", [np.zeros(BIG, np.float32)]):
        np.testing.assert_array_equal(found, 0)


ON_JAX = """
import numpy as np
from tests.training.test_optimization import BIG, weights_after_one_step
gradient = np.linspace(-1, 1, np.prod(BIG), dtype=np.float32).reshape(BIG) ** 3
np.save("{path}", weights_after_one_step("muon", [gradient])[0])
"""


def test_muon_is_the_same_on_jax(tmp_path):
    pytest.importorskip("jax")
    for backend in ("tensorflow", "jax"):
        subprocess.run(
            [sys.executable, "-c", ON_JAX.format(path=tmp_path / f"{backend}.npy")],
            check=True,
            env={**os.environ, "KERAS_BACKEND": backend},
        )
    ours, theirs = (np.load(tmp_path / f"{backend}.npy") for backend in ("tensorflow", "jax"))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
