"""Reads a pickle without running anything in it: tensors and plain containers, the rest inert.

A small machine of its own in place of `pickle.Unpickler`, which allocates what a file declares
(nine bytes take 4 GB) and hashes whatever the file tells it to. Time and memory are bounded by the
size of the file.
"""

import pickletools
import re
import types
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

from lpie.errors import InputError

# A checkpoint of 10,000 tensors with the state of its optimizer has about a million.
MOST_OPCODES = 2_000_000
_LONGEST_KEY = 4096
# Whoever names these wants to run something: no training state needs them.
_REFUSED = re.compile(
    r"os|posix|nt|subprocess|sys|shutil|importlib|runpy|pty|socket|ctypes|code|pdb|bdb|timeit"
    r"|webbrowser|commands|platform|signal|multiprocessing|threading|asyncio|http|urllib|ftplib|pip"
    r"|imp|zipimport|operator|_?pickle|marshal|types|inspect|gc|(?:__)?builtins?(?:__)?"
)
_PLAIN = re.compile(
    r"(?:__builtin__|builtins)\.(?:set|frozenset|dict|list|tuple|int|float|complex|bool|str|bytes"
    r"|bytearray|slice|range|object|unicode|long|xrange|getattr)"
)


class Storage(NamedTuple):
    """Numbers that tensors are views of; data: where a pickle holds them itself."""

    kind: str
    key: str
    data: bytes | None = None


class Tensor(NamedTuple):
    """A view of a storage, not read yet; dtype: where it is not that of its storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str = ""


class Standin:
    """An object of a class that is not loaded, with what its pickle says of it.

    name: of the class or function; args: what it was called with; state: what it was built from;
    items: its entries, where it is a mapping.
    """

    __slots__ = ("args", "items", "name", "state")

    def __init__(self, name: str, args: Any = ()) -> None:
        self.name, self.args = name, args
        self.state: Any = None
        self.items: dict[Any, Any] = {}


class _Global(NamedTuple):
    """A class or function by its module and name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    def dangerous(self) -> bool:
        """Whether its module can run programs."""
        return bool(_REFUSED.fullmatch(self.module.partition(".")[0]))


_MARK = object()
Known = Mapping[tuple[str, str], Callable[..., Any]]


def read_pickle(
    file: BinaryIO, known: Known, *, room: int, storages: dict[str, str] | None = None
) -> Any:
    """The content of the pickle that begins here in `file`; `file` then stands behind it.

    known: functions for the names that mean something, called with what the pickle gives them.
    room: how many bytes the whole file has, which bounds what may be copied. storages: takes the
    kind of every storage by its key. Raises an `InputError` for a pickle that asks to run something
    or repeats itself, a `ValueError` and the like for a damaged one.
    """
    machine = _Machine(known, room)
    content = machine.run(file)
    if storages is not None:
        storages.update(machine.storages)
    return content


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self, known: Known, room: int) -> None:
        self.known, self.room = known, room
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, str] = {}

    def run(self, file: BinaryIO) -> Any:
        # Without `tell`, which would be called before every opcode.
        source: Any = types.SimpleNamespace(read=file.read, readline=file.readline)
        for count, (opcode, argument, _) in enumerate(pickletools.genops(source)):
            if count > MOST_OPCODES:
                raise InputError("it has more parts than any file of weights.")
            step = _STEPS.get(opcode.name)
            if step is not None:
                step(self, argument)
            elif _PUSHED.fullmatch(opcode.name):
                self.stack.append(argument)
            else:
                raise ValueError(f"the opcode {opcode.name}")
        return self.pop()

    def spend(self, amount: int) -> None:
        """Account for a copy of `amount` bytes or entries."""
        self.room -= amount
        if self.room < 0:
            raise InputError("it repeats its own parts without end.")

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark stands where a value should")
        return value

    def top(self) -> Any:
        return self.stack[-1]

    def since_mark(self) -> list[Any]:
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("a mark is missing")
        values = self.stack[place + 1 :]
        del self.stack[place:]
        return values

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def global_(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a class without a name")
        wanted = _Global(module, name)
        if wanted.dangerous() and not _PLAIN.fullmatch(str(wanted)):
            raise _refusal(str(wanted))
        self.stack.append(wanted)

    def call(self, function: Any, arguments: Any) -> None:
        """Push what a known function returns, or a stand-in for what another would."""
        if not isinstance(function, _Global):
            self.stack.append(Standin("an unknown object", arguments))
            return
        if function.name == "getattr" and not _is_enumeration(arguments):
            raise _refusal(str(function))
        known = self.known.get(function)
        if known is None or not isinstance(arguments, tuple):
            self.stack.append(Standin(str(function), arguments))
            return
        self.spend(sum(len(a) for a in arguments if isinstance(a, str | bytes | list | dict)))
        self.stack.append(known(*arguments))

    def build(self) -> None:
        state, target = self.pop(), self.top()
        if isinstance(target, Standin):
            target.state = state
        elif hasattr(target, "build"):
            self.spend(sum(len(s) for s in state if isinstance(s, str | bytes)))
            target.build(state)

    def set_items(self, entries: list[Any]) -> None:
        target = self.top()
        items = target.items if isinstance(target, Standin) else target
        if not isinstance(items, dict):
            raise ValueError("entries of something that is no mapping")
        for key, value in zip(entries[::2], entries[1::2], strict=True):
            if _is_key(key):
                items[key] = value

    def append(self, values: list[Any]) -> None:
        target = self.top()
        if isinstance(target, list):
            target.extend(values)
        elif not isinstance(target, Standin):
            raise ValueError("values appended to something that is no list")

    def new_object(self, *, keywords: bool) -> None:
        if keywords:
            self.pop()
        arguments, kind = self.pop(), self.pop()
        self.call(kind, arguments)

    def instance(self, kind: Any, arguments: list[Any]) -> None:
        self.call(kind, tuple(arguments))

    def persistent(self, name: Any) -> None:
        if not isinstance(name, tuple) or len(name) < 3 or name[0] != "storage":
            raise ValueError("a reference to something that is no storage")
        kind = name[1].name if isinstance(name[1], _Global) else ""
        storage = Storage(kind, str(name[2])[:_LONGEST_KEY])
        self.storages[storage.key] = kind
        self.stack.append(storage)


def _is_key(key: Any) -> bool:
    """Whether a key is quick to hash and to compare, as all keys of training states are."""
    if isinstance(key, str | bytes):
        return len(key) <= _LONGEST_KEY
    if isinstance(key, int):
        return key.bit_length() <= 64
    return key is None or isinstance(key, float)


def _is_enumeration(arguments: Any) -> bool:
    """Whether `getattr(a class, a name)` is a member of somebody's enumeration."""
    return (
        isinstance(arguments, tuple)
        and len(arguments) == 2
        and isinstance(arguments[0], _Global)
        and not arguments[0].dangerous()
    )


def _refusal(name: str) -> InputError:
    shown = "".join(c if c.isprintable() else "?" for c in name)[:120]
    return InputError(f"it asks to run {shown}, which no file of weights needs: refused.")


def _get(machine: _Machine, index: int) -> None:
    machine.stack.append(machine.memo[index])


def _inst(machine: _Machine, argument: str) -> None:
    values = machine.since_mark()
    machine.global_(*argument.split(" ", 1))
    machine.instance(machine.pop(), values)


def _obj(machine: _Machine, _: Any) -> None:
    kind, *values = machine.since_mark()
    machine.instance(kind, values)


def _tuple_of(count: int) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, _: Any) -> None:
        values = [machine.pop() for _ in range(count)]
        machine.stack.append(tuple(reversed(values)))

    return step


def _dict_of(machine: _Machine, _: Any) -> None:
    entries = machine.since_mark()
    machine.stack.append({})
    machine.set_items(entries)


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    machine.set_items([key, value])


def _append(machine: _Machine, _: Any) -> None:
    machine.append([machine.pop()])


def _reduce(machine: _Machine, _: Any) -> None:
    arguments, function = machine.pop(), machine.pop()
    machine.call(function, arguments)


def _stack_global(machine: _Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    machine.global_(module, name)


# Opcodes whose argument is the value itself.
_PUSHED = re.compile(
    r"INT|BININT[12]?|LONG[14]?|(?:SHORT_)?(?:BINSTRING|BINBYTES|BINUNICODE)|STRING|BINBYTES8"
    r"|BYTEARRAY8|UNICODE|BINUNICODE8|(?:BIN)?FLOAT"
)
_STEPS: dict[str, Callable[[_Machine, Any], Any]] = {
    "NONE": lambda m, _: m.stack.append(None),
    "NEWTRUE": lambda m, _: m.stack.append(True),
    "NEWFALSE": lambda m, _: m.stack.append(False),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "EMPTY_TUPLE": lambda m, _: m.stack.append(()),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "EMPTY_SET": lambda m, _: m.stack.append(Standin("builtins.set")),
    "MARK": lambda m, _: m.stack.append(_MARK),
    "LIST": lambda m, _: m.stack.append(m.since_mark()),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.since_mark())),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "DICT": _dict_of,
    "FROZENSET": lambda m, _: m.stack.append(Standin("builtins.frozenset", m.since_mark())),
    "APPEND": _append,
    "APPENDS": lambda m, _: m.append(m.since_mark()),
    "ADDITEMS": lambda m, _: m.append(m.since_mark()),
    "SETITEM": _set_item,
    "SETITEMS": lambda m, _: m.set_items(m.since_mark()),
    "POP": lambda m, _: m.stack.pop(),
    "POP_MARK": lambda m, _: m.since_mark(),
    "DUP": lambda m, _: m.stack.append(m.top()),
    "GET": _get,
    "BINGET": _get,
    "LONG_BINGET": _get,
    "PUT": lambda m, index: m.put(index),
    "BINPUT": lambda m, index: m.put(index),
    "LONG_BINPUT": lambda m, index: m.put(index),
    "MEMOIZE": lambda m, _: m.put(len(m.memo)),
    "GLOBAL": lambda m, names: m.global_(*names.split(" ", 1)),
    "STACK_GLOBAL": _stack_global,
    "INST": _inst,
    "OBJ": _obj,
    "REDUCE": _reduce,
    "NEWOBJ": lambda m, _: m.new_object(keywords=False),
    "NEWOBJ_EX": lambda m, _: m.new_object(keywords=True),
    "BUILD": lambda m, _: m.build(),
    "BINPERSID": lambda m, _: m.persistent(m.pop()),
    "PERSID": lambda m, name: m.persistent(name),
    "PROTO": lambda m, _: None,
    "FRAME": lambda m, _: None,
    "STOP": lambda m, _: None,
}
