"""TFLite models of one image in and one out, on ai-edge-litert or tflite-runtime."""

import os
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError, require, unknown_name
from lpie.system.quiet import quiet
from lpie.tflite.scales import from_levels, to_levels

RuntimeName = Literal["ai-edge-litert", "tflite-runtime"]


class Session:
    """An interpreter of one model at one size, ready to run.

    data: the bytes of a model that takes and returns one [1, H, W, 3] image of type float32,
    uint8 or int8. threads: None for one per core.
    """

    def __init__(
        self, data: bytes, *, threads: int | None = None, runtime: RuntimeName = "ai-edge-litert"
    ) -> None:
        make = find_interpreter(runtime)
        with quiet():  # it announces its delegate
            try:
                self._interpreter = make(
                    model_content=data, num_threads=threads or os.cpu_count() or 1
                )
                self._interpreter.allocate_tensors()
            except (RuntimeError, ValueError) as error:
                raise InputError(f"{runtime} cannot prepare the model: {error}.") from None
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """The model's output for `image` [H, W, 3] in [0, 1], as float32 of the same shape."""
        self.set_input(self.quantized(image))
        self.invoke()
        return self.output()

    def quantized(self, image: NDArray[np.float32]) -> NDArray[Any]:
        """`image` [H, W, 3] as the model's input type: [1, H, W, 3]."""
        return to_levels(image[None], self._input["dtype"], *self._input["quantization"])

    def set_input(self, tensor: NDArray[Any]) -> None:
        """Hand `tensor`, the result of `quantized`, to the interpreter."""
        self._interpreter.set_tensor(self._input["index"], tensor)

    def invoke(self) -> None:
        """Run the model once."""
        self._interpreter.invoke()

    def output(self) -> NDArray[np.float32]:
        """What the last run returned: [H, W, 3] float32."""
        tensor = self._interpreter.get_tensor(self._output["index"])[0]
        return from_levels(tensor, *self._output["quantization"])


def observable(data: bytes) -> Any:
    """An interpreter of the model in `data`, prepared, all of whose tensors can be read.

    On TFLite's own kernels: XNNPACK would keep the tensors to itself. Raises `InputError` for an op
    that they do not know.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with quiet():
        try:
            interpreter = Interpreter(
                model_content=data,
                num_threads=os.cpu_count(),
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                experimental_preserve_all_tensors=True,
            )
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise InputError(f"ai-edge-litert cannot prepare the model: {error}.") from None
    return interpreter


def find_interpreter(runtime: str) -> Any:
    """The interpreter class of `runtime`; an `InputError` when it is unknown or not installed."""
    if runtime not in get_args(RuntimeName):
        raise unknown_name("runtime", runtime, get_args(RuntimeName))
    if runtime == "tflite-runtime":
        require("tflite_runtime", extra="tflite-runtime")
        from tflite_runtime.interpreter import Interpreter
    else:
        from ai_edge_litert.interpreter import Interpreter
    return Interpreter
