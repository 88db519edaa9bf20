"""int8 ELU: no float is left, and on XNNPACK not a level differs."""

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("keras")

from ai_edge_litert.interpreter import Interpreter, OpResolverType

from lpie.export.delegates import check_delegate
from lpie.export.int8.elu import fold_elu
from lpie.tflite.model import TfliteModel
from tests.conversions import SIDE, graph_of, network


def ops(editor):
    return Counter(op.name for op in editor.view().ops)


def output(data, kernels, x):
    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_lpienet_has_no_float_island():
    editor = TfliteModel.parse(network("int8")).edit()
    before = ops(editor)
    assert fold_elu(editor) == 21
    gone = before - ops(editor)
    assert gone == {"QUANTIZE": 21, "DEQUANTIZE": 21}
    assert check_delegate(editor.view(), "xnnpack").partitions == 1
    assert fold_elu(editor) == 0


def photo_outputs(kernels, astronaut):
    """(as converted, folded) outputs of three crops."""
    editor = TfliteModel.parse(network("int8")).edit()
    fold_elu(editor)
    files = network("int8"), editor.to_bytes()
    for y in (0, 100, 200):
        x = astronaut[None, y : y + SIDE, 200 : 200 + SIDE].astype(np.float32) / 255
        yield [output(data, kernels, x) for data in files]


def test_nothing_changes_on_xnnpack(astronaut):
    for exact, folded in photo_outputs(OpResolverType.AUTO, astronaut):
        assert exact.std() > 0.01
        np.testing.assert_array_equal(folded, exact)


def test_built_in_kernels_differ_by_a_tie_at_most(astronaut):
    """A value half way between two levels may be rounded the other way, and spreads a little."""
    for exact, folded in photo_outputs(OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, astronaut):
        step = np.diff(np.unique(exact)).min()
        assert np.abs(folded - exact).max() < 3.5 * step
        assert (folded != exact).mean() < 0.1


def test_an_elu_that_others_read_stays():
    import tensorflow as tf

    def both(x):
        y = tf.nn.elu(x)
        return tf.concat([tf.nn.elu(tf.nn.relu(y)), y], -1)

    editor = TfliteModel.parse(graph_of(both, "int8")).edit()
    before = output(editor.to_bytes(), OpResolverType.AUTO, X)
    fold_elu(editor)
    after = output(editor.to_bytes(), OpResolverType.AUTO, X)
    np.testing.assert_array_equal(after, before)


X = np.random.default_rng(0).random((1, 8, 8, 8), np.float32)
