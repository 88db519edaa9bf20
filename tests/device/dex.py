"""What an Android app's code refers to, and what a framework of Java classes has."""

import functools
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Member(NamedTuple):
    """A method or a field: `owner` such as java/lang/String, `kind` its descriptor."""

    owner: str
    name: str
    kind: str


class Dex:
    """`types` that the code names, `defined` classes, `members` that it uses, as in a DEX file.

    Layout: the Dalvik executable format, version 035 to 039.
    """

    def __init__(self, data: bytes) -> None:
        assert data[:4] == b"dex\n", "not a DEX file"
        self._data = data
        header = struct.unpack_from("<20I", data, 32)
        (strings, types, protos, fields, methods, classes) = (
            header[i : i + 2] for i in range(6, 18, 2)
        )
        self._strings = [self._string(each) for (each,) in self._rows(strings, "<I")]
        self._types = [self._strings[i] for (i,) in self._rows(types, "<I")]
        kinds = [self._kind(*row) for row in self._rows(protos, "<3I")]
        self.types = {_plain(name) for name in self._types} - {""}
        self.defined = {_plain(self._types[row[0]]) for row in self._rows(classes, "<8I")}
        self.members = {
            *(
                Member(_plain(self._types[owner]), self._strings[name], self._types[kind])
                for owner, kind, name in self._rows(fields, "<2HI")
            ),
            *(
                Member(_plain(self._types[owner]), self._strings[name], kinds[kind])
                for owner, kind, name in self._rows(methods, "<2HI")
            ),
        }

    def _rows(self, table: tuple[int, ...], layout: str) -> Iterator[tuple[Any, ...]]:
        count, start = table
        size = struct.calcsize(layout)
        for i in range(count):
            yield struct.unpack_from(layout, self._data, start + i * size)

    def _string(self, start: int) -> str:
        while self._data[start] & 0x80:  # the length, 7 bits a byte
            start += 1
        return self._data[start + 1 : self._data.index(b"\0", start + 1)].decode(errors="replace")

    def _kind(self, _: int, returned: int, parameters: int) -> str:
        names = []
        if parameters:
            (count,) = struct.unpack_from("<I", self._data, parameters)
            indices = struct.unpack_from(f"<{count}H", self._data, parameters + 4)
            names = [self._types[i] for i in indices]
        return f"({''.join(names)}){self._types[returned]}"


class Framework:
    """Classes by their names such as java/lang/String: Android's of a jar, java.* of Java 8's.

    jar: which has no java.*. signatures: a JDK's lib/ct.sym, whose folders name the releases that
    have what is in them.
    """

    def __init__(self, jar: Path, signatures: Path) -> None:
        android, java = zipfile.ZipFile(jar), zipfile.ZipFile(signatures)
        self._places = {
            name.removesuffix(".class"): (android, name)
            for name in android.namelist()
            if name.endswith(".class")
        }
        for name in java.namelist():
            releases, _, path = name.partition("/")
            _, _, inner = path.partition("/")  # less the module
            if "8" in releases and inner.startswith("java/") and name.endswith(".sig"):
                self._places[inner.removesuffix(".sig")] = (java, name)

    def has(self, name: str) -> bool:
        """Whether there is a class `name`."""
        return name in self._places

    def has_member(self, member: Member) -> bool:
        """Whether the class, or one that it extends or implements, has the member."""
        if not self.has(member.owner):
            return False
        above, members = self._read(member.owner)
        return (member.name, member.kind) in members or any(
            self.has_member(member._replace(owner=name)) for name in above
        )

    @functools.cache  # noqa: B019  (a test's jar lives as long as the test)
    def _read(self, name: str) -> tuple[list[str], set[tuple[str, str]]]:
        """(the classes above, members) of a class file, chapter 4 of the JVM's specification."""
        archive, path = self._places[name]
        data = archive.read(path)
        pool, at = _constants(data)
        _, _, above, count = struct.unpack_from(">4H", data, at)
        interfaces = struct.unpack_from(f">{count}H", data, at + 8)
        parents = [pool[pool[i]] for i in (above, *interfaces) if i]
        at += 8 + 2 * count
        members = set()
        for _ in range(2):  # fields, methods
            (count,) = struct.unpack_from(">H", data, at)
            at += 2
            for _ in range(count):
                _, label, kind, attributes = struct.unpack_from(">4H", data, at)
                members.add((pool[label], pool[kind]))
                at += 8
                for _ in range(attributes):
                    at += 6 + struct.unpack_from(">I", data, at + 2)[0]
        return parents, members


def _constants(data: bytes) -> tuple[dict[int, Any], int]:
    """({index: text, or the index that a class names}, where the pool ends)."""
    sizes = {3: 5, 4: 5, 5: 9, 6: 9, 8: 3, 9: 5, 10: 5, 11: 5, 12: 5, 15: 4, 16: 3, 17: 5, 18: 5}
    (count,) = struct.unpack_from(">H", data, 8)
    pool: dict[int, Any] = {}
    at, index = 10, 1
    while index < count:
        tag = data[at]
        if tag == 1:
            (length,) = struct.unpack_from(">H", data, at + 1)
            pool[index] = data[at + 3 : at + 3 + length].decode(errors="replace")
            at += 3 + length
        elif tag == 7:
            (pool[index],) = struct.unpack_from(">H", data, at + 1)
            at += 3
        else:
            at += sizes[tag]
        index += 2 if tag in (5, 6) else 1  # long and double take two places
    return pool, at


def _plain(name: str) -> str:
    """java/lang/String for `[Ljava/lang/String;`; empty for a primitive type."""
    element = name.lstrip("[")
    return element[1:-1] if element.startswith("L") else ""
