"""ML Drift, LiteRT's own GPU accelerator: the classic delegate's checks, newer and with more ops.

Most rows were tried with ai-edge-litert 2.3.0 on Mesa's lavapipe: tests/export/test_gpu_run.py.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from lpie.export.delegates import conditions as c
from lpie.export.delegates import gpu
from lpie.export.delegates.conditions import Condition
from lpie.export.delegates.rule import Conditions, Rule, Types
from lpie.tflite.model import Op

SOURCE = "ml_drift_delegate/tflite/model_builder.cc"
BOOLEAN = {**gpu.TYPES, "bool": 0}


def at_most_two_inputs(op: Op) -> str | None:
    """A sum of more is not known."""
    return None if len(op.inputs) <= 2 else f"{len(op.inputs)} inputs (at most 2)"


def not_reversed(op: Op) -> str | None:
    """Slices go forward."""
    steps = op.input(3)
    return "reversed" if steps is not None and min(steps.values, default=1) < 0 else None


def one_integer_row(op: Op) -> str | None:
    """Integers of several rows find no shader."""
    rows = math.prod(op.outputs[0].shape[:-1])
    integer = not op.outputs[0].dtype.startswith("float")
    return f"{rows} rows of integers (needs 1)" if integer and rows > 1 else None


def no_float_parts(op: Op) -> str | None:
    """Seen: wrong values where the next op is fused, or "Output id not found"."""
    floats = op.outputs[0].dtype.startswith("float")
    return "wrong values or no start, seen in LiteRT 2.3.0" if floats else None


def _rule(
    version: int | None, *conditions: Condition, fatal: Conditions = (), types: Types = gpu.TYPES
) -> Rule:
    return Rule(SOURCE, version, types, conditions, fatal=fatal)


RULES: Mapping[str, Rule] = {
    **{op: replace(rule, source=SOURCE) for op, rule in gpu.GPU_RULES.items()},
    "ADD": _rule(6, gpu.two_inputs),
    "ADD_N": _rule(None, at_most_two_inputs),
    "MUL": _rule(8, gpu.two_inputs, gpu.ACTIVATION),
    **{
        op: _rule(2, *gpu.BINARY, gpu.different_operands)
        for op in ("SUB", "DIV", "MAXIMUM", "MINIMUM", "POW", "SQUARED_DIFFERENCE")
    },
    **{op: _rule(None, *gpu.BINARY, gpu.different_operands) for op in ("FLOOR_DIV", "FLOOR_MOD")},
    "DEPTHWISE_CONV_2D": _rule(6, gpu.at_most_two_runtime_inputs, gpu.ACTIVATION),
    "FULLY_CONNECTED": _rule(5, gpu.at_most_two_runtime_inputs, fatal=(one_integer_row,)),
    # One tensor twice ends the whole process.
    "BATCH_MATMUL": _rule(None, fatal=(gpu.different_operands,)),
    "MEAN": _rule(None, *gpu.REDUCE),
    **{
        op: _rule(None, gpu.no_constant_input)
        for op in ("LOG", "SQUARE", "FLOOR", "CEIL", "ROUND", "COS", "SIN", "SIGN")
    },
    **{op: _rule(None) for op in ("REVERSE_V2", "TILE", "CUMSUM", "GATHER")},
    **{op: _rule(None, types=BOOLEAN) for op in ("GREATER", "LESS", "SELECT", "SELECT_V2", "CAST")},
    "STRIDED_SLICE": _rule(4, gpu.rank_3_or_4, not_reversed, *c.PLAIN_SLICE),
    **{op: _rule(None, fatal=(no_float_parts,)) for op in ("SPLIT", "UNPACK")},
    "PACK": _rule(None),
}
