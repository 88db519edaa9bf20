"""A `.tflite` file, parsed once: its ops, tensors, image size and spec.

Needs only the schema that ai-edge-litert carries, not TensorFlow.
"""

import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.size import Size
from lpie.tflite import schema as schema_objects
from lpie.tflite.schema import integers, is_constant, links, op_name, stored_bytes, text, type_name

if TYPE_CHECKING:
    from lpie.tflite.edit import TfliteEditor
    from lpie.tflite.spec import ModelSpec

NOTE_NAME = "lpie_spec"
# The op of LiteRT that hands its part of a compiled model to an NPU.
DISPATCH = "CUSTOM DISPATCH_OP"
# Ops between float and integer tensors, and the version of each that knows int8.
CONVERSIONS = {"QUANTIZE": 1, "DEQUANTIZE": 2}


@dataclass(frozen=True)
class Tensor:
    """A tensor as an op sees it."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    # Its values are in the file.
    constant: bool
    # It is known before the run: a constant, or what ops make of constants alone.
    stored: bool
    # The numbers of an integer constant (axes, sizes, paddings), else empty.
    values: tuple[int, ...]
    # Per tensor or per channel; empty when the tensor is not quantized.
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    # Height, width or channels may change at run time.
    dynamic: bool
    # The shape with -1 for what may change; empty where the file states none.
    signature: tuple[int, ...] = ()


@dataclass(frozen=True)
class Op:
    """One op in the file's order. An absent optional input is None."""

    index: int
    name: str
    version: int
    options: Any
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]

    @property
    def runtime_inputs(self) -> list[Tensor]:
        """Inputs that are known only when an image comes."""
        return [tensor for tensor in self.inputs if tensor is not None and not tensor.stored]

    @property
    def stored_inputs(self) -> list[Tensor]:
        """Inputs whose values are in the file."""
        return [tensor for tensor in self.inputs if tensor is not None and tensor.stored]

    def input(self, position: int) -> Tensor | None:
        """The input at `position`, None where the op has none."""
        return self.inputs[position] if position < len(self.inputs) else None

    @property
    def folded(self) -> bool:
        """Whether the op only unpacks weights: delegates do that once, when they load."""
        return self.name in ("DEQUANTIZE", "DENSIFY") and not self.runtime_inputs

    def option(self, name: str, default: Any = None) -> Any:
        """The builtin option `name`; `default` when the op carries none."""
        return getattr(self.options, name, default)


class TfliteModel:
    """A `.tflite` file, parsed once and never changed; `edit()` makes a changed one.

    Args:
        schema: The `ModelT` of the TFLite schema. The model owns it: nobody else may change it.
        name: What errors call the model, mostly its path.
        data: The bytes that `schema` was parsed from, where there are any.
        trusted: lpie made the model itself, so that it may run in this process. Otherwise its
            digest decides.
        graph: Which of its graphs is meant; the first is what an interpreter runs.
    """

    def __init__(
        self,
        schema: Any,
        *,
        name: str = "the model",
        data: bytes | None = None,
        trusted: bool = False,
        graph: int = 0,
    ) -> None:
        self._schema, self.name, self._data, self._trusted = schema, name, data, trusted
        self._index = graph

    @staticmethod
    def read(path: Path) -> "TfliteModel":
        """The model in the file `path`; an `InputError` when it is none, or damaged."""
        if not path.is_file():
            raise InputError(f"{path} does not exist or is not a file.")
        return TfliteModel.parse(path.read_bytes(), str(path))

    @staticmethod
    def parse(data: bytes, name: str = "the model", *, trusted: bool = False) -> "TfliteModel":
        """The model in `data`; an `InputError` when it is none, or damaged.

        trusted: lpie made it, in this process.
        """
        schema = schema_objects.parse(data, name)
        return TfliteModel(schema, name=name, data=data, trusted=trusted)

    def to_bytes(self) -> bytes:
        """The file's bytes: those it was parsed from, else serialized once."""
        if self._data is None:
            self._data = schema_objects.serialize(self._schema)
        return self._data

    @functools.cached_property
    def sha256(self) -> str:
        """The digest of `to_bytes`, in hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @functools.cached_property
    def trusted(self) -> bool:
        """Whether lpie wrote the model; any other runs in a process of its own."""
        from lpie.tflite.foreign.trust import is_known

        return self._trusted or is_known(self.sha256)

    @property
    def _graph(self) -> Any:
        """The graph that is meant (`SubGraphT`)."""
        return self._schema.subgraphs[self._index]

    @property
    def graphs(self) -> tuple["TfliteModel", ...]:
        """The same model for each of its graphs: that is the one which is meant."""
        count = len(self._schema.subgraphs)
        return tuple(TfliteModel(self._schema, name=self.name, graph=k) for k in range(count))

    @property
    def graph_name(self) -> str:
        """The name of the graph that is meant, mostly `main`."""
        return text(self._graph.name)

    @property
    def signatures(self) -> tuple[str, ...]:
        """The names by which programs ask for the graph that is meant."""
        listed = self._schema.signatureDefs or []
        return tuple(text(s.signatureKey) for s in listed if s.subgraphIndex == self._index)

    @functools.cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors of the first subgraph, which is what an interpreter runs."""
        listed = self._graph.tensors
        return tuple(
            _tensor(self._schema, i, tensor, stored=i in self.stored)
            for i, tensor in enumerate(listed)
        )

    @functools.cached_property
    def ops(self) -> tuple[Op, ...]:
        """The ops of the first subgraph in the order they run."""
        return tuple(
            Op(
                index=n,
                name=op_name(self._schema, op),
                # Old converters leave 0 for version 1.
                version=max(int(self._schema.operatorCodes[op.opcodeIndex].version), 1),
                options=op.builtinOptions,
                inputs=tuple(None if i < 0 else self.tensors[i] for i in integers(op.inputs)),
                outputs=tuple(self.tensors[i] for i in integers(op.outputs)),
            )
            for n, op in enumerate(self._graph.operators)
        )

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the model takes."""
        return tuple(self.tensors[i] for i in integers(self._graph.inputs))

    @property
    def compiled_for_npu(self) -> bool:
        """Whether the NPU of one chip runs it, or a part of it, and no other computer can."""
        return any(op.name == DISPATCH for op in self.ops)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What the model returns."""
        return tuple(self.tensors[i] for i in integers(self._graph.outputs))

    @property
    def image(self) -> Size:
        """The size of the model's one image; an `InputError` when it does not take and return one
        [1, H, W, 3] image, or one in grey, [1, H, W, 1]."""
        shapes = [[*tensor.shape] for tensor in (*self.inputs, *self.outputs)]
        channels = {tuple(s[3:]) for s in shapes}
        if len(shapes) != 2 or channels not in ({(3,)}, {(1,)}) or min(shapes[0]) < 1:
            raise InputError(
                "The model must take one [1, H, W, 3] image of a fixed size and return one, or one "
                "in grey, [1, H, W, 1]. "
                f"Its inputs and outputs have the shapes {shapes}."
            )
        return Size(*shapes[0][1:3])

    @property
    def sizes(self) -> tuple[str, ...]:
        """The signatures WIDTHxHEIGHT of a model of several sizes; empty for one of one size."""
        keys = [text(entry.signatureKey) for entry in self._schema.signatureDefs or []]
        return tuple(key for key in keys if key[:1].isdigit())

    @functools.cached_property
    def stored(self) -> frozenset[int]:
        """Indices of tensors known before the run: constants, and what ops make of constants alone.

        float16 files store each weight as float16 and expand it by a DEQUANTIZE, which delegates
        fold away.
        """
        graph = self._graph
        known = {i for i, tensor in enumerate(graph.tensors) if is_constant(self._schema, tensor)}
        for op in graph.operators:  # in the order of execution
            inputs = links(op.inputs)
            if inputs and known.issuperset(inputs):
                known.update(links(op.outputs))
        return frozenset(known)

    @functools.cached_property
    def sizeless(self) -> frozenset[int]:
        """Indices of tensors that are the same at every image size: the stored ones, means over
        the whole height and width, and what ops make of them."""
        pooled: set[int] = set()
        for op in self.ops:
            inputs = {tensor.index for tensor in op.runtime_inputs}
            axes = op.input(1) if op.name == "MEAN" else None
            means = axes is not None and {1, 2} <= {axis % 4 for axis in axes.values}
            if means or (inputs and inputs <= pooled):
                pooled.update(tensor.index for tensor in op.outputs)
        return self.stored | pooled

    @functools.cached_property
    def spec(self) -> "ModelSpec | None":
        """The spec inside the file; None when lpie did not make it."""
        from lpie.tflite.spec import ModelSpec

        note = self.metadata(NOTE_NAME)
        if note is None:
            return None
        return ModelSpec.from_json(text(note), f"The note inside {self.name}")

    def metadata(self, name: str) -> bytes | None:
        """The note called `name` inside the file; None where there is none."""
        for entry in self._schema.metadata or []:
            if text(entry.name) == name:
                data = self._schema.buffers[entry.buffer].data
                return b"" if data is None else bytes(data)
        return None

    def custom_options(self, op: Op) -> bytes:
        """The options of a custom op, in a form of its own; empty where it has none."""
        options = self._graph.operators[op.index].customOptions
        return b"" if options is None else bytes(bytearray(options))

    def cut(
        self, ops: Sequence[int], *, inputs: Sequence[int], outputs: Sequence[int]
    ) -> "TfliteModel":
        """A model of some ops of the graph alone, by their positions.

        inputs, outputs: the tensors that it takes and returns. All tensors keep their indices.
        """
        schema = schema_objects.copied(self._schema)
        graph = schema.subgraphs[self._index]
        graph.operators = [graph.operators[k] for k in ops]
        graph.inputs, graph.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        schema.subgraphs, schema.signatureDefs = [graph], None
        return TfliteModel(schema, name=self.name, trusted=self.trusted)

    def array(self, tensor: Tensor) -> NDArray:
        """The values of a constant, as the file stores them."""
        raw = self._graph.tensors[tensor.index]
        data = np.asarray(self._schema.buffers[raw.buffer].data, np.uint8)
        return data.view(tensor.dtype).reshape(tensor.shape)

    def resized(self, size: Size, *, multiple: int = 1) -> "TfliteModel":
        """The model for images of another size (see `lpie.tflite.resize.resize`)."""
        from lpie.tflite.resize import resize

        own = self.inputs[0].shape[1:3] if self.inputs and not self.inputs[0].dynamic else ()
        if own == size and len(self._schema.subgraphs) == 1:
            return self
        if self.compiled_for_npu:
            raise InputError(
                f"{self.name} is compiled for an NPU, and its size with it. Received: {size}. "
                "Compile the file that it came from at that size: lpie export MODEL --size."
            )
        editor = self.edit()
        try:
            resize(editor, size, multiple=multiple)
        except OverflowError:
            raise InputError(
                f"{self.name} cannot take images of {size}: a size in it would be beyond 2^31."
            ) from None
        return editor.finish()

    def edit(self) -> "TfliteEditor":
        """A copy that can be changed; its `finish()` is a new model."""
        from lpie.tflite.edit import TfliteEditor

        schema = schema_objects.copied(self._schema)
        return TfliteEditor(schema, name=self.name, trusted=self.trusted)


def _tensor(model: Any, index: int, tensor: Any, *, stored: bool) -> Tensor:
    quantization = tensor.quantization
    signature, shape = integers(tensor.shapeSignature), tuple(integers(tensor.shape))
    return Tensor(
        index=index,
        name=text(tensor.name),
        shape=shape,
        dtype=type_name(tensor.type),
        constant=is_constant(model, tensor),
        stored=stored,
        values=_values(model, tensor),
        scales=tuple(float(s) for s in _list(quantization, "scale")),
        zero_points=tuple(int(z) for z in _list(quantization, "zeroPoint")),
        # Interpreters run an open batch as 1, so only the other dimensions count.
        dynamic=any(n < 0 for n in (*signature[1:], *shape[1:])),
        signature=tuple(signature),
    )


def _values(model: Any, tensor: Any) -> tuple[int, ...]:
    """The numbers of a small constant of int32 or int64."""
    kind = {"int32": np.int32, "int64": np.int64}.get(type_name(tensor.type))
    if kind is None or math.prod(integers(tensor.shape)) > 64:
        return ()
    data = stored_bytes(model, tensor)
    if len(data) % np.dtype(kind).itemsize:
        return ()
    return tuple(int(n) for n in np.frombuffer(data, kind))


def _list(quantization: Any, name: str) -> list[Any]:
    values = None if quantization is None else getattr(quantization, name)
    return [] if values is None else list(values)
