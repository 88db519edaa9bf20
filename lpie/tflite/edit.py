"""Changes to a `.tflite`: ops, tensors, constants and notes."""

from collections.abc import Sequence
from typing import Any

from lpie.size import Size
from lpie.tflite.model import TfliteModel, new_op, op_name, sizeless_tensors, stored_tensors
from lpie.tflite.model import image_size as _image_size
from lpie.tflite.model import write_note as _write_note


class TfliteEditor:
    """A `.tflite` being changed. Made by `TfliteModel.edit`; `finish` gives the changed model.

    Args:
        schema: A `ModelT` of the TFLite schema that nobody else holds.
        name: What errors call the model.
    """

    def __init__(self, schema: Any, *, name: str = "the model") -> None:
        self.schema, self.name = schema, name

    def finish(self) -> TfliteModel:
        """The changed model. The editor must not be used afterwards."""
        schema, self.schema = self.schema, None
        return TfliteModel(schema, name=self.name)

    @property
    def graph(self) -> Any:
        """The first subgraph (`SubGraphT`), which is what an interpreter runs."""
        return self.schema.subgraphs[0]

    @property
    def image(self) -> Size:
        """The size of the model's one image; an `InputError` for any other signature."""
        return Size(*_image_size(self.schema))

    def op_name(self, op: Any) -> str:
        """The builtin name of an `OperatorT`, such as CONV_2D, or `CUSTOM name`."""
        return op_name(self.schema, op)

    def new_op(self, name: str, version: int, inputs: Sequence[int], output: int) -> Any:
        """A builtin op (`OperatorT`) without options, which the caller puts among the graph's."""
        return new_op(self.schema, name, version, inputs, output)

    def stored(self) -> set[int]:
        """Indices of tensors known before the run, as `TfliteModel.stored`."""
        return stored_tensors(self.schema)

    def sizeless(self) -> set[int]:
        """Indices of tensors that are the same at every size, as `TfliteModel.sizeless`."""
        return sizeless_tensors(self.schema)

    def write_note(self, text: str) -> None:
        """Store `text` inside the file, replacing an older note of lpie's."""
        _write_note(self.schema, text)
