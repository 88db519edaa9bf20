"""TFLite models of one image in and one out, on ai-edge-litert or tflite-runtime."""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lpie.errors import InputError, require, unknown_name
from lpie.printable import printable
from lpie.system.quiet import quiet
from lpie.tflite.foreign.interpreter import ForeignInterpreter, refusal
from lpie.tflite.model import TfliteModel
from lpie.tflite.scales import from_levels, to_levels

RuntimeName = Literal["ai-edge-litert", "tflite-runtime"]


# What a runtime raises for a model or a tensor that it does not like.
REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, OverflowError)
PIXEL_TYPES = ("float32", "uint8", "int8", "int16", "uint16")


class Session:
    """An interpreter of one model at one size, ready to run.

    Args:
        model: A model that takes and returns one [1, H, W, 3] image of type float32, uint8, int8
            or int16. One that lpie did not write runs in a process of its own; the bytes of a file
            count as lpie's own.
        threads: None for one per core.
        runtime: The package of the interpreter.

    Attributes:
        setup_s: How long the interpreter took to become ready, without the start of a process.

    Raises:
        InputError: The runtime refuses the model.
        LpieError: The runtime crashes on it.
    """

    def __init__(
        self,
        model: TfliteModel | bytes,
        *,
        threads: int | None = None,
        runtime: RuntimeName = "ai-edge-litert",
    ) -> None:
        interpreter, self.setup_s = opened(model, threads=threads, runtime=runtime)
        self._use(interpreter, model, runtime)

    def _use(self, interpreter: Any, model: TfliteModel | bytes, runtime: str) -> None:
        """Let `interpreter`, of a runtime that errors call `runtime`, run the model."""
        self._name = "the model" if isinstance(model, bytes) else printable(model.name)
        self._interpreter, self._runtime = interpreter, runtime
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        for tensors in (inputs, outputs):
            if len(tensors) != 1 or np.dtype(tensors[0]["dtype"]).name not in PIXEL_TYPES:
                raise InputError(
                    f"{self._name} must take and return one image of the type "
                    f"{', '.join(PIXEL_TYPES)}."
                )
        (self._input,), (self._output,) = inputs, outputs
        self._shape = tuple(int(n) for n in self._output["shape"])
        promised = None if isinstance(model, bytes) else model.outputs[0]
        if promised and not promised.dynamic and self._shape != promised.shape:
            raise InputError(
                f"{self._name} promises an output of the shape {list(promised.shape)}, and "
                f"{runtime} makes one of {list(self._shape)} of it."
            )

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """The model's output for `image` [H, W, 3] in [0, 1], as float32 of the same shape."""
        tensor = self.quantized(image)
        if isinstance(self._interpreter, ForeignInterpreter):
            ends = self._input["index"], tensor, self._output["index"]
            return self._restored(self._interpreter.run(*ends))
        self.set_input(tensor)
        self.invoke()
        return self.output()

    def quantized(self, image: NDArray[np.float32]) -> NDArray[Any]:
        """`image` [H, W, 3] as the model's input type: [1, H, W, 3]."""
        return to_levels(image[None], self._input["dtype"], *self._input["quantization"])

    def set_input(self, tensor: NDArray[Any]) -> None:
        """Hand `tensor`, the result of `quantized`, to the interpreter."""
        with self._refusals():
            self._interpreter.set_tensor(self._input["index"], tensor)

    def invoke(self) -> None:
        """Run the model once."""
        with self._refusals():
            self._interpreter.invoke()

    def output(self) -> NDArray[np.float32]:
        """What the last run returned: [H, W, 3] float32."""
        with self._refusals():
            return self._restored(self._interpreter.get_tensor(self._output["index"]))

    def _restored(self, output: NDArray[Any]) -> NDArray[np.float32]:
        """What the model computed, as an image."""
        if output.shape != self._shape:
            raise InputError(
                f"{self._name} changed the shape of its output as it ran, from "
                f"{list(self._shape)} to {list(output.shape)}."
            )
        return from_levels(output[0], *self._output["quantization"])

    def close(self) -> None:
        """Free the interpreter's memory, and end its process where it has one."""
        if hasattr(self._interpreter, "close"):
            self._interpreter.close()
        self._interpreter = None

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        except REFUSALS as error:
            raise refusal(self._runtime, "run", self._name, str(error)) from None


def opened(
    model: TfliteModel | bytes, *, threads: int | None = None, runtime: str = "ai-edge-litert"
) -> tuple[Any, float]:
    """(an interpreter of any model, how many seconds it took to become ready).

    In a process of its own where lpie did not write the model.
    """
    threads = threads or os.cpu_count() or 1
    if isinstance(model, bytes) or model.trusted:
        name = "the model" if isinstance(model, bytes) else printable(model.name)
        start = time.perf_counter()
        interpreter = _opened(model, name, runtime, num_threads=threads)
        return interpreter, time.perf_counter() - start
    find_interpreter(runtime)
    foreign = ForeignInterpreter(model, threads=threads, runtime=runtime)
    return foreign, foreign.setup_s


def observable(model: TfliteModel) -> Any:
    """An interpreter of `model`, prepared, all of whose tensors can be read.

    On TFLite's own kernels: XNNPACK would keep the tensors to itself. Raises `InputError` for an op
    that they do not know.
    """
    from ai_edge_litert.interpreter import OpResolverType

    threads, runtime = os.cpu_count() or 1, "ai-edge-litert"
    if not model.trusted:
        return ForeignInterpreter(model, threads=threads, runtime=runtime, observable=True)
    return _opened(
        model,
        printable(model.name),
        runtime,
        num_threads=threads,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )


def _opened(model: TfliteModel | bytes, name: str, runtime: str, **options: Any) -> Any:
    """An interpreter in this process."""
    make = find_interpreter(runtime)
    data = model if isinstance(model, bytes) else model.to_bytes()
    with quiet() as printed:  # it announces its delegate
        try:
            interpreter = make(model_content=data, **options)
            interpreter.allocate_tensors()
        except REFUSALS as error:
            raise refusal(runtime, "prepare", name, str(error) or printed()) from None
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
