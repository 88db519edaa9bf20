"""What one delegate's table says: a rule per op, and what holds for every op."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lpie.export.delegates import conditions as c
from lpie.export.delegates.conditions import Condition

Conditions = tuple[Condition, ...]
# Type of a tensor to the lowest API level that takes it; only NNAPI has levels.
Types = Mapping[str, int]


@dataclass(frozen=True)
class Rule:
    """When a delegate takes an op, and the source file that says so.

    `version` is the highest op version, None where any will do. `before` holds conditions for
    API levels below its key. A broken `fatal` condition is found only after the delegate
    accepted the op, and then the whole delegate fails.
    """

    source: str
    version: int | None
    types: Types
    conditions: Conditions = ()
    level: int = 0
    before: Mapping[int, Conditions] = field(default_factory=dict)
    fatal: Conditions = ()


@dataclass(frozen=True)
class Delegate:
    """A delegate's table. `level` is the Android API level, 0 where it does not matter."""

    source: str
    rules: Mapping[str, Rule]
    level: int = 0
    everywhere: Conditions = (c.fixed_shape, c.rank_at_most_4)
