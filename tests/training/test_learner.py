"""What a step does with the options of a run; each on a network that trains in seconds."""

import numpy as np
import pytest

pytest.importorskip("keras")

from lpie.config.config import config_from, load_config
from lpie.data.batches import make_batch
from lpie.data.pools import load_pools
from lpie.errors import InputError, LpieError
from lpie.models.load import load_keras
from lpie.restore.keras_network import forward
from lpie.training.distribution import OneDevice
from lpie.training.learner import Learner
from lpie.training.run import read_log
from lpie.training.trainer import train
from tests.conftest import assert_one_sentence, run_lpie

SMALLEST = {"encoder_widths": [8, 8], "decoder_widths": [8]}
LPIENET = {"name": "lpienet", "hyperparameters": SMALLEST}


def settings(**sections):
    """A config of the smallest network, which traces fastest, with `sections` on top."""
    smallest = {"widths": [8, 8], "encoder_blocks": [1], "middle_blocks": 1}
    table = {
        "model": {"name": "lpienet_rt", "hyperparameters": smallest},
        "data": {"patch_px": 32},
        "train": {
            "steps": 6,
            "batch_size": 4,
            "warmup_steps": 0,
            "learning_rate": 1e-3,
            "log_every": 1,
            "validate_every": 3,
            "ema_momentum": 0.5,
        },
    }
    for name, values in sections.items():
        table[name] = {**table.get(name, {}), **values}
    return config_from(table)


@pytest.fixture(scope="module")
def pools():
    return load_pools(settings())[0]


def learner(config, pools):
    found = Learner(config, OneDevice())
    found.start(make_batch(pools, config, 0)[0])
    return found


def steps(config, pools, count=2):
    """The learner after `count` steps, and its losses."""
    found = learner(config, pools)
    return found, [found.step(*make_batch(pools, config, i)) for i in range(count)]


def largest_difference(a, b):
    ours, theirs = a.arrays(), b.arrays()
    shared = [k for k in ours if k in theirs and ours[k].shape == theirs[k].shape]
    return max(float(np.abs(ours[k].astype(float) - theirs[k]).max()) for k in shared)


def weights(found):
    return np.concatenate([w.ravel() for w in found.averaged().get_weights()])


def test_a_batch_in_parts_gives_the_gradient_of_the_whole(pools):
    whole, losses = steps(settings(train={"learning_rate": 1e-4}), pools)
    parts, same = steps(settings(train={"learning_rate": 1e-4, "accumulate": 2}), pools)
    np.testing.assert_allclose(losses, same, rtol=1e-5)
    np.testing.assert_allclose(weights(whole), weights(parts), atol=1e-5)
    other, _ = steps(settings(train={"learning_rate": 1e-4, "seed": 1}), pools)
    assert np.abs(weights(whole) - weights(other)).max() > 1e-3


def test_the_average_is_exponential_and_leaves_the_weights_alone(pools):
    config = settings(train={"ema_momentum": 0.5})
    found = learner(config, pools)
    seen = []
    for i in range(3):
        found.step(*make_batch(pools, config, i))
        seen.append(found.arrays()["v0000"].astype(float))
    expected = seen[0]  # it starts with the first step
    for weight in seen[1:]:
        expected = 0.5 * expected + 0.5 * weight
    got = found.averaged().get_weights()[0]
    np.testing.assert_allclose(got, expected, atol=1e-6)
    np.testing.assert_array_equal(found.arrays()["v0000"], seen[-1].astype(np.float32))


def test_bfloat16_computes_in_bfloat16_and_keeps_float32(pools):
    exact, losses = steps(settings(), pools, 3)
    half, near = steps(settings(train={"precision": "bfloat16"}), pools, 3)
    assert not np.array_equal(losses, near)
    np.testing.assert_allclose(losses, near, rtol=0.02)
    model = half.averaged()
    assert {str(w.dtype) for w in model.weights} == {"float32"}
    assert model.compute_dtype == exact.averaged().compute_dtype == "float32"


def test_a_student_is_drawn_to_its_teacher(pools, tmp_path):
    teacher = learner(settings(train={"seed": 7}), pools).averaged()
    teacher.save(tmp_path / "teacher.keras")
    train_on = {"teacher": str(tmp_path / "teacher.keras"), "learning_rate": 3e-3}
    only = {"ssim": 0.0, "l1": 0.0, "gradient": 0.0, "distillation": 1.0}
    config = settings(train=train_on, loss=only)
    degraded, target = make_batch(pools, config, 0)
    before = learner(config, pools).loss_parts(degraded, target)
    found, _ = steps(config, pools, 16)
    after = found.loss_parts(degraded, target)
    assert set(after) == {"distillation"}
    assert after["distillation"] < 0.9 * before["distillation"]
    away = np.abs(forward(load_keras(tmp_path / "teacher.keras"), degraded) - degraded).mean()
    assert away > 1e-4  # the teacher is no identity


def test_fine_tuning_starts_from_the_given_weights(pools, tmp_path):
    given = learner(settings(model=LPIENET, train={"seed": 3}), pools).averaged()
    given.save(tmp_path / "given.keras")
    start = {"initial_weights": str(tmp_path / "given.keras")}
    relu = {**LPIENET, "hyperparameters": {**SMALLEST, "activation": "relu"}}
    found = learner(settings(train=start, model=relu), pools)
    for ours, theirs in zip(found.averaged().get_weights(), given.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    wider = {**LPIENET, "hyperparameters": {**SMALLEST, "encoder_widths": [8, 12]}}
    with pytest.raises(InputError, match=r"given\.keras is another network than the config's"):
        learner(settings(train=start, model=wider), pools)


def test_fine_tuning_with_do_conv_starts_from_plain_weights(pools, tmp_path):
    given = learner(settings(model=LPIENET), pools).averaged()
    given.save(tmp_path / "given.keras")
    start = {"initial_weights": str(tmp_path / "given.keras")}
    over = {**LPIENET, "hyperparameters": {**SMALLEST, "overparameterized": True}}
    found = learner(settings(train=start, model=over), pools).averaged()
    assert found.count_params() > given.count_params()
    image = np.random.default_rng(0).random((1, 16, 16, 3), np.float32)
    np.testing.assert_allclose(forward(found, image), forward(given, image), atol=1e-5)


def test_the_start_is_balanced_and_near_the_identity(pools):
    from lpie.backend import keras

    config = settings(train={"start": "balanced"}, model=LPIENET)
    degraded, _ = make_batch(pools, config, 0)
    model = learner(config, pools).averaged()
    change = np.abs(forward(model, degraded) - degraded)
    assert 0 < change.mean() < 0.1
    layer = model.get_layer("encoder0_block1_conv1")
    out = keras.ops.convert_to_numpy(keras.Model(model.input, layer.output)(degraded))
    np.testing.assert_allclose(out.mean((0, 1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(out.std((0, 1, 2)), 1, atol=1e-2)


def test_branches_start_small(pools):
    from lpie.backend import keras

    config = settings(train={"start": "balanced"})
    degraded, _ = make_batch(pools, config, 0)
    model = learner(config, pools).averaged()
    for layer in model.layers:
        if layer.name.endswith("_project"):
            out = keras.ops.convert_to_numpy(keras.Model(model.input, layer.output)(degraded))
            np.testing.assert_allclose(out.std((0, 1, 2)), 0.1, rtol=1e-2)


def test_patience_ends_a_run_that_no_longer_improves(tmp_path):
    config = settings(
        train={
            "steps": 60,
            "learning_rate": 1e-9,
            "final_learning_rate": 1e-9,
            "patience": 2,
            "validate_every": 2,
            "ema_momentum": 0.0,
        }
    )
    result = train(config, tmp_path / "run", progress=False)
    assert result["ended"]
    assert result["steps"] < 60
    again = train(config, tmp_path / "run", progress=False)
    assert again["steps"] == result["steps"]
    assert read_log(tmp_path / "run")[-1]["step"] == result["steps"]


def test_a_loss_that_is_not_finite_names_its_batch(tmp_path):
    config = settings(train={"learning_rate": 1e3, "clip_norm": 0.0, "validate_every": 60})
    with pytest.raises(LpieError, match=r"not finite at batch \d \(from .*(astronaut|coffee)"):
        train(config, tmp_path / "run", progress=False)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    config = settings(train={"steps": 1})
    train(config, tmp_path / "a", progress=False)
    widths = {"widths": [8, 16], "encoder_blocks": [1], "middle_blocks": 1}
    wider = settings(train={"steps": 1}, model={"hyperparameters": widths})
    train(wider, tmp_path / "b", progress=False)
    (tmp_path / "a" / "checkpoint.npz").replace(tmp_path / "b" / "checkpoint.npz")
    with pytest.raises(InputError, match="checkpoint is that of another network"):
        train(wider, tmp_path / "b", progress=False)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.accumulate=3", "a multiple of train.accumulate = 3"),
        (
            "train.progressive=[[10, 48, 4], [5, 64, 4]]",
            "train.progressive must be sorted by first step",
        ),
        ("train.progressive=[[10, 48]]", "must be 3 numbers"),
        ("train.teacher=denoise", "above 0 exactly when train.teacher is set"),
        ("data.real_share=0.5", "above 0 exactly when data.real_pairs is set"),
        ("train.initial_weights=nothing", "nothing does not exist. Unknown pretrained network"),
        ("train.precision=float8", "Unknown train.precision 'float8'"),
    ],
)
def test_a_wrong_option_is_one_sentence(tiny_config, tmp_path, override, words):
    result = run_lpie("train", tiny_config, "--workdir", tmp_path / "r", "--set", override)
    assert_one_sentence(result, 2, words)
    assert load_config(tiny_config).train.steps == 30
