"""NAFNet, Baseline, PlainNet, NAFFT-Net and MIRNet against what the released code computes."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import lpie  # noqa: E402
from lpie.errors import InputError  # noqa: E402
from lpie.models.do_conv import DOConv2D, overparameterize  # noqa: E402
from lpie.models.graph.analysis import analyse  # noqa: E402
from lpie.models.graph.initialization import balance  # noqa: E402
from lpie.models.layers import LocalAveragePooling2D  # noqa: E402
from lpie.models.load import load_keras  # noqa: E402
from lpie.models.nafftnet import _fft_block  # noqa: E402
from lpie.restore.keras_network import forward  # noqa: E402
from lpie.restore.restorer import Restorer  # noqa: E402
from tests import soak  # noqa: E402
from tests.conftest import ROOT, released_state  # noqa: E402

ONES = {"encoder_blocks": (1, 1, 1, 1), "middle_blocks": 1, "decoder_blocks": (1, 1, 1, 1)}
DEEP = {**ONES, "encoder_blocks": (1, 1, 1, 28)}
W8 = {**ONES, "encoder_blocks": (1, 1, 1, 2), "width": 8}
TINY = {"encoder_blocks": (1, 1), "middle_blocks": 1, "decoder_blocks": (1, 1), "width": 4}
# Of a level less: what the variants differ in is in their blocks.
SMALLER = {"encoder_blocks": (1,), "middle_blocks": 1, "decoder_blocks": (1,), "width": 4}
RELEASED = {
    "nafnet_w8": ("nafnet", W8),
    "baseline_w8": ("nafnet", {**W8, "block": "baseline"}),
    "nafft_with_fftblock_w8": ("nafftnet", {**W8, "faithful": True}),
    "mirnet_f16_r1_m1": ("mirnet", {"features": 16, "groups": 1, "blocks": 1}),
}
SMALL = {
    "nafnet": ("nafnet", TINY),
    "baseline": ("nafnet", {**SMALLER, "block": "baseline"}),
    "plain": ("nafnet", {**SMALLER, "block": "plain"}),
    "swiglu": ("nafnet", {**SMALLER, "gate": "swiglu"}),
    "tlc": ("nafnet", {**SMALLER, "train_size": 16}),
    "nafftnet": ("nafftnet", SMALLER),
    "nafftnet-do-conv": ("nafftnet", {**SMALLER, "do_conv": True}),
    "nafftnet-faithful": ("nafftnet", {**SMALLER, "do_conv": True, "faithful": True}),
    "mirnet": ("mirnet", {"features": 8, "groups": 1, "blocks": 1}),
}


def random_model(name, options):
    """Every weight random, also those that start at zero."""
    keras.utils.set_random_seed(0)
    model = lpie.build_model(name, **options)
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.normal(0, 0.1, w.shape) for w in model.get_weights()])
    return model


def photo(*shape):
    return np.random.default_rng(1).random(shape, np.float32)


def run(model, x):
    return keras.ops.convert_to_numpy(model(x))


@pytest.mark.parametrize("case", RELEASED)
def test_equal_to_the_released_network(vectors, case):
    weights, arrays = released_state(vectors / f"{case}.npz")
    name, options = RELEASED[case]
    model = lpie.build_model(name, **options)
    lpie.load_released_weights(model, weights)
    for key in [k for k in arrays if k.startswith("input") and "nchw" not in k]:
        found = forward(model, arrays[key])
        np.testing.assert_allclose(found, arrays[key.replace("in", "out")], atol=1e-5)


@pytest.mark.parametrize("window", ["7x9", "6x8", "20x9", "25x9", "7x40", "25x40", "19x29", "1x1"])
def test_local_pooling_is_that_of_tlc(vectors, window):
    arrays = np.load(vectors / "unit_tlc_pool.npz")
    layer = LocalAveragePooling2D(tuple(map(int, window.split("x"))))
    found, expected = run(layer, arrays["input"]), arrays[f"output_k{window}"]
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=2e-5)
    # In a graph, sizes are known only when it runs.
    image = keras.Input((None, None, 4))
    np.testing.assert_allclose(
        forward(keras.Model(image, layer(image)), arrays["input"]), found, atol=1e-6
    )


@pytest.mark.parametrize(("kind", "groups"), [("dense", 1), ("depthwise", 8)])
def test_overparameterized_convolution(vectors, kind, groups):
    arrays = np.load(vectors / f"unit_doconv_3x3_{kind}.npz")
    layer = DOConv2D(arrays["output"].shape[-1], 3, groups=groups)
    layer.build(arrays["input"].shape)
    for ours, theirs in (("w", "W"), ("d", "D"), ("d_identity", "D_diag"), ("bias", "bias")):
        getattr(layer, ours).assign(arrays[f"w/{theirs}"])
    np.testing.assert_allclose(run(layer, arrays["input"]), arrays["output"], atol=1e-5)
    kernel = keras.ops.convert_to_numpy(layer.kernel()).transpose(3, 2, 0, 1)
    np.testing.assert_allclose(kernel, arrays["folded_kernel_oihw"], atol=1e-6)


@pytest.mark.parametrize(("kind", "shifted"), [("conv", False), ("doconv", True)])
def test_fourier_block(vectors, kind, shifted):
    arrays = np.load(vectors / f"unit_fftblock_{kind}_c8.npz")
    image = keras.Input((None, None, 8))
    model = keras.Model(image, _fft_block(image, "block", shifted=shifted))
    for i in (0, 2):
        layer, name = model.get_layer(f"block.main_fft.{i}"), f"w/main_fft.{i}"
        if shifted:
            layer.w.assign(arrays[f"{name}.W"].reshape(layer.w.shape))
        else:
            layer.kernel.assign(arrays[f"{name}.weight"].transpose(2, 3, 1, 0))
            layer.bias.assign(arrays[f"{name}.bias"])
    np.testing.assert_allclose(forward(model, arrays["input"]), arrays["output"], atol=1e-5)


# Of the deep ones a run builds some: they only repeat the blocks of the others.
DEEP_COUNTS = [
    ("nafnet", {}, 29_159_715),
    ("nafnet", DEEP, 17_111_907),
    ("nafnet", {**DEEP, "width": 64}, 67_888_835),
    ("nafnet", {"width": 64}, 115_982_915),
    ("nafnet", {"block": "baseline"}, 29_056_227),
    ("nafnet", {**DEEP, "block": "baseline"}, 17_023_875),
    ("nafftnet", {"faithful": True, "fft_block": False}, 28_119_907),
    ("nafftnet", {"faithful": True}, 28_818_147),
    ("nafftnet", {"faithful": True, "do_conv": True}, 31_532_643),
    ("nafftnet", {"faithful": True, "do_conv": True, "encoder_blocks": (1, 1, 1, 13)}, 18_365_283),
    ("mirnet", {}, 31_787_419),
    ("mirnet", {"features": 16}, 1_989_115),
]


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (ONES, 4_497_507),
        ({**ONES, "skip_init": False}, 4_494_563),
        ({**ONES, "width": 64}, 17_887_427),
        ({**ONES, "width": 16}, 1_137_203),
    ],
)
def test_parameter_counts(options, count):
    assert lpie.build_model("nafnet", **options).count_params() == count


@pytest.mark.soak
@pytest.mark.parametrize(("name", "options", "count"), soak.some(DEEP_COUNTS, 2))
def test_parameter_counts_of_deep_networks(name, options, count):
    assert lpie.build_model(name, **options).count_params() == count


def test_multiply_adds_of_nafnet():
    # 16.06 G at 256x256 in the paper, which counts more than convolutions.
    options = {**DEEP, "width": 32}
    assert analyse(lpie.build_model("nafnet", **options)).macs_per_pixel * 256**2 == pytest.approx(
        16.06e9, rel=0.01
    )


@pytest.mark.parametrize("case", SMALL)
def test_any_size_alone_and_in_a_graph(case):
    name, options = SMALL[case]
    model = random_model(name, options)
    for size in [(12, 20), (4, 4)] if name == "mirnet" else [(13, 22), (1, 1)]:
        x = photo(2, *size, 3)
        y = run(model, x)
        assert y.shape == x.shape
        near = {"rtol": 1e-4, "atol": 2e-5}
        np.testing.assert_allclose(model.predict(x, verbose=0), y, **near)
        np.testing.assert_allclose(run(model, x[1:]), y[1:], **near)


@pytest.mark.parametrize("case", SMALL)
def test_saved_and_loaded(case, tmp_path):
    model = random_model(*SMALL[case])
    model.save(tmp_path / "model.keras")
    x = photo(1, 16, 24, 3)
    np.testing.assert_array_equal(run(load_keras(tmp_path / "model.keras"), x), run(model, x))


def test_local_pooling_has_the_same_weights_and_is_global_on_small_images():
    whole = random_model("nafnet", TINY)
    local = lpie.build_model("nafnet", **TINY, train_size=32)
    local.set_weights(whole.get_weights())
    small, large = photo(1, 32, 32, 3), photo(1, 64, 96, 3)
    large[:, :, 48:] *= 0.1
    np.testing.assert_allclose(run(local, small), run(whole, small), atol=1e-5)
    assert np.abs(run(local, large) - run(whole, large)).max() > 1e-3


def test_windows_of_local_pooling_are_one_and_a_half_maps():
    model = lpie.build_model("nafnet", **W8, train_size=64)
    windows = [layer.window for layer in model.layers if isinstance(layer, LocalAveragePooling2D)]
    assert sorted(set(windows), reverse=True) == [(96, 96), (48, 48), (24, 24), (12, 12), (6, 6)]


def test_padding_is_at_the_bottom_and_right():
    model = random_model("nafnet", TINY)
    x = photo(1, 13, 22, 3)
    padded = np.pad(x, [(0, 0), (0, 3), (0, 2), (0, 0)])
    np.testing.assert_allclose(run(model, x), run(model, padded)[:, :13, :22], atol=1e-5)


@pytest.mark.parametrize("faithful", [True, False])
def test_released_attention_replaces_the_map(faithful):
    """With the slip, what a block adds is the same at every pixel."""
    model = random_model("nafftnet", {**TINY, "fft_block": False, "faithful": faithful})
    shortcut = model.get_layer("encoders.0.0.sum1")
    added = run(keras.Model(model.input, shortcut.input[1]), photo(1, 32, 32, 3))
    assert (added.shape[1:3] == (1, 1)) == faithful


@pytest.mark.parametrize("faithful", [False, True])
def test_folded_network_gives_the_same(faithful):
    model = random_model("nafftnet", {**TINY, "do_conv": True, "faithful": faithful})
    folded = lpie.fold(model)
    x = photo(1, 21, 34, 3)
    np.testing.assert_allclose(run(folded, x), run(model, x), atol=1e-5)
    assert folded.count_params() < model.count_params()
    assert not any(isinstance(layer, DOConv2D) for layer in folded.layers)


def test_shared_modules_of_mirnet_must_agree():
    options = {"features": 8, "groups": 1, "blocks": 1}
    model = random_model("mirnet", options)
    state = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.PReLU):
            state[f"{layer.name}.weight"] = np.full(1, 0.3)
        elif layer.weights:
            state[f"{layer.name}.weight"] = np.asarray(layer.get_weights()[0]).transpose(3, 2, 0, 1)
    name = "body.0.body.0.blocks.2.0.conv1x1.weight"
    copies = {**state, name.replace("2.0", "2.1"): state[name]}
    lpie.load_released_weights(model, copies)
    assert model.get_layer("body.0.body.0.blocks.0.0.body.1").get_weights()[0] == pytest.approx(0.3)
    with pytest.raises(InputError, match="one array in MIRNet, and differ"):
        lpie.load_released_weights(model, {**copies, name: state[name] + 1})
    filters = {"body.0.body.0.down.8_2.body.0.top.4.filt": np.ones((8, 1, 3, 3))}
    with pytest.raises(InputError, match="not the filter"):
        lpie.load_released_weights(model, {**copies, **filters})


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("nafnet", {"block": "nef"}, "Did you mean 'naf'"),
        ("nafnet", {"gate": "glu"}, "Valid: geglu, reglu, simple, swiglu"),
        ("nafnet", {"encoder_blocks": (1,)}, "equally long"),
        ("nafnet", {"middle_blocks": -1}, "0 or more"),
        ("nafnet", {"train_size": 0}, "train_size"),
        ("nafftnet", {"width": 0}, "positive whole number"),
        ("mirnet", {"height": 0}, "positive whole number"),
    ],
)
def test_what_cannot_be_built_is_refused(name, options, words):
    with pytest.raises(InputError, match=words):
        lpie.build_model(name, **options)


@pytest.mark.parametrize("case", ["nafnet", "plain", "mirnet"])
def test_a_restorer_takes_any_size(case):
    image = photo(15, 30, 3)
    assert Restorer(random_model(*SMALL[case])).restore(image).shape == image.shape


def test_overparameterized_lpienet_ships_the_same_network():
    options = {"encoder_widths": (4, 8), "decoder_widths": (4,)}
    model = random_model("lpienet", {**options, "overparameterized": True})
    plain = lpie.build_model("lpienet", **options)
    folded = lpie.fold(model)
    assert [w.shape for w in folded.weights] == [w.shape for w in plain.weights]
    x = photo(1, 16, 24, 3)
    np.testing.assert_allclose(run(folded, x), run(model, x), atol=1e-5)
    assert model.count_params() > 1.5 * plain.count_params()
    assert lpie.fold(plain) is plain
    assert analyse(model).halo_px == analyse(plain).halo_px


def test_overparameterizing_changes_nothing():
    model = random_model("lpienet", {"encoder_widths": (4, 8), "decoder_widths": (4,)})
    x = photo(1, 16, 24, 3)
    np.testing.assert_allclose(run(overparameterize(model), x), run(model, x), atol=1e-5)


def losses_of(case):
    """The loss of 20 steps on one batch."""
    keras.utils.set_random_seed(0)
    name, options = SMALL[case]
    if name == "mirnet":  # its third stream repeats the second
        options = {**options, "height": 2}
    model = lpie.build_model(name, **options)
    jit = keras.backend.backend() == "jax"  # as `lpie train` on a CPU
    model.compile(keras.optimizers.Adam(3e-3), loss="mae", jit_compile=jit)
    target = photo(2, 16, 16, 3)
    degraded = target + 0.2 * np.random.default_rng(2).standard_normal(target.shape, np.float32)
    return [float(model.train_on_batch(degraded, target)) for _ in range(20)]


# Of those that differ in a block alone not each is compiled: that takes its time, on JAX most.
ON_JAX = ("nafnet", "tlc", "nafftnet-do-conv", "mirnet")
ON_TENSORFLOW = (*ON_JAX, "baseline", "plain")
LEARNING = [*(("tensorflow", case) for case in ON_TENSORFLOW), *(("jax", case) for case in ON_JAX)]


@pytest.mark.soak
@pytest.mark.parametrize(("backend", "case"), soak.some(LEARNING, 1))
def test_every_network_learns(backend, case):
    pytest.importorskip(backend)
    if backend == keras.backend.backend():
        losses = losses_of(case)
    else:
        losses = losses_in_a_process(backend, case)
    assert losses[-1] < 0.7 * losses[0]


def losses_in_a_process(backend, case):
    """The losses of another backend, as one is for a process' life."""
    script = (
        "import json; from tests.models.test_zoo import losses_of;"
        f"print(json.dumps(losses_of({case!r})))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", [case for case in SMALL if case != "nafnet"])
def test_exports_to_builtin_ops_and_computes_the_same(case, tmp_path):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("export needs Keras on TensorFlow")
    pytest.importorskip("tensorflow")
    from lpie.export.pipeline import export_tflite

    model = random_model(*SMALL[case])
    spec = export_tflite(model, tmp_path / "model.tflite", recipe="float32", size=(48, 32))
    assert spec.verified["passed"]
    assert spec.verified["residual_psnr_db"] > 60


def test_normalisation_is_exported_without_a_sum_that_overflows_float16(tmp_path):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("export needs Keras on TensorFlow")
    pytest.importorskip("tensorflow")
    from lpie.export.pipeline import export_tflite
    from lpie.tflite.model import TfliteModel

    model = random_model("nafnet", TINY)
    export_tflite(model, tmp_path / "model.tflite", recipe="float32", size=(48, 32))
    names = [op.name for op in TfliteModel.read(tmp_path / "model.tflite").ops]
    # Of the means only the five over space are left.
    assert (names.count("MEAN"), names.count("SUM")) == (5, 0)
    assert names.count("RSQRT") == 10


def test_a_balanced_start_of_other_networks():
    model = lpie.build_model("nafnet", **SMALLER)
    balance(model, photo(2, 16, 16, 3), residual=("ending",))
    x = photo(1, 16, 16, 3)
    assert 0 < np.abs(run(model, x) - x).mean() < 0.1
    name, options = SMALL["mirnet"]
    shared = lpie.build_model(name, **options, height=2)
    balance(shared, photo(2, 16, 16, 3), residual=("conv_out",))
    assert 0 < np.abs(run(shared, x) - x).mean() < 0.1
