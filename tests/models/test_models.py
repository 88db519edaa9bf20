import os
import subprocess
import sys

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import lpie  # noqa: E402
from lpie.errors import InputError  # noqa: E402
from lpie.models.graph.analysis import analyse  # noqa: E402
from lpie.models.layers import UpSampling2D  # noqa: E402
from tests import soak  # noqa: E402
from tests.conftest import released_state  # noqa: E402

# Of the released networks in ../shared/vectors.
TINY = {"encoder_widths": (8, 12, 16), "decoder_widths": (12, 8)}
VARIANTS = ("keras", "pytorch", "paper")


def random_model(**options):
    """A network whose every weight is random, zeros at the start included."""
    keras.utils.set_random_seed(0)
    model = lpie.build_model("lpienet", **{**TINY, **options})
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.normal(0, 0.05, w.shape) for w in model.get_weights()])
    return model


def run(model, x):
    return keras.ops.convert_to_numpy(model(x))


@pytest.mark.parametrize(("options", "count"), [({}, 133_652), (TINY, 17_468)])
@pytest.mark.parametrize("variant", ["keras", "pytorch"])
def test_parameter_counts(options, count, variant):
    assert lpie.build_model("lpienet", variant=variant, **options).count_params() == count


@pytest.mark.parametrize("variant", ["keras", "pytorch"])
def test_equal_to_the_released_network(vectors, variant):
    weights, arrays = released_state(vectors / f"lpienet_{variant}_small.npz")
    model = lpie.build_model("lpienet", variant=variant, **TINY)
    lpie.load_released_weights(model, weights)
    runs = [k.removeprefix("input") for k in arrays if k == "input" or k.startswith("input_")]
    for suffix in [s for s in runs if "nchw" not in s]:
        np.testing.assert_allclose(
            run(model, arrays[f"input{suffix}"]), arrays[f"output{suffix}"], atol=1e-5
        )


def test_the_two_releases_are_different_functions(vectors):
    weights, arrays = released_state(vectors / "lpienet_pytorch_small.npz")
    model = lpie.build_model("lpienet", variant="keras", **TINY)
    lpie.load_released_weights(model, weights)
    assert np.abs(run(model, arrays["input"]) - arrays["output"]).max() > 0.1


def test_released_weights_that_do_not_fit_are_named_and_change_nothing():
    model = random_model()
    before = model.get_weights()
    state = {}
    from lpie.models.released.released import _keras_entries

    for entry in _keras_entries({layer.name for layer in model.layers}):
        state[entry.name] = np.zeros(getattr(model.get_layer(entry.layer), entry.weight).shape)
    missing = {k: v for k, v in state.items() if k != "conv2d_7/bias"}
    with pytest.raises(InputError, match=r"conv2d_7/bias is missing"):
        lpie.load_released_weights(model, missing)
    with pytest.raises(InputError, match=r"conv2d_99/kernel is not known"):
        lpie.load_released_weights(model, {**state, "conv2d_99/kernel": np.zeros(1)})
    with pytest.raises(InputError, match=r"conv2d/kernel has shape \(3, 3, 3, 9\)"):
        lpie.load_released_weights(model, {**state, "conv2d/kernel": np.zeros((3, 3, 3, 9))})
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    lpie.load_released_weights(model, {f"{k}:0": v for k, v in state.items()})
    assert all((w == 0).all() for w in model.get_weights())


def test_the_paper_variant_is_the_papers_block():
    model = lpie.build_model("lpienet", variant="paper")
    names = [layer.name for layer in model.layers]
    assert sum("block" in n and n.endswith("depthwise") for n in names) == 10
    assert model.get_layer("encoder0_block1_act0").activation.__name__ == "relu"
    assert model.get_layer("tail_conv").kernel_size == (3, 3)
    assert analyse(model).halo_px is None  # it squeezes over the whole image


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("activation", ["elu", "relu", "leaky_relu"])
def test_any_size_that_is_a_multiple_of_four(variant, activation):
    model = random_model(variant=variant, activation=activation)
    x = np.random.default_rng(1).random((2, 20, 36, 3), np.float32)
    y = run(model, x)
    assert y.shape == x.shape
    assert y.dtype == np.float32
    assert np.isfinite(y).all()


@pytest.mark.soak
def test_save_load_and_clone_on_tensorflow_and_jax(tmp_path):
    """Of the variants, which differ in few layers, a run takes one to JAX."""
    pytest.importorskip("jax")
    on_jax = soak.some(VARIANTS, 1)
    x = np.random.default_rng(1).random((1, 16, 24, 3), np.float32)
    expected = {}
    for variant in VARIANTS:
        model = random_model(variant=variant, encoder_widths=(8, 12), decoder_widths=(8,))
        expected[variant] = run(model, x)
        model.save(tmp_path / f"{variant}.keras")
        loaded = keras.models.load_model(tmp_path / f"{variant}.keras")
        np.testing.assert_array_equal(run(loaded, x), expected[variant])
        clone = keras.models.clone_model(model)
        clone.set_weights(model.get_weights())
        np.testing.assert_array_equal(run(clone, x), expected[variant])
    np.save(tmp_path / "x.npy", x)
    subprocess.run(
        [sys.executable, "-c", ON_JAX, str(tmp_path), *on_jax],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        check=True,
        timeout=800,
    )
    for variant in on_jax:
        with np.load(tmp_path / f"{variant}.npz") as out:
            np.testing.assert_allclose(out["loaded"], expected[variant], atol=1e-5)


# Loads, saves, loads again and clones on JAX, in a process of its own: a backend is for life.
# Compiling takes longest: of the copies it is the configs and the weights that are compared.
ON_JAX = """
import sys
from pathlib import Path
import keras, numpy as np
from lpie.models.load import load_keras

assert keras.backend.backend() == "jax"
folder = Path(sys.argv[1])
x = np.load(folder / "x.npy")
for variant in sys.argv[2:]:
    loaded = load_keras(folder / f"{variant}.keras")
    loaded.save(folder / "again.keras")
    clone = keras.models.clone_model(loaded)
    clone.set_weights(loaded.get_weights())
    for copy in (load_keras(folder / "again.keras"), clone):
        assert copy.to_json() == loaded.to_json()
        for ours, theirs in zip(copy.get_weights(), loaded.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    np.savez(folder / f"{variant}.npz", loaded=loaded.predict(x, verbose=0))
"""


def test_analysis_counts_what_the_notebook_prints():
    found = analyse(lpie.build_model("lpienet"))
    assert found.parameters == 133_652
    # 310.46 GFLOPs at 3840x2160 in the released notebook include activations; convolutions alone:
    assert found.macs_per_pixel == 18_281
    assert found.multiple == 4


SMALL_PLAIN = {
    "width": 8,
    "encoder_blocks": (1, 1),
    "middle_blocks": 1,
    "decoder_blocks": (1, 1),
    "block": "plain",
}


@pytest.mark.parametrize(("name", "options"), [("lpienet", {}), ("nafnet", SMALL_PLAIN)])
def test_nothing_outside_the_halo_reaches_a_pixel(name, options):
    """A pixel beyond the halo changes nothing; one within three quarters of it changes the result
    of a network with weights large enough to carry so far."""
    keras.utils.set_random_seed(0)
    model = lpie.build_model(name, **options)
    found = analyse(model)
    halo, side = found.halo_px, 4 * found.halo_px
    x = np.random.default_rng(0).random((1, side, side, 3)).astype(np.float32)
    y = run(model, x)
    middle = side // 2
    spoiled = x.copy()
    spoiled[0, : middle - halo] = 9
    spoiled[0, :, : middle - halo] = 9
    spoiled[0, middle + halo + 1 :] = 9
    spoiled[0, :, middle + halo + 1 :] = 9
    np.testing.assert_array_equal(run(model, spoiled)[0, middle, middle], y[0, middle, middle])
    spoiled[0, : middle - halo // 4] = 9
    assert (run(model, spoiled)[0, middle, middle] != y[0, middle, middle]).any()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("lpinet", {}, "Did you mean 'lpienet'"),
        ("lpienet", {"widths": (8, 8)}, "encoder_widths"),
        ("lpienet", {"variant": "torch"}, "Valid: keras, paper, pytorch"),
        ("lpienet", {"activation": "gelu"}, "activation"),
        ("lpienet", {"decoder_widths": (8,)}, "one shorter"),
        ("lpienet", {"encoder_widths": (8, 0, 8)}, "positive"),
    ],
)
def test_a_wrong_name_or_option_is_one_sentence(name, options, words):
    with pytest.raises(InputError, match=words):
        lpie.build_model(name, **options)


def test_upsampling_in_a_graph_of_unknown_size():
    """Keras 3.15 fails there, so that training stopped at the second size of patches."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("a graph of unknown size is TensorFlow's")
    import tensorflow as tf

    x = np.random.default_rng(0).random((2, 6, 10, 3), np.float32)
    traced = tf.function(
        UpSampling2D(2, interpolation="bilinear"),
        input_signature=[tf.TensorSpec((None, None, None, 3))],
    )
    theirs = keras.layers.UpSampling2D(2, interpolation="bilinear")
    np.testing.assert_array_equal(traced(x), theirs(x))
