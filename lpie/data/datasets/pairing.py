"""Matches degraded and target files of a source, by rules about their paths."""

import re
from collections.abc import Callable
from typing import NamedTuple

from lpie.data.datasets.archives import Source
from lpie.data.datasets.sidd_blocks import block_grid
from lpie.errors import InputError


class Pair(NamedTuple):
    """One photo by its paths in the source; block: which one of a .mat file."""

    target: str
    degraded: str | None = None
    block: tuple[int, int] | None = None


class Rule(NamedTuple):
    """The pairs of a split: two patterns, whose groups are equal in a pair."""

    split: str
    target: str
    degraded: str | None = None
    # The organisers of a challenge keep the targets of its later phases.
    withheld: bool = False


# (the source as seen from the data set's top folder, its pairs by split)
SplitPairs = tuple[Source, dict[str, list[Pair]]]
Finder = Callable[[Source], SplitPairs]


def by_rules(*choices: tuple[Rule, ...]) -> Finder:
    """Finds the pairs by the first of `choices` that any file follows."""

    def find(source: Source) -> SplitPairs:
        for rules in choices:
            roots = {root for rule in rules for root in _roots(source, rule)}
            if len(roots) > 1:
                raise InputError(
                    f"{source.path} holds several data sets: "
                    f"{', '.join(sorted(root or './' for root in roots))}. Name one of them."
                )
            if roots:
                top = source.under(roots.pop())
                splits = {rule.split: _matched(top, rule) for rule in rules}
                return top, {split: pairs for split, pairs in splits.items() if pairs}
        return source, {}

    return find


def by_lists(lists: dict[str, str]) -> Finder:
    """Finds the pairs that list files name, a target and a degraded path a line.

    lists: the list's name by split.
    """
    rules = tuple(Rule(split, re.escape(name)) for split, name in lists.items())

    def find(source: Source) -> SplitPairs:
        top, splits = by_rules(rules)(source)
        return top, {split: _lines(top, pairs[0].target) for split, pairs in splits.items()}

    return find


def by_blocks(split: str, target: str, degraded: str) -> Finder:
    """Finds the blocks of two .mat files of those names, scene by scene."""
    rules = (Rule(split, re.escape(target), re.escape(degraded)),)

    def find(source: Source) -> SplitPairs:
        top, splits = by_rules(rules)(source)
        if splits:
            splits[split] = _blocks(top, splits[split][0])
        return top, splits

    return find


def halved(find: Finder) -> Finder:
    """The pairs of `find`, the first half of its test pairs held back for validation."""

    def find_halves(source: Source) -> SplitPairs:
        top, splits = find(source)
        test = splits.pop("test", [])
        middle = len(test) // 2
        parts = {**splits, "validation": test[:middle], "test": test[middle:]}
        return top, {split: pairs for split, pairs in parts.items() if pairs}

    return find_halves


def _roots(source: Source, rule: Rule) -> set[str]:
    """The folders, at most two deep, from which a side of the rule fits a file."""
    patterns = [
        re.compile(rf"((?:[^/]+/){{0,2}}?){side}", re.IGNORECASE)
        for side in (rule.target, rule.degraded)
        if side
    ]
    matches = (pattern.fullmatch(name) for pattern in patterns for name in source.sizes)
    return {match[1] for match in matches if match}


def _matched(source: Source, rule: Rule) -> list[Pair]:
    target = _side(source, rule.target)
    if rule.degraded is None:
        return [Pair(target[key]) for key in sorted(target)]
    degraded = _side(source, rule.degraded)
    if rule.withheld and not target:
        return []
    if lonely := sorted(target.keys() ^ degraded.keys()):
        raise _without_partner(source, lonely, target, degraded)
    return [Pair(target[key], degraded[key]) for key in sorted(target)]


Side = dict[tuple[str, ...], str]


def _side(source: Source, pattern: str) -> Side:
    """Files by the groups of `pattern`, which name a photo."""
    files: Side = {}
    for name in sorted(source.sizes):
        if match := re.fullmatch(pattern, name, re.IGNORECASE):
            key = match.groups()
            if key in files:
                raise InputError(f"{source.where(name)} and {files[key]} have one name. Keep one.")
            files[key] = name
    return files


def _without_partner(
    source: Source, lonely: list[tuple[str, ...]], target: Side, degraded: Side
) -> InputError:
    has, lacks = (target, degraded) if lonely[0] in target else (degraded, target)
    model = next((key for key in has if key in lacks), None)
    like = f" as {has[model]} has in {lacks[model]}" if model else ""
    others = f" (nor have {len(lonely) - 1} others)" if len(lonely) > 1 else ""
    return InputError(f"{source.where(has[lonely[0]])} has no partner{like}{others}.")


def _blocks(source: Source, files: Pair) -> list[Pair]:
    names = [name for name in (files.target, files.degraded) if name]
    grid, *others = (block_grid(source, name) for name in names)
    if others != [grid]:
        raise InputError(
            f"{source.path}: {' and '.join(names)} must be of one shape. "
            f"Received: {list(grid)} and {list(*others)}."
        )
    scenes, blocks = grid[:2]
    return [files._replace(block=(i, j)) for i in range(scenes) for j in range(blocks)]


def _lines(source: Source, name: str) -> list[Pair]:
    pairs = []
    for number, line in enumerate(source.read(name).decode(errors="replace").splitlines(), 1):
        words = line.split()
        if len(words) not in (0, 2):
            raise InputError(f"{source.where(name)}, line {number} must name two files.")
        for word in words:
            if word not in source.sizes:
                raise InputError(f"{source.where(word)} is missing; {name} names it.")
        if words:
            pairs.append(Pair(words[0], words[1]))
    return pairs
