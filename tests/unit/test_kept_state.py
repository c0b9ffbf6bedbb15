"""Objects in memory that are rebuilt from a log in keyed state."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.contracts.errors import StateVersionError
from pipeline.transforms.kept import Journal


class Cell:
    """A value and a bag, as an engine would keep them; `copy` is a checkpoint."""

    def __init__(self, value: bytes | None = None, entries: tuple[bytes, ...] = ()) -> None:
        self.value, self.entries = value, list(entries)

    def read(self) -> Any:
        return self.value

    def write(self, value: bytes) -> None:
        self.value = value


class Bag(Cell):
    def read(self) -> Any:
        # A bag promises no order.
        return reversed(self.entries)

    def add(self, entry: bytes) -> None:
        self.entries.append(entry)

    def clear(self) -> None:
        self.entries.clear()


class Builder:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self, key: str, logs: list[list[bytes]]) -> list[bytes]:
        self.times += 1
        return [entry for log in logs for entry in log]


def journal(version: int = 1) -> tuple[Journal[list[bytes]], Builder]:
    builder = Builder()
    made = Journal("Test", version, builder)
    made.held = made.memory.hold()  # type: ignore[attr-defined]
    return made, builder


def add(made: Journal[list[bytes]], head: Cell, log: Bag, entry: bytes) -> None:
    opened = made.open("key", head, log)
    opened.value.append(entry)
    opened.append(log, entry)
    opened.close(head)


def test_an_object_stays_in_memory_while_the_state_follows_it() -> None:
    made, builder = journal()
    head, log = Cell(), Bag()
    for n in range(300):
        add(made, head, log, b"%d" % n)
    assert builder.times == 1
    assert made.open("key", head, log).value == [b"%d" % n for n in range(300)]


def test_another_worker_rebuilds_it_in_order() -> None:
    made, _ = journal()
    head, log = Cell(), Bag()
    for n in range(300):
        add(made, head, log, b"%d" % n)
    other, builder = journal()
    assert other.open("key", head, log).value == [b"%d" % n for n in range(300)]
    assert builder.times == 1


def test_a_bundle_that_failed_leaves_no_trace() -> None:
    made, builder = journal()
    head, log = Cell(), Bag()
    add(made, head, log, b"kept")
    checkpoint = Cell(head.value), Bag(None, tuple(log.entries))
    add(made, head, log, b"never committed")

    assert made.open("key", *checkpoint).value == [b"kept"]
    assert builder.times == 2


def test_two_bundles_never_hold_the_same_object() -> None:
    made, _ = journal()
    head, log = Cell(), Bag()
    add(made, head, log, b"kept")
    of_a_cancelled_attempt = made.open("key", head, log)
    of_its_successor = made.open("key", head, log)
    assert of_its_successor.value == [b"kept"]
    assert of_its_successor.value is not of_a_cancelled_attempt.value


def test_a_rewritten_log_holds_what_it_was_given_and_what_came_after() -> None:
    made, _ = journal()
    head, log = Cell(), Bag()
    add(made, head, log, b"old")
    opened = made.open("key", head, log)
    opened.rewrite(log, [b"a", b"b"])
    opened.append(log, b"c")
    opened.close(head)
    assert journal()[0].open("key", head, log).value == [b"a", b"b", b"c"]


def test_state_of_another_version_is_refused_and_says_what_to_do() -> None:
    made, _ = journal(version=2)
    head, log = Cell(), Bag()
    add(made, head, log, b"new")
    with pytest.raises(StateVersionError, match=r"state of Test .* \(2, read is 1\).*new gen"):
        journal(version=1)[0].open("key", head, log)
    assert head.value is not None
    with pytest.raises(StateVersionError, match="format 9"):
        made.open("key", Cell(b"\x09" + head.value[1:]), log)


def test_entries_that_the_rules_cannot_read_are_refused_in_the_same_words() -> None:
    made, _ = journal()
    head, log = Cell(), Bag()
    add(made, head, log, b"entry")

    def refuse(key: str, logs: list[list[bytes]]) -> list[bytes]:
        raise ValueError("version 7 of an entry")

    with pytest.raises(StateVersionError, match=r"state of Test .*version 7 of an entry"):
        Journal("Test", 1, refuse).open("key", head, log)
