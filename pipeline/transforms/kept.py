"""Objects that live in memory between bundles and are rebuilt from a log in keyed state when lost.

Reading and writing a large object for each bundle would cost more than all decisions together. So
the state of a key is a log that is only appended to (a bag), with a small head. The head holds a
random token that is renewed at each write; the object in memory carries the token of the write that
it stands for. When the tokens differ (a new worker, a restore, a bundle that failed half-way),
memory is not what the state says, and the object is rebuilt from the log.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, TypeVar

from apache_beam.utils.shared import Shared

from pipeline.contracts.errors import StateVersionError

T = TypeVar("T")

_HEAD: Final = struct.Struct("<BB16sQ")
_NUMBER_BYTES: Final = 8


class Memory(Generic[T]):
    """Objects by key, shared by all instances of one transform in one process.

    An object is out of the memory while a bundle works on it, so that a bundle of a cancelled
    attempt and its successor never hold the same one.
    """

    def __init__(self) -> None:
        self._shared = Shared()

    def take(self, key: str, token: bytes) -> T | None:
        """The object of ``key`` if it stands for the write with ``token``."""
        held = self._objects().pop(key, None)
        return held[1] if held is not None and held[0] == token else None

    def put(self, key: str, token: bytes, value: T) -> None:
        """Keep ``value`` as what the write with ``token`` left."""
        self._objects()[key] = (token, value)

    def hold(self) -> object:
        """What keeps the memory alive: to be kept by each instance of the transform."""
        return self._objects()

    def _objects(self) -> dict[str, tuple[bytes, T]]:
        objects: dict[str, tuple[bytes, T]] = self._shared.acquire(_Objects)
        return objects


class _Objects(dict[str, Any]):
    """A dict that can be referred to weakly, as `Shared` needs."""

    __slots__ = ("__weakref__",)


def entries_of(log: Any) -> list[bytes]:
    """What was appended to a log, in order: a bag promises none, so entries begin with a number."""
    return [entry[_NUMBER_BYTES:] for entry in sorted(log.read())]


class Journal(Generic[T]):
    """Opens and saves the object of a key: entries in bags, a head in one value.

    Args:
        name: of the transform, for messages.
        version: of the entries' meaning.
        rebuild: the object from its entries, one list a bag, each in the order of appending.
    """

    FORMAT: Final = 1

    def __init__(
        self, name: str, version: int, rebuild: Callable[[str, list[list[bytes]]], T]
    ) -> None:
        self._name, self._version, self._rebuild = name, version, rebuild
        self.memory: Memory[T] = Memory()

    def open(self, key: str, head: Any, *logs: Any) -> Opened[T]:
        """The object of ``key`` as the state says it is; `Opened.close` it.

        Raises:
            StateVersionError: another program wrote the state.
        """
        raw = head.read()
        if raw is None:
            return Opened(self, key, self._rebuild(key, [[] for _ in logs]), 0)
        if raw[0] != self.FORMAT:
            raise StateVersionError(self._name, f"format {raw[0]}, read is {self.FORMAT}")
        _, version, token, next_number = _HEAD.unpack(raw)
        if version != self._version:
            raise StateVersionError(self._name, f"{version}, read is {self._version}")
        value = self.memory.take(key, token)
        if value is None:
            try:
                value = self._rebuild(key, [entries_of(log) for log in logs])
            except ValueError as e:
                # What the rules raise for entries that are none of theirs.
                raise StateVersionError(self._name, str(e)) from e
        return Opened(self, key, value, next_number)

    def save(self, key: str, head: Any, value: T, next_number: int) -> None:
        """Write a head with a new token and keep ``value`` under it."""
        token = os.urandom(16)
        head.write(_HEAD.pack(self.FORMAT, self._version, token, next_number))
        self.memory.put(key, token, value)


class Opened(Generic[T]):
    """An object, out of the memory for one element or timer."""

    __slots__ = ("_journal", "_key", "_next", "value")

    def __init__(self, journal: Journal[T], key: str, value: T, next_number: int) -> None:
        self.value = value
        self._journal, self._key, self._next = journal, key, next_number

    def append(self, log: Any, entry: bytes) -> None:
        """One more entry at the end of a log."""
        log.add(self._next.to_bytes(_NUMBER_BYTES, "big") + entry)
        self._next += 1

    def rewrite(self, log: Any, entries: Iterable[bytes]) -> None:
        """These entries instead of a log."""
        log.clear()
        for entry in entries:
            self.append(log, entry)

    def close(self, head: Any) -> None:
        """Write the head and give the object back; exactly once, after all entries."""
        self._journal.save(self._key, head, self.value, self._next)
