"""Where a model is asked to run: a processor, its backend, its precision."""

import re
from dataclasses import dataclass

from lpie.errors import InputError
from lpie.tflite.delegates import DELEGATES

NAMES = tuple(name for name, delegate in DELEGATES.items() if delegate.timed)
CPU = ("cpu", "xnnpack")


@dataclass(frozen=True)
class Delegate:
    """cpu: TFLite's own kernels. gpu: the delegate chooses its backend; cl and gl force one.

    precision: what a GPU may compute in. accelerator: NNAPI's, "" for its own choice.
    """

    name: str
    precision: str | None = None
    accelerator: str = ""

    def __str__(self) -> str:
        more = "-fp32" if self.precision == "fp32" else ""
        return self.name + more + (f":{self.accelerator}" if self.accelerator else "")

    @property
    def kind(self) -> str:
        """The name without the backend."""
        return self.name.partition("-")[0]

    @property
    def backend(self) -> str:
        """`cl`, `gl`, or "" for the delegate's choice."""
        return self.name.partition("-")[2]


def parse_delegate(text: str) -> Delegate:
    """cpu, xnnpack, gpu, gpu-cl, gpu-gl (each with -fp16 or -fp32), nnapi, nnapi:NAME or npu."""
    match = re.fullmatch(
        rf"({'|'.join(NAMES)})(?:-(fp16|fp32))?(?::([\w.-]{{1,60}}))?", text.strip()
    )
    name, precision, accelerator = match.groups() if match else ("", None, None)
    if not match or (precision and "gpu" not in name) or (accelerator and name != "nnapi"):
        raise InputError(
            f"Unknown delegate {text!r}. Valid: {', '.join(NAMES)}; a GPU's with -fp16 or -fp32 "
            "(gpu-cl-fp32), NNAPI's accelerator by its name (nnapi:google-edgetpu)."
        )
    return Delegate(
        name, (precision or "fp16") if name.startswith("gpu") else None, accelerator or ""
    )
