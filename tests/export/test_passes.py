"""Each exact rewrite against the network it rewrites, and what delegates make of the result."""

import json
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("tensorflow")

import lpie
from lpie.backend import keras
from lpie.benchmarks.studies.export import rewrites as benchmark
from lpie.benchmarks.studies.export.rewrites import REWRITES
from lpie.errors import InputError
from lpie.export import check_delegate, export_tflite
from lpie.export.rewrites.targets import REWRITES as EXACT
from lpie.export.rewrites.targets import chosen_rewrites, rewritten
from lpie.models.layers import ChannelMean, ChannelScale
from lpie.tflite.model import TfliteModel
from lpie.tflite.spec import ModelSpec
from tests.conftest import TINY, assert_one_sentence, run_lpie
from tests.export.test_delegates import real_partitions

NAMES = [each.name for each in EXACT]
Conv = keras.layers.Conv2D


def randomised(net):
    """`net` with biases and factors that are not those of a start."""
    rng = np.random.default_rng(1)
    for weight in net.weights:
        if len(weight.shape) == 1:
            weight.assign(rng.normal(0, 0.1, weight.shape))
    return net


def chain():
    """Linear layers in a row; `fold_linear` leaves two convolutions of five."""
    image = keras.Input((None, None, 3))
    x = Conv(8, 3, padding="same", strides=2)(image)
    x = Conv(8, 1, name="middle")(x)
    x = ChannelScale()(x)
    x = Conv(6, 1, activation="relu")(x)
    x = Conv(5, 1, use_bias=False)(x)
    return keras.Model(image, Conv(3, 3, padding="same", dilation_rate=2)(x))


def gate():
    """A mean that only 1x1 convolutions read."""
    image = keras.Input((None, None, 3))
    x = Conv(7, 3, padding="same", activation="relu")(image)
    mean = ChannelMean()(x)
    gates = [Conv(7, 1, activation=name)(mean) for name in ("relu", "sigmoid")]
    x = keras.layers.Multiply()([x, *gates])
    return keras.Model(image, Conv(3, 3, padding="same", activation="relu")(x))


def plain():
    """Nothing to rewrite: an activation between, a bias before zero padding, a narrow middle."""
    image = keras.Input((None, None, 3))
    x = Conv(8, 1, activation="relu")(image)
    x = Conv(2, 1)(x)
    x = Conv(8, 1)(x)
    x = Conv(8, 3, padding="same")(x)
    join = keras.layers.Concatenate()([x, image])
    x = Conv(3, 3, padding="same")(join)
    return keras.Model(image, keras.layers.UpSampling2D(2)(x))


@pytest.fixture(scope="module")
def nets():
    keras.utils.set_random_seed(0)
    made = {kind: lpie.build_model("lpienet", **TINY, activation=kind) for kind in ("elu", "relu")}
    made.update(chain=chain(), gate=gate(), plain=plain())
    return {name: randomised(net) for name, net in made.items()}


def distance(one, two):
    """The largest difference on 36x52, of the largest value; odd multiples of LPIENet's grid."""
    image = np.random.default_rng(0).random((1, 36, 52, 3), np.float32)
    a, b = (keras.ops.convert_to_numpy(net(image)) for net in (one, two))
    return np.abs(a - b).max() / np.abs(a).max()


FINDS = {
    "elu": NAMES[2:],
    "relu": NAMES[2:],
    "chain": ["fold_linear"],
    "gate": ["merge_rank_one", "mean_by_convolution"],
    "plain": [],
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", FINDS)
def test_a_rewrite_is_exact_and_complete(nets, kind, name):
    net, passes = nets[kind], chosen_rewrites(None, [name])
    twin, applied = rewritten(net, passes)
    if name not in FINDS[kind]:
        assert (twin, applied) == (net, ())
        return
    assert applied == (name,)
    assert distance(net, twin) <= 1e-6
    assert rewritten(twin, passes) == (twin, ())


@pytest.mark.parametrize("kind", ["elu", "chain", "gate"])
def test_all_together_are_exact_and_a_wrong_weight_is_not(nets, kind):
    twin, _ = rewritten(nets[kind], EXACT)
    assert distance(nets[kind], twin) <= 2e-6
    last = [layer for layer in twin.layers if type(layer) is Conv][-1]
    kernel, *bias = last.get_weights()
    last.set_weights([kernel * 1.001, *bias])
    assert distance(nets[kind], twin) > 2e-5


def kinds(net):
    return Counter(type(layer).__name__ for layer in net.layers)


def test_what_a_rewrite_leaves(nets):
    folded, _ = rewritten(nets["chain"], chosen_rewrites(None, ["fold_linear"]))
    assert (kinds(folded)["Conv2D"], kinds(folded)["ChannelScale"]) == (2, 0)
    merged, _ = rewritten(nets["gate"], chosen_rewrites(None, ["merge_rank_one"]))
    assert kinds(merged) == kinds(nets["gate"]) - Counter({"ChannelMean": 1})
    split, _ = rewritten(nets["elu"], chosen_rewrites(None, ["split_concatenation"]))
    before, after = kinds(nets["elu"]), kinds(split)
    # Of three stages one each, and the one that both convolutions of the tail read.
    assert before["Concatenate"] - after["Concatenate"] == 4
    assert after["Conv2D"] - before["Conv2D"] == 5


def test_a_bias_before_zero_padding_stays():
    image = keras.Input((None, None, 3))
    for padding, layers in (("same", 2), ("valid", 1)):
        x = Conv(8, 1)(image)
        net = randomised(keras.Model(image, Conv(3, 3, padding=padding)(x)))
        twin, _ = rewritten(net, chosen_rewrites(None, ["fold_linear"]))
        assert kinds(twin)["Conv2D"] == layers
        assert distance(net, twin) <= 1e-6


def test_layers_that_are_called_twice_stay():
    image = keras.Input((None, None, 3))
    shared, mean = Conv(3, 1), ChannelMean()
    x = shared(keras.layers.Concatenate()([image, mean(image)]))
    y = shared(keras.layers.Concatenate()([x, mean(x)]))
    net = keras.Model(image, shared(keras.layers.Concatenate()([y, mean(y)])))
    twin, applied = rewritten(net, chosen_rewrites(None, NAMES[:3]))
    assert (twin, applied) == (net, ())


def test_enlarging_a_single_pixel():
    image = keras.Input((None, None, 2))
    net = keras.Model(image, keras.layers.UpSampling2D(2, interpolation="bilinear")(image))
    twin, _ = rewritten(net, chosen_rewrites(None, ["upsample_by_means"]))
    for size in ((1, 1), (1, 3), (2, 1)):
        x = np.random.default_rng(0).random((1, *size, 2), np.float32)
        np.testing.assert_allclose(twin(x), net(x), atol=1e-6)


WHOLE = {"gpu": ("gpu", "gpu-gl", "mldrift", "nnapi-30", "xnnpack"), "cpu": ("gpu", "xnnpack")}


@pytest.mark.parametrize(
    ("kind", "target", "recipe"),
    [
        ("elu", "gpu", "float32"),
        ("elu", "gpu", "float16"),
        ("elu", "cpu", "float32"),
        ("elu", "nnapi", "float32"),
        ("relu", "nnapi", "float32"),
    ],
)
def test_an_export_is_whole_on_its_target(nets, photos, tmp_path, kind, target, recipe):
    path = tmp_path / "m.tflite"
    spec = export_tflite(
        nets[kind], path, recipe=recipe, size="64x96", photos=photos, target=target
    )
    assert spec.verified["passed"]
    asked = [each.name for each in chosen_rewrites(target)]
    assert spec.rewrites == tuple(name for name in asked if name in FINDS[kind])
    graph = TfliteModel.read(path)
    assert graph.image == (96, 64)
    for delegate in WHOLE.get(target, ("nnapi-30", "xnnpack")):
        verdict = check_delegate(graph, delegate)
        assert (verdict.full, verdict.partitions) == (True, 1), delegate
    assert real_partitions(path.read_bytes()) == 1
    if target == "nnapi":
        # ELU is as young as API 30.
        left = {refusal.op for refusal in check_delegate(graph, "nnapi-29").refused}
        assert left == ({"ELU"} if kind == "elu" else set())


def test_command_line(nets, tmp_path):
    nets["gate"].save(tmp_path / "gate.keras")
    given = ["export", "gate.keras", "--size", "64x64", "-o", "m.tflite", "--target", "gpu"]
    result = run_lpie(*given, "--rewrite", "fold_linear", "--force", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Rewritten: merge_rank_one\n" in result.stdout
    spec = json.loads((tmp_path / "m.spec.json").read_text())
    assert spec["rewrites"] == ["merge_rank_one"]
    del spec["rewrites"]
    assert ModelSpec.from_json(json.dumps(spec)).rewrites == ()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "gpus"], "Unknown target 'gpus'. Did you mean 'gpu'?"),
        (["--rewrite", "fold_liner"], "Unknown rewrite 'fold_liner'. Did you mean 'fold_linear'?"),
        (["--recipe", "qat_int8", "--target", "cpu"], "The recipe qat_int8 takes no --target"),
    ],
)
def test_a_wrong_question_is_one_sentence(arguments, words, tmp_path):
    result = run_lpie("export", "denoise-lpienet", *arguments, cwd=tmp_path)
    assert_one_sentence(result, 2, words)
    assert not list(tmp_path.iterdir())


def test_python_refuses_them_too(nets, tmp_path):
    with pytest.raises(InputError, match="Unknown target"):
        export_tflite(nets["plain"], tmp_path / "m.tflite", target="phone")
    with pytest.raises(InputError, match="Unknown rewrite"):
        export_tflite(nets["plain"], tmp_path / "m.tflite", rewrites=("all",))


def test_the_benchmark_compares_within_each_round(monkeypatch):
    times = {"": (10.0, 30.0, 20.0), "fold_linear": (9.0, 15.0, 22.0), "max_by_halves": (1, 1, 1)}
    exported = []

    def export(model, name, recipe, size, file):
        exported.append(name)
        found = [name] if name == "fold_linear" else []
        return {"model": model, "rewrites": found, "file": name, "verified": {"output_psnr_db": 1}}

    def timed(files, **_):
        each = {"refused": None, "peak_mb": 1}
        return {
            f: {"rounds": [{**each, "median_ms": t, "min_ms": t} for t in times[f]]} for f in files
        }

    monkeypatch.setattr(benchmark, "_export", export)
    monkeypatch.setattr(benchmark, "time_in_rounds", timed)
    first, second = benchmark.measure(["net"], ["fold_linear", "max_by_halves"])["results"]
    assert exported == ["", "fold_linear", "max_by_halves"]
    assert (first["ratio"], first["fastest_ratio"]) == (1, 1)
    assert second["ratios"] == pytest.approx([0.9, 0.5, 1.1])
    assert (second["ratio"], second["fastest_ratio"]) == pytest.approx((0.9, 0.9))
    result = benchmark.measure(["net"])
    assert exported[3:] == ["", *NAMES]  # every rewrite that there is
    assert "fold_linear" in benchmark.table(result)


def test_the_benchmark_times_every_rewrite():
    assert list(REWRITES) == NAMES
