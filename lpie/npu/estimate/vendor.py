"""What Qualcomm's own compiler expects a network to take on a Hexagon NPU, without a phone.

Its libraries know the costs of ops for some chips only. Phones are told from these by
`lpie.benchmarks.predict.npu`, which fits them to published latencies.
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lpie.errors import InputError, LpieError
from lpie.npu.tools import npu_tools
from lpie.printable import printable
from lpie.system.child import Child
from lpie.system.limits import Limits, available_mb
from lpie.tflite.model import Op, TfliteModel

if TYPE_CHECKING:
    import onnx

WORKER = Path(__file__).with_name("worker.py")
Hexagon = Literal["V73", "V81"]
# Chips of which onnxruntime-qnn 2.7.0 knows the costs of ops: QCS9100 and SA8797. V73 is the NPU of
# Snapdragon 8 Gen 2; those of 8 Gen 3 and 8 Elite are its descendants.
CHIPS: dict[Hexagon, int] = {"V73": 77, "V81": 72}
LIMIT_S = 900.0


@dataclass(frozen=True)
class VendorEstimate:
    """What the compiler expects of one run.

    Attributes:
        hexagon: The NPU that it was asked about.
        cycles: Cycles of that NPU.
        ms: Milliseconds, between `lower_ms` and `upper_ms`.
        read_bytes: Weights and inputs from DRAM.
        written_bytes: Outputs to DRAM.
        spill_bytes: What did not fit into the NPU's own memory, to DRAM.
        fill_bytes: The same, back from DRAM.
        unpriced: How many parts of the compiled graph have no known cost and count as nothing.
        unpriced_ops: The kinds of ops among them; may be empty though there are some.
    """

    hexagon: Hexagon
    cycles: int
    ms: float
    lower_ms: float
    upper_ms: float
    read_bytes: int
    written_bytes: int
    spill_bytes: int
    fill_bytes: int
    unpriced: int
    unpriced_ops: tuple[str, ...] = ()

    @property
    def dram_bytes(self) -> int:
        """All that one run reads from DRAM and writes to it."""
        return self.read_bytes + self.written_bytes + self.spill_bytes + self.fill_bytes


def vendor_estimate(
    model: TfliteModel, *, hexagon: Hexagon = "V73", limit_s: float = LIMIT_S
) -> VendorEstimate:
    """What Qualcomm's compiler expects of a `.tflite`.

    Args:
        model: Any model of fixed sizes whose ops ONNX has.
        hexagon: The NPU to ask about.
        limit_s: The compiler is ended after so many seconds.

    Raises:
        InputError: The compiler is not installed, or an op cannot be written for it.
        LpieError: The compiler refuses an op, crashes, or does not end.
    """
    npu_tools()  # which says what to install, before ONNX is needed
    from lpie.npu.estimate.onnx_convert import to_onnx

    name = printable(model.name)
    (result,) = _asked([to_onnx(model)], hexagon, name, limit_s)
    estimate = _estimate(result, hexagon, name)
    if not estimate.unpriced:
        return estimate
    kinds = _unpriced_kinds(model, hexagon, limit_s)
    return VendorEstimate(**{**vars(estimate), "unpriced_ops": kinds})


def estimate_onnx(
    network: "onnx.ModelProto", *, hexagon: Hexagon, name: str, limit_s: float = LIMIT_S
) -> VendorEstimate:
    """The same of an ONNX network, which errors call `name`."""
    npu_tools()
    (result,) = _asked([network], hexagon, name, limit_s)
    return _estimate(result, hexagon, name)


def _asked(
    networks: Sequence["onnx.ModelProto"], hexagon: Hexagon, name: str, limit_s: float
) -> list[dict[str, Any]]:
    """What the compiler says to networks, in a process of its own."""
    import onnx

    with tempfile.TemporaryDirectory(prefix="lpie-npu-") as folder:
        paths = [str(Path(folder, f"{k}.onnx")) for k in range(len(networks))]
        for network, path in zip(networks, paths, strict=True):
            onnx.save(network, path)
        with Child(
            f"Qualcomm's estimate of {name}",
            [sys.executable, "-P", str(WORKER)],
            {"models": paths, "soc": CHIPS[hexagon]},
            limit_s=limit_s,
            limits=Limits(float("inf"), available_mb()),
        ) as child:
            return list(child.about["results"])


def _estimate(result: dict[str, Any], hexagon: Hexagon, name: str) -> VendorEstimate:
    if "refused" in result:
        ops = result["refused_ops"]
        which = f": {', '.join(ops[:5])}" if ops else ""
        raise LpieError(
            f"Qualcomm's compiler does not take all of {name} as one part{which}. There is no "
            "estimate for what runs partly on the CPU; `lpie inspect FILE --npu` gives reasons."
        )
    return VendorEstimate(
        hexagon=hexagon,
        cycles=result["cycles"],
        ms=result["us"] / 1e3,
        lower_ms=result["lower_us"] / 1e3,
        upper_ms=result["upper_us"] / 1e3,
        read_bytes=result["input_bytes"],
        written_bytes=result["output_bytes"],
        spill_bytes=result["spill_bytes"],
        fill_bytes=result["fill_bytes"],
        unpriced=result["unpriced"],
    )


def _unpriced_kinds(model: TfliteModel, hexagon: Hexagon, limit_s: float) -> tuple[str, ...]:
    """The kinds of ops without a cost, found by asking about one op of each kind alone."""
    from lpie.npu.estimate.onnx_convert import op_to_onnx

    alone: dict[tuple[str, str], Op] = {}
    for op in model.ops:
        if not op.folded and op.runtime_inputs:
            alone.setdefault((op.name, op.outputs[0].dtype), op)
    networks, kinds = [], []
    for (kind, _), op in alone.items():
        try:
            networks.append(op_to_onnx(model, op))
        except InputError:  # such as integers between ops, which are no image
            continue
        kinds.append(kind)
    results = _asked(networks, hexagon, printable(model.name), limit_s)
    named = [kind for kind, result in zip(kinds, results, strict=True) if result.get("unpriced")]
    return tuple(dict.fromkeys(named))
