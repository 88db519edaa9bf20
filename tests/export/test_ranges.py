"""The ranges of int8 activations: what is chosen, and that the narrowed file computes the same."""

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import lpie
import lpie.export
from lpie.backend import keras
from lpie.export.int8.ranges import FUNCTIONS, _groups, activations, best_scale, narrow, to_scale
from lpie.image.image import to_float
from lpie.tflite.interpreter import Session
from lpie.tflite.model import TfliteModel
from tests.conversions import SIDE, convert_keras

LEVELS = np.arange(-128, 128)


def test_a_scale_holds_zero_and_both_ends():
    assert to_scale(0.0, 1.0) == (1 / 255, -128)
    step, zero = to_scale(-0.5, 1.5)
    assert (LEVELS[0] - zero) * step == pytest.approx(-0.5, abs=step)
    assert (LEVELS[-1] - zero) * step == pytest.approx(1.5, abs=step)
    step, zero = to_scale(-3.0, 0.0)
    assert (zero, step) == (127, pytest.approx(3 / 255))


def error(values, scale):
    step, zero = scale
    levels = np.clip(np.round(values / step) + zero, -128, 127)
    return float(np.mean(((levels - zero) * step - values) ** 2))


def counted(values, scale):
    step, zero = scale
    levels = np.clip(np.round(values / step) + zero, -128, 127).astype(int)
    return np.bincount(levels + 128, minlength=256)


def test_a_few_outliers_are_clipped_and_a_full_range_is_kept():
    rng = np.random.default_rng(0)
    values = rng.normal(size=1_000_000)
    values[0], values[1] = -8, 10
    seen = to_scale(-8.0, 10.0)
    found = best_scale(counted(values, seen)[None], seen)
    assert error(values, found) < 0.6 * error(values, seen)
    best = min(
        error(values, to_scale(-8 * a, 10 * b)) for a in (0.4, 0.5, 0.6) for b in (0.3, 0.4, 0.5)
    )
    assert error(values, found) < 1.05 * best
    even = rng.uniform(-8, 10, 100_000)
    kept = best_scale(counted(even, seen)[None], seen)
    assert kept == pytest.approx(seen, rel=0.05, abs=2)


def test_what_a_function_brings_to_its_limit_anyway_is_clipped():
    """ELU makes -0.95 to -1 of all below -3: no level is spent there."""
    rng = np.random.default_rng(0)
    values = rng.normal(-2, 4, size=100_000)
    seen = to_scale(float(values.min()), float(values.max()))
    plain = best_scale(counted(values, seen)[None], seen)
    chosen = best_scale(counted(values, seen)[None], seen, FUNCTIONS["ELU"])

    def after(scale):
        step, zero = scale
        kept = (np.clip(np.round(values / step) + zero, -128, 127) - zero) * step
        return float(np.mean((FUNCTIONS["ELU"](kept) - FUNCTIONS["ELU"](values)) ** 2))

    assert chosen[0] < 0.7 * plain[0]
    assert after(chosen) < 0.6 * after(plain)


def test_one_tile_of_noise_among_many_quiet_ones_keeps_its_range():
    rng = np.random.default_rng(0)
    seen = to_scale(-8.0, 8.0)
    quiet = [counted(rng.normal(size=4096), seen) for _ in range(15)]
    loud = counted(rng.uniform(-8, 8, 4096), seen)
    found = best_scale(np.stack([*quiet, loud]), seen)
    assert found[0] > 0.85 * seen[0] > 1.2 * best_scale(np.stack(quiet), seen)[0]


@pytest.fixture(scope="module")
def tiles(photos):
    return [to_float(photo[y : y + SIDE, :SIDE]) for photo in photos for y in (0, 64, 128, 192)]


@pytest.fixture(scope="module", params=["lpienet_rt", "lpienet"])
def models(request, tiles):
    """(float32, int8, narrowed int8) files of a network whose ranges were set by outliers."""
    options = {
        "lpienet_rt": {"widths": (16, 24), "encoder_blocks": (1,), "middle_blocks": 1},
        "lpienet": {"encoder_widths": (8, 12), "decoder_widths": (8,), "activation": "relu"},
    }[request.param]
    keras.utils.set_random_seed(0)
    image = keras.Input((SIDE, SIDE, 3), batch_size=1)
    net = keras.Model(image, lpie.build_model(request.param, **options)(image))
    exact, rounded = convert_keras(net, "float32"), convert_keras(net, "uint8")
    editor = TfliteModel.parse(rounded).edit()
    narrow(editor, tiles)
    return exact, rounded, editor.to_bytes()


def test_narrowed_is_at_least_as_exact_on_photos(models, tiles):
    exact, rounded, narrowed = (Session(data) for data in models)
    errors = {}
    for name, session in (("rounded", rounded), ("narrowed", narrowed)):
        pairs = [np.clip((session.run(x), exact.run(x)), 0, 1) for x in tiles]
        errors[name] = float(np.mean([(a - b) ** 2 for a, b in pairs]))
    assert errors["narrowed"] < errors["rounded"]


def test_only_scales_and_biases_change_and_biases_mean_the_same(models):
    _, rounded, narrowed = (TfliteModel.parse(data).edit().schema for data in models)
    before, after = (graph.subgraphs[0] for graph in (rounded, narrowed))
    assert len(before.tensors) == len(after.tensors)
    biases = 0
    for old, new in zip(before.tensors, after.tensors, strict=True):
        kept, found = (
            b"" if graph.buffers[t.buffer].data is None else bytes(graph.buffers[t.buffer].data)
            for graph, t in ((rounded, old), (narrowed, new))
        )
        if old.type == 2 and old.quantization and old.quantization.scale is not None:  # int32
            steps = [np.asarray(t.quantization.scale, np.float64) for t in (old, new)]
            values = [
                np.frombuffer(b, np.int32) * s for b, s in zip((kept, found), steps, strict=True)
            ]
            np.testing.assert_allclose(*values, atol=0.51 * max(s.max() for s in steps))
            biases += len(values[0]) > 0
        else:
            assert kept == found
    assert biases > 5


def test_tensors_that_are_moved_about_share_a_scale_and_the_ends_are_photos(models):
    editor = TfliteModel.parse(models[2]).edit()
    main, scales = editor.graph, activations(editor)
    moved = [op for op in main.operators if editor.op_name(op) in ("DEPTH_TO_SPACE", "RESHAPE")]
    for op in moved:
        assert scales[op.inputs[0]] == scales[op.outputs[0]]
    ends = [main.tensors[i].quantization for i in (main.inputs[0], main.outputs[0])]
    for end in ends:
        assert end.scale[0] == pytest.approx(1 / 255, rel=1e-3)
        assert end.zeroPoint[0] == 0


def test_an_op_that_wants_its_own_range_keeps_it(models):
    editor = TfliteModel.parse(models[1]).edit()
    main, scales = editor.graph, activations(editor)
    grouped = {i for group in _groups(editor, scales) for i in group}
    wanted = [op for op in main.operators if editor.op_name(op) == "LOGISTIC"]
    for op in wanted:
        assert op.outputs[0] not in grouped
    assert grouped


def test_units_that_never_fire_do_not_break_the_file(tmp_path):
    keras.utils.set_random_seed(0)
    model = lpie.build_model("lpienet_rt", widths=(8, 16), encoder_blocks=(1,), middle_blocks=1)
    dead = model.get_layer("middle_block0_expand")
    dead.bias.assign(np.full(dead.bias.shape, -100.0))
    spec = lpie.export.export_tflite(model, tmp_path / "a.tflite", recipe="int8", size=(64, 64))
    assert spec.verified["passed"]
