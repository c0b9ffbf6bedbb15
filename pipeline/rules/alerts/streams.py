"""The core of the detector on plain event streams: many series that share the same feeds.

What ``straitwatch detect`` and the benchmark run. The expected counts and the score are those
of `detector.TopicDetector`; there are no texts, so no levels, no evidence and no revisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.contracts.records import Severity
from pipeline.rules.alerts.severity import severity_of
from pipeline.rules.baseline.completeness import Completeness
from pipeline.rules.baseline.exposure import Exposure
from pipeline.rules.baseline.late import Counted
from pipeline.rules.spikes.series import SeriesCore
from pipeline.rules.spikes.spike import Spike, SpikeSettings
from pipeline.rules.times import BUCKET, HOUR, MINUTE, OutletClocks

QUIET: Final = 6 * HOUR
"""Seconds without a spike after which the next one is another episode, as the benchmark has it."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One article of one series; times in seconds since 1970."""

    seen: int
    series: str
    published: int
    story: str
    outlet: str
    group: str


@dataclass(frozen=True, slots=True)
class GroupTotal:
    """What a group of feeds delivered in the bucket that starts at ``second``."""

    second: int
    group: str
    articles: int
    up: bool


@dataclass(frozen=True, slots=True)
class StreamAlert:
    """One episode of one series."""

    series: str
    raised: int
    onset: int
    severity: Severity
    score: float


@dataclass(frozen=True, slots=True)
class Look:
    """A score that stood out when a series was looked at."""

    series: str
    second: int
    spike: Spike


class StreamDetector:
    """Detects in all series of a stream, minute by minute, causally."""

    def __init__(self, settings: SpikeSettings, start: int) -> None:
        self._settings = settings
        self._exposure = Exposure()
        self._completeness = Completeness()
        self._clocks = OutletClocks()
        self._cores: dict[str, SeriesCore] = {}
        self._stories: set[tuple[str, str]] = set()
        self._bucket = start // BUCKET
        self._last_spike: dict[str, int] = {}
        self.alerts: list[StreamAlert] = []

    def run(self, events: Iterable[StreamEvent], totals: Iterable[GroupTotal]) -> Iterator[Look]:
        """Every score above 1 in the order of time; `alerts` fills meanwhile.

        Args:
            events: sorted by ``seen``, none before the start.
            totals: sorted by ``second``; a bucket without any counts as nothing delivered.
        """
        waiting = iter(totals)
        now = self._bucket * BUCKET
        touched: set[str] = set()
        next_total = next(waiting, None)
        for event in events:
            while event.seen >= now + MINUTE:
                now += MINUTE
                if touched:
                    yield from self._look(sorted(touched), now)
                    touched.clear()
                if now % BUCKET == 0:
                    while next_total is not None and next_total.second < now:
                        self._exposure.record(
                            next_total.second // BUCKET,
                            next_total.group,
                            next_total.articles,
                            0.0 if next_total.up else 1.0,
                            True,
                        )
                        next_total = next(waiting, None)
                    self._close()
            if self._add(event):
                touched.add(event.series)
        yield from self._look(sorted(touched), now + MINUTE)

    def _add(self, event: StreamEvent) -> bool:
        core = self._cores.get(event.series)
        if core is None:
            core = SeriesCore(self._settings, self._exposure, self._completeness)
            core.begin(self._bucket * BUCKET)
            self._cores[event.series] = core
        key = (event.series, event.story)
        at = self._clocks.file(event.outlet, event.published, event.seen)
        if key in self._stories:
            core.copy(at, event.seen)
            return False
        self._stories.add(key)
        counted = core.add(at, event.seen, event.outlet, event.group)
        self._completeness.learn(counted, event.seen - at, event.seen)
        return counted is Counted.NEWS

    def _close(self) -> None:
        self._exposure.close(self._bucket)
        for core in self._cores.values():
            core.close()
        self._bucket += 1

    def _look(self, touched: list[str], now: int) -> Iterator[Look]:
        for name in touched:
            spike = self._cores[name].score(now - 1)
            if spike is None or spike.score <= 1:
                continue
            yield Look(name, now, spike)
            if spike.score < self._settings.threshold:
                continue
            last = self._last_spike.get(name)
            if last is None or now - last >= QUIET:
                strength = spike.score / self._settings.threshold
                self.alerts.append(
                    StreamAlert(
                        name,
                        now,
                        now - spike.buckets * BUCKET,
                        severity_of(strength, 0, spike.owners),
                        spike.score,
                    )
                )
            self._last_spike[name] = now
