"""A verdict on a `.tflite` file: what a delegate takes, what it refuses and in how many pieces."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lpie.errors import unknown_name
from lpie.export.delegates.rule import Delegate, Rule
from lpie.export.delegates.rules import DELEGATES
from lpie.tflite.model import read_tflite
from lpie.tflite.node import Node, read_nodes

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
    the pieces it runs, each with a copy in and out: 0 when the delegate fails.
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


def check_delegate(path_or_model: Path | str | Any, delegate: str) -> Verdict:
    """What `delegate` would do with a `.tflite` file, or with its parsed `ModelT`.

    Raises `InputError` for an unknown delegate or an unreadable file.
    """
    if delegate not in DELEGATES:
        raise unknown_name("delegate", delegate, DELEGATES)
    is_path = isinstance(path_or_model, str | Path)
    nodes = read_nodes(read_tflite(Path(path_or_model)) if is_path else path_or_model)
    table = DELEGATES[delegate]
    refused = tuple(r for node in nodes if (r := _refusal(node, table)) is not None)
    fails = any(refusal.fatal for refusal in refused)
    left_out = {refusal.index for refusal in refused}
    return Verdict(
        delegate=delegate,
        accepted=len(nodes) - len(refused),
        refused=refused,
        partitions=0 if fails else count_partitions(nodes, left_out),
    )


def count_partitions(nodes: list[Node], left_out: set[int]) -> int:
    """How many pieces TFLite cuts the graph into that hold no op of `left_out`.

    TFLite's greedy walk, tflite/graph_info.cc: take the first op whose inputs are ready, then
    every op of its kind that becomes ready; then change over.
    """
    pending = [node for node in nodes if not node.folded]
    waiting = {tensor.index for node in pending for tensor in node.outputs}
    pieces = 0
    while pending:
        kind: bool | None = None
        while ready := _take(pending, waiting, left_out, kind):
            kind = ready[0].index not in left_out
            pending = [node for node in pending if node not in ready]
        if kind is None:  # A cycle: nothing is ever ready.
            break
        pieces += kind
    return pieces


def _take(
    pending: list[Node], waiting: set[int], left_out: set[int], kind: bool | None
) -> list[Node]:
    """The ops of one kind that are ready in one pass; their outputs leave `waiting`."""
    taken = []
    for node in pending:
        delegated = node.index not in left_out
        if kind not in (None, delegated):
            continue
        if any(tensor.index in waiting for tensor in node.runtime_inputs):
            continue
        kind = delegated
        taken.append(node)
        waiting.difference_update(tensor.index for tensor in node.outputs)
    return taken


def _refusal(node: Node, table: Delegate) -> Refusal | None:
    rule = table.rules.get(node.op)
    if node.folded:
        return None
    if rule is None:
        return Refusal(node.index, node.op, NO_ROW, table.source)
    for reason in _reasons(node, rule, table):
        return Refusal(node.index, node.op, reason, rule.source)
    for condition in rule.fatal:
        if (broken := condition(node)) is not None:
            return Refusal(node.index, node.op, broken, rule.source, fatal=True)
    return None


def _reasons(node: Node, rule: Rule, table: Delegate) -> Iterator[str]:
    """Why the op is left to the CPU, the most telling reason first."""
    if table.level < rule.level:
        yield f"needs API {rule.level}"
    yield from _type_reasons(node, rule, table.level)
    if rule.version is not None and node.version > rule.version:
        yield f"op version {node.version} (at most {rule.version})"
    early = [c for level, checks in rule.before.items() if table.level < level for c in checks]
    for condition in (*table.everywhere, *rule.conditions, *early):
        if (reason := condition(node)) is not None:
            yield reason


def _type_reasons(node: Node, rule: Rule, level: int) -> Iterator[str]:
    """Run-time tensors of a type that the delegate, or this level of it, does not know."""
    # Sizes and axes that are not constant are refused as such, not for being int32.
    tensors = (*node.runtime_inputs[:1], *node.outputs)
    for kind in sorted({tensor.dtype for tensor in tensors}):
        if kind not in rule.types:
            yield f"type {kind}"
        elif level < rule.types[kind]:
            yield f"type {kind} needs API {rule.types[kind]}"
