"""The Kafka source between two turns of the engine: when it reads on, and when it rests."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest
from apache_beam.io.restriction_trackers import OffsetRange
from apache_beam.utils.timestamp import Timestamp
from kafka.errors import KafkaTimeoutError

from pipeline.contracts.errors import StateVersionError
from pipeline.contracts.raw import RawRecord
from pipeline.io import kafka_source, partition_reader
from pipeline.io.coders import OffsetRangeCoder
from pipeline.io.partition_reader import LogChangedError, PartitionReader


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
        self.failure: Exception | None = None
        self.closed = False

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
        if self.failure is not None:
            raise self.failure
        return self.complete

    def close(self) -> None:
        self.closed = True


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


def read(
    reader: Reader, watermark: Watermark | None = None
) -> tuple[list[Any], Tracker, Watermark]:
    tracker, watermark = Tracker(), watermark or Watermark()
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
    reader.complete = 5_000.0
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


def test_the_watermark_never_goes_back(clock: Clock) -> None:
    # A clock that was set back, here or at the broker.
    watermark = Watermark()
    watermark.at = Timestamp(5_000)
    reader = Reader(clock, [], quiet=60)
    reader.complete = 4_000.0
    read(reader, watermark)
    read(Reader(clock, [records(7)], quiet=1), watermark)

    assert watermark.at == Timestamp(5_000)


def test_a_backlog_is_read_for_longer_than_what_trickles_in(clock: Clock) -> None:
    def batches(size: int) -> int:
        full = tuple(RawRecord(o, 1_000_000, b"x") for o in range(size))
        return len(read(Reader(clock, [full] * 100, quiet=60))[0])

    assert batches(500) > 3 * batches(5) > 0


def test_a_range_is_split_only_where_the_reader_stands() -> None:
    tracker = kafka_source._Tracker(OffsetRange(0, 2**62))
    tracker.try_claim(9)

    primary, residual = tracker.try_split(0.5)

    assert (primary.start, primary.stop) == (0, 10)
    assert (residual.start, residual.stop) == (10, 2**62)


def test_the_engine_keeps_a_range_and_one_of_another_program_is_refused() -> None:
    coder = OffsetRangeCoder()
    encoded = coder.encode(OffsetRange(7, 2**62))

    assert coder.decode(encoded) == OffsetRange(7, 2**62)
    with pytest.raises(StateVersionError, match="source"):
        coder.decode(b"\x09" + encoded[1:])


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


def source_with(reader: Reader) -> kafka_source._Read:
    """The source, which has this reader of partition 0 already."""
    made = kafka_source._Read("nowhere:1", "articles")
    made.setup()
    made._readers[0] = reader  # type: ignore[assignment]
    return made


def test_a_broker_that_does_not_answer_is_asked_again_by_the_same_reader(clock: Clock) -> None:
    reader, tracker = Reader(clock, [], quiet=60), Tracker()
    reader.failure = KafkaTimeoutError("no answer")
    source = source_with(reader)

    assert list(source.process((0, 1), tracker, Watermark())) == []

    assert tracker.rest == kafka_source._AWAY_SECONDS
    assert source._readers == {0: reader}
    assert not reader.closed


def test_a_log_that_has_changed_ends_the_run_and_leaves_no_connection(clock: Clock) -> None:
    reader = Reader(clock, [], quiet=60)
    reader.failure = LogChangedError("articles/0", "is another")
    source = source_with(reader)

    with pytest.raises(LogChangedError):
        list(source.process((0, 1), Tracker(), Watermark()))

    assert reader.closed
    assert source._readers == {}


def test_a_bundle_that_fails_behind_the_source_leaves_no_connection(clock: Clock) -> None:
    reader = Reader(clock, [records(1)], quiet=60)
    source = source_with(reader)
    out = source.process((0, 1), Tracker(), Watermark())
    next(out)
    # Nobody else gets it meanwhile.
    assert source._readers == {}

    out.close()  # type: ignore[attr-defined]

    assert reader.closed
    assert source._readers == {}


def test_a_record_without_a_time_is_as_old_as_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    record = namedtuple("record", "offset timestamp value")

    class Consumer:
        def __init__(self, **options: Any) -> None:
            pass

        def assign(self, partitions: Any) -> None:
            self.partition = partitions[0]

        def poll(self, timeout_ms: int, max_records: int) -> Any:
            return {self.partition: [record(0, -1, b"a"), record(1, 5, b"b")]}

    monkeypatch.setattr(partition_reader, "KafkaConsumer", Consumer)

    assert PartitionReader("nowhere:1", "articles", 0, 1).poll(500, 0) == (
        RawRecord(0, 0, b"a"),
        RawRecord(1, 5, b"b"),
    )
