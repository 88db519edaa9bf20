import math
from collections import Counter

import numpy as np
import pytest

from lpie.errors import InputError
from lpie.export.delegates import DELEGATES, check_delegate
from lpie.tflite.model import TfliteModel
from tests.conversions import graph_of, network
from tests.forked import Forked
from tests.single_ops import MORE_OPS, SINGLE_OPS, concat, double, mirror, op_data


def verdict(data, delegate):
    return check_delegate(TfliteModel.parse(data), delegate)


def reasons(data, delegate):
    return {(r.op, r.reason) for r in verdict(data, delegate).refused}


def real_partitions(data):
    """How many pieces XNNPACK runs, as the interpreter itself reports them."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    return sum(op["op_name"] == "DELEGATE" for op in interpreter._get_ops_details())


def print_partitions(path):
    print("pieces", real_partitions(path.read_bytes()))  # noqa: T201


@pytest.mark.parametrize("recipe", ["float32", "float16"])
@pytest.mark.parametrize("delegate", ["gpu", "mldrift", "nnapi-30", "nnapi-31", "xnnpack"])
def test_lpienet_runs_in_one_piece(recipe, delegate):
    result = verdict(network(recipe), delegate)
    assert result.full
    assert result.partitions == 1
    assert result.accepted == (178 if recipe == "float32" else 264)


def test_lpienet_fails_on_opengl():
    result = verdict(network("float32"), "gpu-gl")
    assert result.kills_delegate
    assert not result.full
    assert result.partitions == 0
    assert Counter(r.op for r in result.refused) == {"MEAN": 5, "REDUCE_MAX": 5}
    assert ("MEAN", "channel MEAN (only height and width)") in reasons(network("float32"), "gpu-gl")


@pytest.mark.parametrize("recipe", ["float32", "float16"])
def test_nnapi_29_refuses_elu_and_resize(recipe):
    result = verdict(network(recipe), "nnapi-29")
    assert Counter(r.op for r in result.refused) == {"ELU": 21, "RESIZE_BILINEAR": 2}
    assert not result.kills_delegate
    # 23 ops on the CPU, one behind the other, cut the graph into 24 pieces.
    assert result.partitions == 24


def test_nnapi_before_29_also_lacks_reductions():
    refused = Counter(r.op for r in verdict(network("float32"), "nnapi-27").refused)
    assert refused == {"ELU": 21, "RESIZE_BILINEAR": 2, "REDUCE_MAX": 5, "MEAN": 5}
    refused = Counter(r.op for r in verdict(network("float32"), "nnapi-28").refused)
    assert refused == {"ELU": 21, "RESIZE_BILINEAR": 2, "REDUCE_MAX": 5}


def test_int8_as_converted_leaves_elu_in_float():
    data = network("int8")
    for delegate in ("gpu", "mldrift", "nnapi-30", "xnnpack"):
        assert verdict(data, delegate).full, delegate
    assert verdict(data, "gpu-gl").kills_delegate
    refused = Counter(r.op for r in verdict(data, "nnapi-29").refused)
    assert (refused["ELU"], refused["RESIZE_BILINEAR"]) == (21, 2)


def test_int8_relu_is_whole_on_nnapi_30():
    data = network("int8", "relu")
    assert verdict(data, "nnapi-30").full
    refused = Counter(r.op for r in verdict(data, "nnapi-29").refused)
    assert (refused["ELU"], refused["RESIZE_BILINEAR"]) == (0, 2)


def test_int8_elu_is_refused_by_every_nnapi():
    model = TfliteModel.parse(network("int8")).edit()
    graph = model.graph
    elu = next(op for op in graph.operators if model.op_name(op) == "ELU")
    for i in (*elu.inputs, *elu.outputs):
        graph.tensors[i].type = 9
    for level in range(27, 32):
        refused = {r.index for r in check_delegate(model.view(), f"nnapi-{level}").refused}
        assert graph.operators.index(elu) in refused
    assert not check_delegate(model.view(), "xnnpack").refused


def test_nobody_takes_int16():
    tf = pytest.importorskip("tensorflow")
    data = graph_of(
        lambda x: tf.nn.relu(tf.nn.conv2d(x, tf.ones((3, 3, 8, 8)), 1, "SAME")), "int16"
    )
    for delegate in DELEGATES:
        assert any("int16" in reason for _, reason in reasons(data, delegate)), delegate
    assert real_partitions(data) == verdict(data, "xnnpack").partitions


@pytest.mark.parametrize("recipe", ["float32", "int8", "uint8"])
@pytest.mark.parametrize("name", SINGLE_OPS)
def test_xnnpack_verdicts_are_those_of_the_interpreter(name, recipe):
    data = op_data(name, recipe)
    assert verdict(data, "xnnpack").partitions == real_partitions(data)


@pytest.mark.parametrize("recipe", ["float32", "int8"])
@pytest.mark.parametrize("name", MORE_OPS)
def test_xnnpack_verdicts_on_more(name, recipe):
    data = op_data(name, recipe)
    assert verdict(data, "xnnpack").partitions == real_partitions(data)


@pytest.mark.parametrize(
    ("function", "op", "exponents"),
    [
        (lambda tf, x: x + tf.tanh(x), "ADD", (-11, -10, 7, 8)),
        (lambda tf, x: x - tf.tanh(x), "SUB", (-11, -10, 7, 8)),
        (lambda tf, x: x * tf.tanh(x), "MUL", (-17, -16, 7, 8)),
        (lambda tf, x: tf.nn.leaky_relu(x), "LEAKY_RELU", (-7, 0, 7, 8)),
        (lambda tf, x: tf.nn.conv2d(x, tf.ones((1, 1, 8, 8)), 1, "SAME"), "CONV_2D", (0, 7, 8)),
        (MORE_OPS["transpose conv"], "TRANSPOSE_CONV", (0, 7, 8)),
        (MORE_OPS["rows"], "FULLY_CONNECTED", (0, 7, 8)),
        (lambda tf, x: tf.tanh(x), "QUANTIZE", (-9, -8, 6, 7)),
    ],
)
def test_xnnpack_minds_scales(tmp_path, function, op, exponents):
    """Each number of output steps that one step of the input, or inputs, is worth."""
    tf = pytest.importorskip("tensorflow")
    for exponent in exponents:
        model = TfliteModel.parse(graph_of(lambda x: function(tf, x), "int8")).edit()
        graph = model.graph
        if op == "QUANTIZE":  # from integers to integers, in the place of the TANH
            first, second, _ = graph.operators
            second.opcodeIndex, second.builtinOptions = first.opcodeIndex, None
            second.builtinOptionsType = 0
        *_, node = [n for n in graph.operators if model.op_name(n) == op]
        inputs = [graph.tensors[i] for i in model.inputs(node)]
        steps = [float(max(t.quantization.scale)) for t in inputs if t.type == 9]
        worth = steps[0] if op in ("ADD", "SUB", "LEAKY_RELU", "QUANTIZE") else math.prod(steps[:2])
        output = graph.tensors[node.outputs[0]].quantization
        output.scale = np.array([worth / 2.0**exponent * 0.999], np.float32)
        result = check_delegate(model.view(), "xnnpack")
        path = tmp_path / f"{exponent}.tflite"
        path.write_bytes(model.to_bytes())
        # In a process of its own: a convolution out of scale may end it.
        child = Forked(print_partitions, path).completed(timeout=800)
        if result.kills_delegate:
            assert "failed to create XNNPACK runtime" in child.stderr, child
        else:
            assert child.stdout == f"pieces {result.partitions}\n", (exponent, child)


@pytest.mark.parametrize("recipe", ["float32", "float16", "int8", "uint8"])
def test_xnnpack_takes_lpienet_as_the_interpreter_does(recipe):
    assert verdict(network(recipe), "xnnpack").partitions == real_partitions(network(recipe)) == 1


def shrink(tf, x):
    return tf.image.resize(x, (4, 4))


def pixel_shuffle(tf, x):
    parts = tf.transpose(tf.reshape(x, (1, 8, 8, 2, 4)), (0, 1, 3, 2, 4))
    return tf.reshape(parts, (1, 16, 8, 4))


def mask_first(tf, x):
    return tf.reduce_mean(x, [1], keepdims=True)[:, :, :, :1] * x


@pytest.mark.parametrize(
    ("function", "delegate", "reason"),
    [
        (lambda tf, x: mirror(tf, x, "SYMMETRIC"), "gpu", "MIRROR_PAD SYMMETRIC (only REFLECT)"),
        (mirror, "nnapi-31", "needs API 33"),
        (shrink, "gpu-gl", "down-sampling"),
        (mask_first, "gpu-gl", "the second operand must be the smaller: write x * mask"),
        (lambda tf, x: concat(tf, x, 6), "xnnpack", "6 inputs (2 to 5)"),
        (lambda tf, x: tf.nn.gelu(x), "nnapi-31", "not in the delegate's table"),
        (lambda tf, x: tf.nn.elu(x), "nnapi-29", "needs API 30"),
        (double, "nnapi-29", "half_pixel_centers needs API 30"),
        (pixel_shuffle, "gpu", "rank 5 (at most 4)"),
        (
            lambda tf, x: tf.reduce_mean(x, 3),
            "gpu",
            "keep_dims=False over axes other than height and width",
        ),
        (lambda tf, x: x[:, 0], "gpu", "shrinkAxisMask is set"),
    ],
)
def test_special_constraints(function, delegate, reason):
    tf = pytest.importorskip("tensorflow")
    data = graph_of(lambda x: function(tf, x))
    assert reason in {r for _, r in reasons(data, delegate)}


def test_mask_second_is_fine_on_opengl():
    tf = pytest.importorskip("tensorflow")
    data = graph_of(lambda x: x * tf.reduce_mean(x, [1, 2], keepdims=True))
    assert verdict(data, "gpu-gl").full


def test_open_height_is_refused_and_open_batch_is_not():
    tf = pytest.importorskip("tensorflow")
    data = graph_of(tf.nn.elu, shape=(1, None, 8, 8))
    assert reasons(data, "gpu") == {("ELU", "shape not fixed in the file")}
    assert verdict(graph_of(tf.nn.elu, shape=(None, 8, 8, 8)), "gpu").full


def test_high_op_versions_are_refused():
    editor = TfliteModel.parse(network("float32")).edit()
    for code in editor.schema.operatorCodes:
        code.version = 9
    model = editor.finish()
    result = check_delegate(model, "gpu")
    assert "op version 9 (at most 6)" in {r.reason for r in result.refused}
    # XNNPACK asks for no version, and the reductions of the GPU have no limit.
    assert check_delegate(model, "xnnpack").full
    assert "MEAN" not in {r.op for r in result.refused}


def test_tensorflows_own_analyzer_misses_what_this_finds(capfd):
    tf = pytest.importorskip("tensorflow")
    data = graph_of(lambda x: mirror(tf, x, "SYMMETRIC"))
    tf.lite.experimental.Analyzer.analyze(model_content=data, gpu_compatibility=True)
    assert "Your model looks compatible with GPU delegate" in capfd.readouterr().out
    assert not verdict(data, "gpu").full


def test_every_rule_names_its_source():
    rules = [rule for delegate in DELEGATES.values() for rule in delegate.rules.values()]
    assert all(".cc" in rule.source for rule in rules)


def test_unknown_delegate_names_the_nearest():
    with pytest.raises(
        InputError, match=r"Unknown delegate 'nnapi-3'\. Did you mean 'nnapi-3[01]'"
    ):
        check_delegate("any.tflite", "nnapi-3")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, "does not exist"),
        (b"", "lacks the identifier TFL3"),
        (bytes(range(256)) * 8, "lacks the identifier TFL3"),
        (b"\x1c\0\0\0TFL3" + bytes(range(256)) * 8, "truncated or damaged"),
    ],
)
def test_unreadable_files_are_input_errors(tmp_path, data, sentence):
    path = tmp_path / "a.tflite"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=sentence):
        check_delegate(path, "gpu")


def test_truncated_file_is_an_input_error(tmp_path):
    path, data = tmp_path / "a.tflite", network("float32")
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="truncated or damaged"):
        check_delegate(path, "gpu")
