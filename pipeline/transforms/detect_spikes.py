"""Articles and feed status of a topic to its series and alerts, on the ticks of the seen clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
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

from pipeline.contracts.codec import decode, encode
from pipeline.contracts.raw import Keyed
from pipeline.contracts.records import FeedStatus, TaggedArticle
from pipeline.rules.alerts.detector import TICK, DetectorSettings, TickResult, TopicDetector
from pipeline.rules.alerts.handover import Handover, Teller
from pipeline.transforms.kept import Journal, Opened, entries_of
from pipeline.transforms.letters import DEAD_LETTERS, set_aside
from pipeline.transforms.waiting import Waiting
from pipeline.transforms.wire import ARTICLE, Placed, at, stamp

SERIES: Final = "series"
"""Name of the output with the series."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_GRID_MS: Final = TICK // _MS
_SNAPSHOT_EVERY: Final = 100
"""Entries that a restore applies again, at most about so many while the state is small."""
_ENTRY_BYTES: Final = 100
"""An entry more for so much of the last snapshot. To apply one again takes as long as to pack about
250 bytes; so snapshots are two fifths of the work at most, however much a crisis brings."""
_QUIET_FOR_MS: Final = 48 * 3_600_000
"""How long a topic ticks by itself after its last news; later ticks are made up when news comes."""

_HEARD: Final = b"h"
_TICKED: Final = b"t"
_SET_ASIDE: Final = b"d"
_NUMBER_BYTES: Final = 8


@dataclass
class DetectSpikes(beam.PTransform[Any, Any]):
    """``(topic, placed article or status)`` -> alerts for Kafka; `SERIES` beside them.

    What arrives waits for the next tick of its topic and is given to the detector in the order of
    time, place and content, so that a replay in another order decides the same.
    """

    settings: Mapping[str, DetectorSettings]
    """Of each topic."""
    rules_version: str
    handovers: Mapping[str, Handover] = field(default_factory=dict)
    """By topic: what a run before this one has left. Fixed for a generation: state rests on it."""

    def expand(self, news: PCollection[Any]) -> Any:
        """Three outputs: ``main`` (alerts), `SERIES` and `DEAD_LETTERS`."""
        return news | "DetectSpikes" >> beam.ParDo(
            _DetectSpikes(dict(self.settings), self.rules_version, dict(self.handovers))
        ).with_outputs(SERIES, DEAD_LETTERS, main="main")


class _Watch:
    """The detector of one topic, who tells its alerts, and what waits for its next tick."""

    def __init__(self, detector: TopicDetector, teller: Teller, last_ms: int = -1) -> None:
        self.detector = detector
        self.teller = teller
        self.last_ms = last_ms
        """The newest tick; -1 before the first."""
        self.heard_ms = -1
        """The newest article or status."""
        self.waiting = Waiting(_GRID_MS)
        self.logged = 0
        """Entries since the snapshot."""
        self.snapshot_bytes = 0
        """Size of the snapshot."""

    def hear(self, placed: Placed) -> int | None:
        """Let it wait for its tick; when that is, if nothing waits for it yet."""
        self.heard_ms = max(self.heard_ms, placed.time_ms)
        return self.waiting.add(placed)

    def next_ms(self) -> int | None:
        """When the next tick is due as far as is known; None before anything was heard."""
        due = None
        if self.last_ms >= 0:
            due = (self.detector.next_tick(_time(self.last_ms)) - _EPOCH) // _MS
        if (end := self.waiting.first_end) is not None:
            # A clock that was set back makes no tick in the past.
            own = max(end, self.last_ms + _GRID_MS)
            due = own if due is None else min(due, own)
        return due

    def tick(self, time_ms: int) -> TickResult:
        """Give the detector what waited, then the tick."""
        for placed in self.waiting.until(time_ms):
            kind, record = placed.value[:1], placed.value[1:]
            if kind == ARTICLE:
                self.detector.observe(decode(TaggedArticle, record), _time(placed.time_ms))
            else:
                self.detector.exposure(decode(FeedStatus, record), _time(placed.time_ms))
        self.last_ms = time_ms
        result = self.detector.tick(_time(time_ms))
        return replace(result, alerts=self.teller.tell(time_ms // 1000, result.alerts))


class _DetectSpikes(beam.DoFn):
    HEAD = ReadModifyWriteStateSpec("head", BytesCoder())
    SNAPSHOT = BagStateSpec("snapshot", BytesCoder())
    SINCE = BagStateSpec("since", BytesCoder())
    TICK = TimerSpec("tick", TimeDomain.WATERMARK)
    QUIET = TimerSpec("quiet", TimeDomain.WATERMARK)

    def __init__(
        self,
        settings: dict[str, DetectorSettings],
        rules_version: str,
        handovers: Mapping[str, Handover] | None = None,
    ) -> None:
        self._settings, self._rules_version = settings, rules_version
        self._handovers = handovers or {}
        self._journal = Journal("DetectSpikes", 3, self._rebuild)

    def setup(self) -> None:
        self._held = self._journal.memory.hold()

    def process(
        self,
        news: tuple[str, bytes],
        head: Any = beam.DoFn.StateParam(HEAD),
        snapshot: Any = beam.DoFn.StateParam(SNAPSHOT),
        since: Any = beam.DoFn.StateParam(SINCE),
        tick: Any = beam.DoFn.TimerParam(TICK),
    ) -> None:
        topic, data = news
        watch = self._journal.open(topic, head, snapshot, since)
        end = watch.value.hear(Placed.unpack(data))
        watch.append(since, _HEARD + data)
        watch.value.logged += 1
        watch.close(head)
        if end is not None:
            tick.set(stamp(end), dynamic_timer_tag=str(end))

    @on_timer(TICK)
    def on_tick(
        self,
        topic: Any = beam.DoFn.KeyParam,
        time: Any = beam.DoFn.TimestampParam,
        head: Any = beam.DoFn.StateParam(HEAD),
        snapshot: Any = beam.DoFn.StateParam(SNAPSHOT),
        since: Any = beam.DoFn.StateParam(SINCE),
        quiet: Any = beam.DoFn.TimerParam(QUIET),
    ) -> Iterator[Any]:
        """Tick after news."""
        yield from self._advance(topic, time, head, snapshot, since, quiet)

    @on_timer(QUIET)
    def on_quiet(
        self,
        topic: Any = beam.DoFn.KeyParam,
        time: Any = beam.DoFn.TimestampParam,
        head: Any = beam.DoFn.StateParam(HEAD),
        snapshot: Any = beam.DoFn.StateParam(SNAPSHOT),
        since: Any = beam.DoFn.StateParam(SINCE),
        quiet: Any = beam.DoFn.TimerParam(QUIET),
    ) -> Iterator[Any]:
        """Tick without news."""
        yield from self._advance(topic, time, head, snapshot, since, quiet)

    def _advance(
        self, topic: str, time: Any, head: Any, snapshot: Any, since: Any, quiet: Any
    ) -> Iterator[Any]:
        until = time.micros // 1000
        watch = self._journal.open(topic, head, snapshot, since)
        w = watch.value
        # All ticks that are due, the quiet ones before this one too.
        while (due := w.next_ms()) is not None and due <= until:
            try:
                result = w.tick(due)
            except Exception as e:  # noqa: BLE001 - one record must not stop the topic
                # Half a change may be in it.
                w = watch.value = self._rebuild(topic, [entries_of(snapshot), entries_of(since)])
                for placed in self._poison(topic, w, due):
                    w.waiting.remove(placed)
                    watch.append(since, _SET_ASIDE + placed.pack())
                    yield set_aside("DetectSpikes", placed, e, until, f"{topic}: ")
                # Without them it fails by a fault of ours only: the bundle fails.
                result = w.tick(due)
            watch.append(since, _TICKED + due.to_bytes(_NUMBER_BYTES, "big"))
            w.logged += 1
            for alert in result.alerts:
                yield at(until, Keyed(alert.alert_id, encode(alert)))
            for point in result.points:
                key = f"{point.topic}/{point.series}"
                yield TaggedOutput(SERIES, at(until, Keyed(key, encode(point))))
        enough = max(_SNAPSHOT_EVERY, w.snapshot_bytes // _ENTRY_BYTES)
        if w.logged > enough + 2 * len(w.waiting):
            self._snapshot(watch, snapshot, since)
        if due is not None and due - w.heard_ms < _QUIET_FOR_MS:
            quiet.set(stamp(due))
        watch.close(head)

    def _poison(self, topic: str, w: _Watch, due: int) -> list[Placed]:
        """The records that the tick at ``due`` fails on: each alone, or all where none is alone."""
        records = [placed for placed in w.waiting if placed.time_ms < due]
        state, settings = w.detector.dumps(), self._settings[topic]
        found = []
        for placed in records:
            alone = _Watch(
                TopicDetector.loads(state, settings, rules_version=self._rules_version), Teller()
            )
            alone.hear(placed)
            try:
                alone.tick(due)
            except Exception:  # noqa: BLE001 - this is what is asked
                found.append(placed)
        return found or records

    def _snapshot(self, watch: Opened[_Watch], snapshot: Any, since: Any) -> None:
        w = watch.value
        teller = w.teller.dumps()
        head = (w.last_ms, w.heard_ms, len(teller))
        numbers = [number.to_bytes(_NUMBER_BYTES, "big") for number in head]
        state = b"".join([*numbers, teller, w.detector.dumps()])
        watch.rewrite(snapshot, [state])
        w.snapshot_bytes = len(state)
        watch.rewrite(since, [_HEARD + placed.pack() for placed in w.waiting])
        w.logged = len(w.waiting)

    def _rebuild(self, topic: str, logs: list[list[bytes]]) -> _Watch:
        settings = self._settings[topic]
        (snapshots, since) = logs
        if snapshots:
            state = snapshots[-1]
            last, heard, size = (
                int.from_bytes(state[i : i + _NUMBER_BYTES], "big")
                for i in range(0, 3 * _NUMBER_BYTES, _NUMBER_BYTES)
            )
            end = 3 * _NUMBER_BYTES + size
            teller = Teller.loads(state[3 * _NUMBER_BYTES : end])
            detector = TopicDetector.loads(state[end:], settings, rules_version=self._rules_version)
            watch = _Watch(detector, teller, last)
            watch.heard_ms = heard
            watch.snapshot_bytes = len(state)
        else:
            watch = _Watch(
                TopicDetector(topic, settings, rules_version=self._rules_version),
                Teller(self._handovers.get(topic)),
            )
        for entry in since:
            if entry[:1] == _HEARD:
                watch.hear(Placed.unpack(entry[1:]))
            elif entry[:1] == _SET_ASIDE:
                watch.waiting.remove(Placed.unpack(entry[1:]))
            else:
                # What it decided went out when the entry was written.
                watch.tick(int.from_bytes(entry[1:], "big"))
        watch.logged = len(since)
        return watch


def _time(time_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=time_ms)
