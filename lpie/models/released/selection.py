"""Which of the arrays in a checkpoint are the network's weights, and what their names are in it.

Training code wraps weights in mappings (`state_dict`, `params_ema`) and names in prefixes
(`module.`, `_orig_mod.`, `net_g.`). Averaged weights (EMA) come first, then those of the largest
network; discriminators and optimizers come last.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from lpie.models.released.pickles import Standin, Tensor
from lpie.models.released.torch_files import PickledArray

Array = NDArray | Tensor
Arrays = dict[str, Array]
Path = tuple[str, ...]

_AVERAGED = re.compile(
    r"(?i:(?:^|[_\d-])(?:ema|swa|shadow|averaged?|polyak)(?:$|[_\d-]))|[a-zG_](?:EMA|Ema|SWA)(?:$|[A-Z_])"
)
_OTHER = re.compile(
    r"optim|sched|discriminator|critic|scaler|callback|hyper|hparam|(?:^|_)net_?d(?:$|_)|^d$|^opt$"
    r"|collected_params|grad|(?:^|_)(?:loss|criterion|metrics?|teacher|vgg|lpips)(?:$|_)",
    re.IGNORECASE,
)
# What torch.compile and FSDP put before a part's name, anywhere in it.
_ANYWHERE = {"_orig_mod", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
# What wraps a whole network.
_WRAPPER = re.compile(
    r"_?(?:module|(?:base_|wrapped_|inner_|online_)?model(?:_g)?|net(?:work)?_?g?|gen(?:erator)?|g"
    r"|student|denoiser|restor(?:er|ation)|arch|core|backbone|params?|weights?|(?:model_)?state_dict)",
    re.IGNORECASE,
)
_BUFFER = re.compile(r"(?:^|\.)(?:running_mean|running_var|num_batches_tracked)$")
_USUAL = ("params", "state_dict", "model_state_dict", "model", "weights")
_DEEPEST = 8


class Choice(NamedTuple):
    """The arrays of one mapping.

    path: the keys and prefixes that lead to them in the file. left_out: sentences about what else
    the file holds and is not taken.
    """

    arrays: Arrays
    path: Path = ()
    left_out: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where the arrays lie in the file."""
        return ".".join(key for key in self.path if key)


def choose(content: Any, wanted: Sequence[Collection[str]] = ()) -> Choice:
    """The weights in what a file holds; without arrays where it holds none.

    wanted: sets of names of which one must be complete, where the network is known: the best choice
    that has them is taken. Without it, or where none has them, the best one by its place and size.
    """
    mappings = [Choice(_cleaned(arrays), path) for arrays, path in _mappings(content)]
    mappings += _named_averages(content, mappings)
    fitting = [fit for names in wanted for choice in mappings for fit in _fitting(choice, names)]
    choices = fitting or [part for choice in mappings for part in _parts(choice)]
    if not choices:
        return Choice({})
    largest = max(_count(choice) for choice in choices)
    best = min((c for c in choices if 2 * _count(c) >= largest), key=_rank, default=Choice({}))
    return best._replace(left_out=(*best.left_out, *_averages_left(content, best)))


def is_averaged(path: Path) -> bool:
    """Whether these keys lead to averaged weights."""
    return any(_AVERAGED.search(key) for key in path)


def _rank(choice: Choice) -> tuple[Any, ...]:
    other = any(_OTHER.search(key) for key in choice.path)
    last = choice.path[-1] if choice.path else ""
    usual = _USUAL.index(last) if last in _USUAL else len(_USUAL)
    return other, not is_averaged(choice.path), -_count(choice), usual, len(choice.path)


def _count(choice: Choice) -> int:
    return sum(len(array.shape) > 0 for array in choice.arrays.values())


def _mappings(content: Any) -> Iterator[tuple[Arrays, Path]]:
    """The arrays of every mapping and module, with the keys that lead there."""
    for node, path in _nodes(content):
        if arrays := _own_arrays(node):
            yield arrays, path


def _nodes(content: Any) -> Iterator[tuple[Any, Path]]:
    """Whatever may hold arrays, once, from the top down."""
    waiting: list[tuple[Any, Path]] = [(content, ())]
    seen: set[int] = set()
    for node, path in waiting:  # which grows
        if id(node) in seen or len(path) > _DEEPEST:
            continue
        seen.add(id(node))
        yield node, path
        if not _is_module(node):
            waiting += [
                (value, (*path, str(key)))
                for key, value in _entries(node).items()
                if isinstance(value, dict | list | tuple | Standin)
            ]


def _entries(node: Any) -> dict[Any, Any]:
    if isinstance(node, dict):
        return node
    if not isinstance(node, Standin):
        return {}
    return node.items or _attributes(node)


def _attributes(node: Standin) -> dict[Any, Any]:
    """What the object keeps, also of one with slots: (dict, slots)."""
    state = node.state
    if isinstance(state, tuple) and len(state) == 2:
        state = state[0] if isinstance(state[0], dict) else state[1]
    return state if isinstance(state, dict) else {}


def _is_module(node: Any) -> bool:
    """Whether a whole network was pickled, and not only its weights; TorchScript's, too."""
    if not isinstance(node, Standin):
        return False
    return "_modules" in _attributes(node) or node.name.startswith("__torch__")


def _own_arrays(node: Any) -> Arrays:
    if _is_module(node):
        return _module_arrays(node)
    return {
        str(key): array
        for key, value in _entries(node).items()
        if (array := _array(value)) is not None
    }


def _array(value: Any) -> Array | None:
    if isinstance(value, PickledArray):
        return value.array
    return value if isinstance(value, Tensor) or type(value).__name__ == "ndarray" else None


def _module_arrays(top: Standin) -> Arrays:
    """The parameters and buffers of a pickled network by their full names."""
    arrays: Arrays = {}
    waiting: list[tuple[Any, str]] = [(top, "")]
    seen: set[int] = set()
    for module, prefix in waiting:  # which grows
        if id(module) in seen or prefix.count(".") > 4 * _DEEPEST:
            continue
        seen.add(id(module))
        attributes = _attributes(module)
        named = [attributes.get("_parameters"), attributes.get("_buffers")]
        holders = [entries for part in named if (entries := _entries(part))] or [attributes]
        for entries in holders:
            for key, value in entries.items():
                if (array := _array(value)) is not None:
                    arrays[f"{prefix}{key}"] = array
        inner = _entries(attributes["_modules"]) if "_modules" in attributes else attributes
        waiting += [(m, f"{prefix}{key}.") for key, m in inner.items() if isinstance(m, Standin)]
    return arrays


def _cleaned(arrays: Arrays) -> Arrays:
    """`arrays` without what wrappers put into the middle of names."""
    clean = {
        ".".join(part for part in name.split(".") if part not in _ANYWHERE): array
        for name, array in arrays.items()
    }
    return clean if len(clean) == len(arrays) else arrays


def _parts(choice: Choice) -> list[Choice]:
    """The choice without the prefix that all its names share; several where it holds several."""
    groups: dict[Path, Arrays] = {}
    for name, array in choice.arrays.items():
        prefix = _wrapping(name)
        groups.setdefault(prefix, {})[name[len(".".join((*prefix, ""))) :]] = array
    large = {prefix: group for prefix, group in groups.items() if _count(Choice(group))}
    split = len(large) == 1 or () not in large or any(is_averaged(prefix) for prefix in large)
    if not split or not large:
        return [choice]
    return [Choice(group, (*choice.path, *prefix)) for prefix, group in large.items()]


def _wrapping(name: str) -> Path:
    """The leading parts of a name that wrap a network; its last two parts are never among them."""
    parts = name.split(".")
    wrapped = 0
    for part in parts[:-1]:
        if not (_WRAPPER.fullmatch(part) or _AVERAGED.search(part) or _OTHER.search(part)):
            break
        wrapped += 1
    return tuple(parts[:wrapped])


def _fitting(choice: Choice, names: Collection[str]) -> Iterator[Choice]:
    """The parts of `choice` that hold all `names` behind one prefix."""
    anchor = max(names, key=len)
    for key in choice.arrays:
        for spelled in (str, _without_dots):
            end = spelled(anchor)
            prefix = key.removesuffix(end)
            if prefix == key or prefix[-1:] not in ("", "."):
                continue
            theirs = {name: prefix + spelled(name) for name in names}
            if all(name in choice.arrays for name in theirs.values()):
                yield _fitted(choice, prefix, theirs if spelled is _without_dots else None)
                break


def _without_dots(name: str) -> str:
    """A weight's name as classes of averaged weights in modules spell it."""
    return name.replace(".", "")


def _fitted(choice: Choice, prefix: str, theirs: dict[str, str] | None) -> Choice:
    own = {
        name: array
        for name, array in choice.arrays.items()
        if name.startswith(prefix) and not _OTHER.search(name[len(prefix) :].split(".")[0])
    }
    arrays = (
        {name[len(prefix) :]: array for name, array in own.items()}
        if theirs is None
        else {name: choice.arrays[spelled] for name, spelled in theirs.items()}
    )
    rest = [name for name in choice.arrays if name not in own]
    say = (f"{len(rest)} arrays of other parts ({rest[0]}, ...)",) if rest else ()
    return Choice(arrays, (*choice.path, *filter(None, prefix.split("."))), say)


def _named_averages(content: Any, choices: Sequence[Choice]) -> list[Choice]:
    """Averaged weights that are a list in the order of the parameters, with their names."""
    named = []
    for path, listed in _averaged_lists(content):
        for choice in choices:
            names = [name for name in choice.arrays if not _BUFFER.search(name)]
            shapes = [tuple(choice.arrays[name].shape) for name in names]
            if shapes == [tuple(array.shape) for array in listed]:
                named.append(Choice(dict(zip(names, listed, strict=True)), path))
                break
    return named


def _averaged_lists(content: Any) -> Iterator[tuple[Path, list[Array]]]:
    for node, path in _nodes(content):
        if isinstance(node, list | tuple) and is_averaged(path) and "collected_params" not in path:
            arrays = [array for value in node if (array := _array(value)) is not None]
            if arrays and len(arrays) == len(node):
                yield path, arrays


def _averages_left(content: Any, best: Choice) -> Iterator[str]:
    """Sentences about averaged weights that were not taken."""
    if is_averaged(best.path):
        return
    places = [(path, len(arrays)) for arrays, path in _mappings(content) if is_averaged(path)]
    places += [(path, len(listed)) for path, listed in _averaged_lists(content)]
    for path, count in places:
        if 2 * count >= _count(best):
            yield f"its averaged weights ({'.'.join(path)}), whose names or shapes do not fit"
