"""The one loop in which contestants take turns (A B A B), so that a disturbance meets them all.

`interleave(members, measure, rounds=5)` asks for one measurement of each member in every round:

    times = interleave(children, lambda child, n: child.ask({"runs": 10}), rounds=5)
    for child, results in zip(children, times): ...

A ratio of two members is then formed round by round: what slowed a round slowed both of its
measurements. The harness and every study use this loop; none has another.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

Member = TypeVar("Member")
Result = TypeVar("Result")


def interleave(
    members: Sequence[Member],
    measure: Callable[[Member, int], Result | None],
    *,
    rounds: int,
    alternate: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> list[list[Result]]:
    """Measure every member once in each round, and return each member's results in order.

    Args:
        members: Whatever is measured: processes, files, jobs.
        measure: Takes a member and the number of the round, from 0. It returns None when the
            member drops out, which is then not asked again and has fewer results.
        rounds: How many rounds there are.
        alternate: Reverse the order in every second round (A B B A), so that no member always
            follows the same one.
        progress: Receives `round 1 of 5` when a round begins.

    Returns:
        One list for each member, in the order of `members`.
    """
    results: list[list[Result]] = [[] for _ in members]
    active = list(range(len(members)))
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        for index in reversed(active) if alternate and number % 2 else tuple(active):
            result = measure(members[index], number)
            if result is None:
                active = [other for other in active if other != index]
            else:
                results[index].append(result)
    return results
