"""Small `.tflite` files that are well-formed and yet crash, hang or swell a runtime."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from lpie.tflite.schema import serialize

IMAGE = (1, 64, 64, 3)


class Graph:
    """A `.tflite` in the making, whose first graph takes one float image and returns one."""

    def __init__(self):
        self.model = schema.ModelT()
        self.model.version, self.model.operatorCodes = 3, []
        self.model.buffers, self.model.subgraphs = [schema.BufferT()], []
        self.graph()

    def graph(self):
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = [], []
        graph.inputs = graph.outputs = np.array([], np.int32)
        self.model.subgraphs.append(graph)
        return self

    def tensor(self, shape=IMAGE, dtype="FLOAT32", name=b"", values=None):
        """The index of a new tensor of the last graph."""
        tensor = schema.TensorT()
        tensor.shape, tensor.type = np.array(shape, np.int32), getattr(schema.TensorType, dtype)
        tensor.name, tensor.hasRank = name, True
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.asarray(values).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        tensors = self.model.subgraphs[-1].tensors
        tensors.append(tensor)
        return len(tensors) - 1

    def constant(self, values):
        values = np.asarray(values)
        return self.tensor(values.shape, values.dtype.name.upper(), values=values)

    def op(self, name, inputs, outputs, options=None, **fields):
        """A new op of the last graph; options: the name of their class without Options."""
        code, op = schema.OperatorCodeT(), schema.OperatorT()
        number = getattr(schema.BuiltinOperator, name)
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
        code.version = 1
        self.model.operatorCodes.append(code)
        op.opcodeIndex = len(self.model.operatorCodes) - 1
        op.inputs, op.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        if options:
            op.builtinOptionsType = getattr(schema.BuiltinOptions, f"{options}Options")
            op.builtinOptions = getattr(schema, f"{options}OptionsT")()
            for field, value in fields.items():
                setattr(op.builtinOptions, field, value)
        self.model.subgraphs[-1].operators.append(op)
        return self

    def ends(self, inputs, outputs):
        graph = self.model.subgraphs[-1]
        graph.inputs, graph.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        return self

    def data(self):
        return serialize(self.model)


def relu():
    """Nothing is wrong with this one."""
    g = Graph()
    image, result = g.tensor(), g.tensor()
    return g.op("RELU", [image], [result]).ends([image], [result]).data()


def crash():
    """A normalization over less than no neighbours."""
    g = Graph()
    image, result, options = g.tensor(), g.tensor(), "LocalResponseNormalization"
    g.op("LOCAL_RESPONSE_NORMALIZATION", [image], [result], options, radius=-1)
    return g.ends([image], [result]).data()


def hang():
    """A loop whose condition is always true."""
    g = Graph()
    image, result = g.tensor(), g.tensor()
    g.op("WHILE", [image], [result], "While", condSubgraphIndex=1, bodySubgraphIndex=2)
    g.ends([image], [result]).graph()
    taken, zero, more = g.tensor(), g.constant(np.float32(0)), g.tensor((), "BOOL")
    pixel, axes = g.tensor(()), g.constant(np.arange(4, dtype=np.int32))
    g.op("REDUCE_MAX", [taken, axes], [pixel], "Reducer")
    g.op("GREATER_EQUAL", [pixel, zero], [more]).ends([taken], [more]).graph()
    before, after = g.tensor(), g.tensor()
    return g.op("RELU", [before], [after]).ends([before], [after]).data()


def swell():
    """An image repeated until no memory holds it, of which a corner is the result."""
    g = Graph()
    image, times = g.tensor(), g.constant(np.array([1, 3000, 3000, 1], np.int32))
    huge, result = g.tensor(), g.tensor()
    begin, size = (g.constant(np.array(v, np.int32)) for v in ([0] * 4, IMAGE))
    g.op("TILE", [image, times], [huge]).op("SLICE", [huge, begin, size], [result], "Slice")
    return g.ends([image], [result]).data()


HOSTILE = {"crash": crash, "hang": hang, "swell": swell}
