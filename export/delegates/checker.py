"""A verdict on a `.tflite` file: which ops a delegate takes, which it refuses, in how many
partitions it runs.

The rules were read on 2026-11-20 in google-ai-edge/LiteRT at f67457790; each rule names the file
that it comes from. An op that has no row is refused. None of it has been tried on a phone. The
tests compare the verdicts of XNNPACK with the interpreter and those of ML Drift with LiteRT's
accelerator on a GPU.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lpie.errors import InputError, unknown_name
from lpie.export.delegates import conditions as c
from lpie.export.delegates import gpu, mldrift, nnapi, xnnpack
from lpie.export.delegates.rule import Delegate, Rule
from lpie.tflite.delegates import DELEGATES as NAMED
from lpie.tflite.model import Op, TfliteModel

DELEGATES: Mapping[str, Delegate] = {
    "gpu": Delegate(gpu.GRAPH, gpu.GPU_RULES),
    "gpu-gl": Delegate(gpu.GL_KERNELS, gpu.GL_RULES),
    "mldrift": Delegate(mldrift.SOURCE, mldrift.RULES),
    **{f"nnapi-{n}": Delegate(nnapi.SOURCE, nnapi.NNAPI_RULES, level=n) for n in range(27, 32)},
    # XNNPACK takes ranks up to 6.
    "xnnpack": Delegate(xnnpack.SOURCE, xnnpack.XNNPACK_RULES, everywhere=(c.fixed_shape,)),
}
NO_ROW = "not in the delegate's table"


@dataclass(frozen=True)
class Refusal:
    """An op that the delegate does not take, by its position in the file, and where that stands.

    `fatal` refusals come after the op was accepted: the whole delegate fails to start.
    """

    index: int
    op: str
    reason: str
    source: str
    fatal: bool = False


@dataclass(frozen=True)
class Verdict:
    """What `delegate` makes of a file.

    `accepted` counts the ops it takes, with those that only unpack weights. `partitions` counts
    the parts of the model that it runs, each with a copy in and out: 0 when the delegate fails.
    """

    delegate: str
    accepted: int
    refused: tuple[Refusal, ...]
    partitions: int

    @property
    def kills_delegate(self) -> bool:
        """Whether the delegate fails as a whole instead of leaving ops to the CPU."""
        return any(refusal.fatal for refusal in self.refused)

    @property
    def full(self) -> bool:
        """Whether the delegate takes every op."""
        return not self.refused


def check_delegate(path_or_model: Path | str | TfliteModel, delegate: str) -> Verdict:
    """Say which ops of a `.tflite` a phone's delegate would take, by rules read in its source.

    Args:
        path_or_model: The path of a `.tflite` file, or a parsed one.
        delegate: gpu (or gpu-cl), gpu-gl, mldrift, xnnpack, nnapi (the newest level known), or
            nnapi-27 to nnapi-31 (NNAPI of that Android API level).

    Returns:
        The ops accepted and refused, each with a reason and its source, and the number of
        partitions that the delegate would run.

    Raises:
        InputError: For a delegate that is unknown or has no rules, and for a file that is missing,
            damaged or no `.tflite`.
    """
    delegate = find_rules(delegate)
    if isinstance(path_or_model, TfliteModel):
        model = path_or_model
    else:
        model = TfliteModel.read(Path(path_or_model))
    table = DELEGATES[delegate]
    refused = tuple(r for op in model.ops if (r := _refusal(op, table)) is not None)
    fails = any(refusal.fatal for refusal in refused)
    left_out = {refusal.index for refusal in refused}
    return Verdict(
        delegate=delegate,
        accepted=len(model.ops) - len(refused),
        refused=refused,
        partitions=0 if fails else count_partitions(model.ops, left_out),
    )


def find_rules(delegate: str) -> str:
    """The key in `DELEGATES` of what people call `delegate`; an `InputError` for none."""
    if delegate in DELEGATES:
        return delegate
    if delegate not in NAMED:
        judged = [name for name, named in NAMED.items() if named.rules]
        raise unknown_name("delegate", delegate, [*DELEGATES, *judged])
    if not NAMED[delegate].rules:
        raise InputError(
            f"lpie has no rules for the delegate {delegate} ({NAMED[delegate].about}). "
            f"Choose one of: {', '.join(DELEGATES)}."
        )
    return NAMED[delegate].rules


def count_partitions(ops: Sequence[Op], left_out: set[int]) -> int:
    """How many partitions without an op of `left_out` TFLite cuts the model into.

    TFLite's greedy walk, tflite/graph_info.cc: take the first op whose inputs are ready, then
    every op of its kind that becomes ready; then change over.
    """
    pending = [op for op in ops if not op.folded]
    waiting = {tensor.index for op in pending for tensor in op.outputs}
    partitions = 0
    while pending:
        kind: bool | None = None
        while ready := _take(pending, waiting, left_out, kind):
            kind = ready[0].index not in left_out
            pending = [op for op in pending if op not in ready]
        if kind is None:  # A cycle: nothing is ever ready.
            break
        partitions += kind
    return partitions


def _take(pending: list[Op], waiting: set[int], left_out: set[int], kind: bool | None) -> list[Op]:
    """The ops of one kind that are ready in one pass; their outputs leave `waiting`."""
    taken = []
    for op in pending:
        delegated = op.index not in left_out
        if kind not in (None, delegated):
            continue
        if any(tensor.index in waiting for tensor in op.runtime_inputs):
            continue
        kind = delegated
        taken.append(op)
        waiting.difference_update(tensor.index for tensor in op.outputs)
    return taken


def _refusal(op: Op, table: Delegate) -> Refusal | None:
    rule = table.rules.get(op.name)
    if op.folded:
        return None
    if rule is None:
        return Refusal(op.index, op.name, NO_ROW, table.source)
    for reason in _reasons(op, rule, table):
        return Refusal(op.index, op.name, reason, rule.source)
    for condition in rule.fatal:
        if (broken := condition(op)) is not None:
            return Refusal(op.index, op.name, broken, rule.source, fatal=True)
    return None


def _reasons(op: Op, rule: Rule, table: Delegate) -> Iterator[str]:
    """Why the op is left to the CPU, the most telling reason first."""
    if table.level < rule.level:
        yield f"needs API {rule.level}"
    yield from _type_reasons(op, rule, table.level)
    if rule.version is not None and op.version > rule.version:
        yield f"op version {op.version} (at most {rule.version})"
    early = [c for level, checks in rule.before.items() if table.level < level for c in checks]
    for condition in (*table.everywhere, *rule.conditions, *early):
        if (reason := condition(op)) is not None:
            yield reason


def _type_reasons(op: Op, rule: Rule, level: int) -> Iterator[str]:
    """Run-time tensors of a type that the delegate, or this level of it, does not know."""
    # Sizes and axes that are not constant are refused as such, not for being int32.
    tensors = (*op.runtime_inputs[:1], *op.outputs)
    for kind in sorted({tensor.dtype for tensor in tensors}):
        if kind not in rule.types:
            yield f"type {kind}"
        elif level < rule.types[kind]:
            yield f"type {kind} needs API {rule.types[kind]}"
