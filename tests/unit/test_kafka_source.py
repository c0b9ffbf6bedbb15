"""The Kafka source between two turns of the engine: when it reads on, and when it rests."""

from __future__ import annotations

from typing import Any

import pytest
from apache_beam.io.restriction_trackers import OffsetRange
from apache_beam.utils.timestamp import Timestamp

from pipeline.contracts.raw import RawRecord
from pipeline.io import kafka_source


class Clock:
    """Monotonic time, moved by the reader's polls."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class Reader:
    """A partition that hands out what it is given, then nothing."""

    def __init__(self, clock: Clock, polls: list[tuple[RawRecord, ...]], quiet: float) -> None:
        self._clock, self._polls, self._newest = clock, polls, clock.now - quiet
        self.polled = 0
        self.complete: float | None = None

    def seek(self, offset: int) -> None:
        pass

    def poll(self, most: int, seconds: float) -> tuple[RawRecord, ...]:
        self.polled += 1
        self._clock.now += seconds
        if not self._polls:
            return ()
        self._newest = self._clock.now
        return self._polls.pop(0)

    def quiet_seconds(self) -> float:
        return self._clock.now - self._newest

    def complete_until(self, every: float) -> float | None:
        return self.complete


class Tracker:
    """Claims everything; keeps the rest that was asked for."""

    def __init__(self) -> None:
        self.rest: float | None = None
        self.claimed: list[int] = []

    def current_restriction(self) -> OffsetRange:
        return OffsetRange(0, 2**62)

    def try_claim(self, offset: int) -> bool:
        self.claimed.append(offset)
        return True

    def defer_remainder(self, rest: Any) -> None:
        self.rest = rest.micros / 1e6


class Watermark:
    """Where the source says time is."""

    def __init__(self) -> None:
        self.at = Timestamp(0)

    def current_watermark(self) -> Timestamp:
        return self.at

    def set_watermark(self, at: Timestamp) -> None:
        self.at = at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(kafka_source, "time", made)
    return made


def read(reader: Reader) -> tuple[list[Any], Tracker, Watermark]:
    tracker, watermark = Tracker(), Watermark()
    made = kafka_source._Read("nowhere:1", "articles")
    out = list(made._read(0, reader, tracker, watermark))  # type: ignore[arg-type]
    return out, tracker, watermark


def records(*offsets: int) -> tuple[RawRecord, ...]:
    return tuple(RawRecord(o, 1_000_000 + o, b"x") for o in offsets)


def test_a_partition_that_is_quiet_rests_after_one_look(clock: Clock) -> None:
    reader = Reader(clock, [], quiet=60)
    _, tracker, _ = read(reader)

    assert reader.polled == 1
    assert tracker.rest == kafka_source._IDLE_SECONDS


def test_a_lively_partition_is_read_on_and_asks_for_no_rest(clock: Clock) -> None:
    reader = Reader(clock, [(), records(7), ()], quiet=1)
    out, tracker, _ = read(reader)

    assert [batch.value.records[0].offset for batch in out] == [7]
    assert reader.polled > 3
    assert tracker.rest == 0


def test_the_watermark_of_an_empty_poll_keeps_a_margin_from_what_the_broker_said(
    clock: Clock,
) -> None:
    reader = Reader(clock, [], quiet=60)
    reader.complete = 5_000.0
    _, _, watermark = read(reader)

    assert watermark.at == Timestamp(5_000.0 - kafka_source._MARGIN_SECONDS)


def test_an_empty_poll_alone_moves_no_watermark(clock: Clock) -> None:
    # It also happens while connecting to a log with a backlog.
    _, _, watermark = read(Reader(clock, [], quiet=60))

    assert watermark.at == Timestamp(0)


def test_the_watermark_follows_the_newest_record_and_the_batch_has_the_time_of_its_first(
    clock: Clock,
) -> None:
    out, tracker, watermark = read(Reader(clock, [records(7, 8, 9)], quiet=60))

    assert tracker.claimed == [9]
    assert out[0].timestamp == Timestamp(micros=1_000_007_000)
    assert watermark.at == Timestamp(micros=1_000_009_000)
