"""What stands in the way of an exported file: ops left in float, and what 8 bits do to each op."""

import csv
import io
import math
import warnings
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.export.recipes import Recipe
from lpie.system.quiet import quiet
from lpie.tflite.model import CONVERSIONS, TfliteModel
from lpie.tflite.names import layer_of


@dataclass(frozen=True)
class Inexact:
    """An op of an int8 file: its root mean square error against the same op in float.

    `steps` counts steps of its output's scale, of which rounding alone makes 0.29; `step` is one.
    `signal_db` is how far the error lies below the output's range.
    """

    op: str
    layer: str
    steps: float
    step: float

    def sentence(self) -> str:
        """The op and its error in a few words."""
        return f"{self.op} in {self.layer} ({self.signal_db:.1f} dB)"

    @property
    def signal_db(self) -> float:
        """PSNR of its output, whose range has 256 steps, in dB."""
        return 20 * math.log10(255 / max(self.steps, 1e-9))


def float_ops(model: TfliteModel) -> dict[str, int]:
    """How many ops of each kind a quantized `model` still computes in float."""
    counts: Counter[str] = Counter()
    for op in model.ops:
        types = {tensor.dtype for tensor in op.outputs if not tensor.stored}
        if types == {"float32"} and op.name not in CONVERSIONS:
            counts[op.name] += 1
    return dict(counts)


def least_exact(
    converter: Any, tiles: list[NDArray[np.float32]], *, most: int = 3
) -> list[Inexact]:
    """The ops that int8 makes worst, by TensorFlow's quantization debugger; the worst first.

    converter: one that was set up for the recipe. tiles: [H, W, 3] at the size of its model.
    Rounding alone leaves 58.9 dB.
    """
    import tensorflow as tf

    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=lambda: ([tile[None]] for tile in tiles)
        )
        debugger.run()
        table = io.StringIO()
        debugger.layer_statistics_dump(table)
    table.seek(0)
    ops = [_inexact(row) for row in csv.DictReader(table) if float(row["scale"] or 0) > 0]
    return sorted(ops, key=lambda op: -op.steps)[:most]


def advice(worst: Sequence[Inexact], layers: Collection[str], recipe: Recipe) -> str:
    """Sentences on the `worst` ops, and on what helps a network of these kinds of `layers`."""
    names = ", ".join(op.sentence() for op in worst)
    losses = (
        f" In 8 bits these ops lose most (rounding alone leaves 58.9 dB): {names}." if worst else ""
    )
    helps = ["`--recipe mixed` leaves the worst layers in float (it needs pairs: --pairs)"]
    activations = sorted({"ELU", "PReLU"} & set(layers))
    if activations:
        helps.append(f"ReLU in the place of {' and '.join(activations)} needs smaller ranges")
    if not recipe.needs_qat:
        helps.append("`lpie quantize-aware MODEL --workdir RUN`, then `--recipe qat_int8`")
    helps.append("`--recipe float16`")
    helps.append("`--no-verify` writes the file as it is")
    return f"{losses if worst else ''} What helps: {'; '.join(helps)}."


def _inexact(row: dict[str, str]) -> Inexact:
    step = float(row["scale"])
    layer = layer_of(row["tensor_name"])
    return Inexact(row["op_name"], layer, math.sqrt(float(row["mean_squared_error"])) / step, step)
