"""The small files of tests/ops are what TensorFlow's converter writes today."""

import numpy as np
import pytest

from lpie.tflite.model import TfliteModel
from tests import soak
from tests.single_ops import FILES, FOLDER, converted, op_data, op_file


def described(data):
    """All that a delegate can see: ops, versions, options, shapes, types, scales."""
    model = TfliteModel.parse(data)
    return [
        (
            op.name,
            op.version,
            vars(op.options) if op.options else None,
            [
                tensor
                and (tensor.shape, tensor.dtype, tensor.stored, tensor.values, len(tensor.scales))
                for tensor in (*op.inputs, *op.outputs)
            ],
        )
        for op in model.ops
    ]


def numbers(data):
    """The scales and the weights of all tensors, one behind the other."""
    model = TfliteModel.parse(data)
    tensors = [tensor for op in model.ops for tensor in (*op.inputs, *op.outputs) if tensor]
    scales = [scale for tensor in tensors for scale in tensor.scales]
    weights = [model.array(tensor).ravel() for tensor in tensors if tensor.stored]
    return np.concatenate([np.float64(scales), *weights])


def test_every_file_has_its_op():
    assert {path.name for path in FOLDER.iterdir()} == {op_file(*op).name for op in FILES}


@pytest.mark.soak
@pytest.mark.parametrize(("name", "recipe"), soak.some(FILES, 12))
def test_the_converter_writes_it_again(name, recipe):
    pytest.importorskip("tensorflow")
    kept, new = op_data(name, recipe), converted(name, recipe)
    assert described(new) == described(kept)
    np.testing.assert_allclose(numbers(new), numbers(kept), rtol=1e-5)
