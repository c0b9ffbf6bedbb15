"""Exact deduplication of one partition, and the ledger that counts how each record ended."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import apache_beam as beam
from apache_beam.coders import BytesCoder
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    BagStateSpec,
    ReadModifyWriteStateSpec,
    TimerSpec,
    on_timer,
)

from pipeline.contracts.codec import encode
from pipeline.contracts.errors import StateVersionError
from pipeline.contracts.raw import Keyed
from pipeline.contracts.records import Ledger
from pipeline.rules.repeats import DAY_MS, DAYS_KEPT, KnownArticles, Repeat, days_left
from pipeline.transforms.kept import Memory
from pipeline.transforms.wire import (
    ARTICLE,
    DEAD,
    ON_TOPIC,
    Placed,
    at,
    stamp,
    unpack_batch,
    unpack_payload,
)

LEDGER: Final = "ledger"
"""Name of the output with the ledger."""

_LEDGER_EVERY_MS: Final = 1_000
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<B16sQqqqq5Qq")
_CHUNK: Final = struct.Struct(">qQ")


@dataclass
class DropRepeats(beam.PTransform[Any, Any]):
    """``(partition, batch)`` -> ``(shard, article on topic)``, each once; `LEDGER` beside it.

    What comes out is a packed `Placed` with a `TaggedArticle` that knows no story yet. Its time is
    the broker's append time, never before that of the record ahead of it in the log: a broker's
    clock that was set back must not make a replay differ from the live run.
    """

    generation: str

    def expand(self, batches: PCollection[Any]) -> Any:
        """Two outputs: ``main`` and `LEDGER`."""
        return batches | "DropRepeats" >> beam.ParDo(
            _DropRepeats(self.generation)
        ).with_output_types(tuple[str, bytes]).with_outputs(LEDGER, main="main")


@dataclass(slots=True)
class _Head:
    """Where a partition stands; written with each batch."""

    token: bytes = b""
    chunks: int = 0
    day: int = -1
    """Days since 1970; -1 before the first record."""
    time_ms: int = -1
    """Highest append time so far."""
    from_offset: int = -1
    through_offset: int = -1
    counts: list[int] = field(default_factory=lambda: [0] * 5)
    """As `_TAGGED` … `_REDELIVERED` name them."""
    ledger_due_ms: int = -1
    """When the timer that emits the ledger is set to fire; -1 when it is not set."""

    def pack(self) -> bytes:
        return _HEAD.pack(
            _VERSION,
            self.token,
            self.chunks,
            self.day,
            self.time_ms,
            self.from_offset,
            self.through_offset,
            *self.counts,
            self.ledger_due_ms,
        )

    @classmethod
    def unpack(cls, data: bytes | None) -> _Head:
        if data is None:
            return cls()
        if data[0] != _VERSION:
            raise StateVersionError("DropRepeats", f"{data[0]}, read is {_VERSION}")
        _, token, chunks, day, time_ms, first, through, *counts, due = _HEAD.unpack(data)
        return cls(token, chunks, day, time_ms, first, through, counts, due)


_TAGGED, _OFF_TOPIC, _DUPLICATE, _DEAD_LETTER, _REDELIVERED = range(5)


class _DropRepeats(beam.DoFn):
    HEAD = ReadModifyWriteStateSpec("head", BytesCoder())
    # A bag for each day of the horizon: to forget a day is to clear one; nothing is rewritten.
    DAY_0 = BagStateSpec("day0", BytesCoder())
    DAY_1 = BagStateSpec("day1", BytesCoder())
    DAY_2 = BagStateSpec("day2", BytesCoder())
    DAY_3 = BagStateSpec("day3", BytesCoder())
    LEDGER = TimerSpec("ledger", TimeDomain.WATERMARK)

    def __init__(self, generation: str) -> None:
        self._generation = generation
        self._memory: Memory[KnownArticles] = Memory()

    def setup(self) -> None:
        self._held = self._memory.hold()

    def process(
        self,
        batch: tuple[str, bytes],
        head: Any = beam.DoFn.StateParam(HEAD),
        day_0: Any = beam.DoFn.StateParam(DAY_0),
        day_1: Any = beam.DoFn.StateParam(DAY_1),
        day_2: Any = beam.DoFn.StateParam(DAY_2),
        day_3: Any = beam.DoFn.StateParam(DAY_3),
        timer: Any = beam.DoFn.TimerParam(LEDGER),
    ) -> Iterator[Any]:
        key, data = batch
        days = (day_0, day_1, day_2, day_3)
        h = _Head.unpack(head.read())
        known = self._memory.take(key, h.token)
        if known is None:
            known = _rebuild(days, h.day)
        partition = int(key.rpartition("/")[2])
        rows, payloads = unpack_batch(data)
        if h.from_offset < 0:
            h.from_offset = rows[0][0]
        payload = iter(payloads)
        new: list[bytes] = []
        for offset, append_ms, kind, article, revision, seen_us in rows:
            h.time_ms = max(h.time_ms, append_ms)
            if h.time_ms // DAY_MS != h.day:
                _save(days, h, new)
                new = []
                _turn(days, h, known)
            outcome = _DEAD_LETTER
            if kind != DEAD:
                repeat, row = known.judge(article, revision, seen_us, h.day)
                if row:
                    new.append(row)
                outcome = _outcome(repeat, kind)
            h.counts[outcome] += 1
            if kind == ON_TOPIC:
                value = next(payload)
                if outcome == _TAGGED:
                    shard, article_json = unpack_payload(value)
                    placed = Placed(h.time_ms, partition, offset, ARTICLE + article_json)
                    yield at(h.time_ms, (shard, placed.pack()))
        _save(days, h, new)
        h.through_offset = max(h.through_offset, rows[-1][0])
        if h.ledger_due_ms < 0:
            # On the seen clock, so that it comes after the last record too: idle logs advance it.
            h.ledger_due_ms = h.time_ms + _LEDGER_EVERY_MS
            timer.set(stamp(h.ledger_due_ms))
        h.token = os.urandom(16)
        head.write(h.pack())
        self._memory.put(key, h.token, known)

    @on_timer(LEDGER)
    def tell(
        self, key: Any = beam.DoFn.KeyParam, head: Any = beam.DoFn.StateParam(HEAD)
    ) -> Iterator[Any]:
        """Emit the ledger."""
        h = _Head.unpack(head.read())
        h.ledger_due_ms = -1
        # The token stays: what is known of the articles has not changed.
        head.write(h.pack())
        topic, _, partition = key.rpartition("/")
        tagged, off_topic, duplicates, dead_letters, redelivered = h.counts
        ledger = Ledger(
            source_topic=topic,
            partition=int(partition),
            from_offset=h.from_offset,
            through_offset=h.through_offset,
            tagged=tagged,
            off_topic=off_topic,
            duplicates=duplicates,
            dead_letters=dead_letters,
            redelivered=redelivered,
            generation=self._generation,
        )
        yield TaggedOutput(LEDGER, Keyed(key, encode(ledger)))


def _outcome(repeat: Repeat, kind: int) -> int:
    if repeat is Repeat.REDELIVERED:
        return _REDELIVERED
    if repeat is Repeat.DUPLICATE:
        return _DUPLICATE
    return _TAGGED if kind == ON_TOPIC else _OFF_TOPIC


def _save(days: tuple[Any, ...], head: _Head, sights: list[bytes]) -> None:
    if sights:
        days[head.day % DAYS_KEPT].add(_CHUNK.pack(head.day, head.chunks) + b"".join(sights))
        head.chunks += 1


def _turn(days: tuple[Any, ...], head: _Head, known: KnownArticles) -> None:
    day = head.time_ms // DAY_MS
    for slot in days_left(head.day if head.day >= 0 else None, day):
        days[slot].clear()
    known.start_day(day)
    head.day = day


def _rebuild(days: tuple[Any, ...], today: int) -> KnownArticles:
    known = KnownArticles()
    # Chunks sort by day, then as they were written: a bag promises no order.
    for chunk in sorted(chunk for bag in days for chunk in bag.read()):
        day, _ = _CHUNK.unpack_from(chunk)
        known.start_day(day)
        known.remember(chunk[_CHUNK.size :], day)
    if today >= 0:
        known.start_day(today)
    return known
