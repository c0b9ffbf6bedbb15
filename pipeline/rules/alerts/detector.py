"""The detector of one topic: tagged articles and feed reports in, alerts and series points out.

Pure and deterministic: time comes in with `TopicDetector.tick`. What arrives is held until the next
tick and then taken in the order of (arrival, id), so that the order inside a tick does not matter.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from pipeline.contracts.codec import from_dict, to_dict
from pipeline.contracts.ids import stable_id
from pipeline.contracts.records import (
    Alert,
    AlertState,
    FeedStatus,
    Series,
    SeriesPoint,
    Severity,
    TaggedArticle,
    TopicTag,
)
from pipeline.rules.alerts import lifecycle
from pipeline.rules.alerts.alert import Described, describe
from pipeline.rules.alerts.arrivals import Arrivals
from pipeline.rules.alerts.counts import Stories, Story
from pipeline.rules.alerts.lifecycle import Episode, Moment
from pipeline.rules.alerts.points import point
from pipeline.rules.alerts.severity import corroborated_level, severity_of
from pipeline.rules.baseline.completeness import Completeness
from pipeline.rules.baseline.exposure import Exposure, counts_for
from pipeline.rules.baseline.late import Counted
from pipeline.rules.spikes.series import SeriesCore
from pipeline.rules.spikes.spike import USUAL_SENSITIVITY, Spike, SpikeSettings, sensitivity_for
from pipeline.rules.times import BUCKET, OutletClocks, moment, seconds

DETECTOR_VERSION: Final = "6"
"""Changes whenever the same input may give other alerts, or the state another form."""

TICK: Final = timedelta(seconds=5)
"""Between the ticks that follow an arrival."""

_HOLE: Final = 576
"""Buckets, two days: after so long without a tick nobody was watching; nothing is learned of it."""

_VOLUME, _ESCALATION = 1, 2
_ALL_LEVELS: Final = -1
_GRAVE: Final = 2
_VOLUME_PENALTY: Final = 0.5
_FRICTION_PENALTY: Final = 0.7
"""What a spike must score more that no two owners report as coercion or force."""


class StateError(ValueError):
    """The bytes are no state of this detector version; it must be rebuilt by replay."""


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """What a topic may set. ``spike`` holds the measured numbers of the decision."""

    sensitivity: float = USUAL_SENSITIVITY
    """False alerts a week that the benchmark's streams would give; real headlines give fewer."""
    spike: SpikeSettings = field(default_factory=SpikeSettings)

    @classmethod
    def of(cls, alerts_a_month: float | None) -> DetectorSettings:
        """The settings of a topic that asks for so many alerts a month; None: the default."""
        return cls() if alerts_a_month is None else cls(sensitivity_for(alerts_a_month))


@dataclass(frozen=True, slots=True)
class TickResult:
    """What a tick has to tell."""

    alerts: tuple[Alert, ...] = ()
    points: tuple[SeriesPoint, ...] = ()


class TopicDetector:
    """Both series of one topic, and its alert."""

    def __init__(
        self, topic: str, settings: DetectorSettings | None = None, *, rules_version: str
    ) -> None:
        self.topic = topic
        self._settings = settings or DetectorSettings()
        self._rules_version = rules_version
        self._exposure = Exposure()
        self._completeness = Completeness()
        self._clocks = OutletClocks()
        self._stories = Stories()
        spike = self._spike_settings()
        self._escalation = SeriesCore(spike, self._exposure, self._completeness)
        self._volume = SeriesCore(spike, self._exposure, self._completeness)
        self._episode: Episode | None = None
        self._arrivals = Arrivals()
        self._raw: dict[int, list[int]] = {}
        self._touched: set[int] = set()

    def _spike_settings(self) -> SpikeSettings:
        return self._settings.spike.at_sensitivity(self._settings.sensitivity)

    # -- input

    def observe(self, tagged: TaggedArticle, at: datetime | None = None) -> None:
        """Hold an article until the next tick after ``at`` (its arrival on the seen clock).

        An article on other topics only is ignored.
        """
        if any(tag.topic == self.topic for tag in tagged.topics):
            self._arrivals.articles.append((seconds(at or tagged.article.seen_at), tagged))

    def exposure(self, status: FeedStatus, at: datetime | None = None) -> None:
        """Hold a feed report until the next tick after ``at`` (its arrival; else its bucket's end).

        ``polled`` and ``feeds`` of 0 mean that nobody knows who answered (an archive).
        """
        arrival = seconds(at) if at else seconds(status.bucket) + BUCKET
        self._arrivals.statuses.append((arrival, status))

    def next_tick(self, now: datetime) -> datetime:
        """When `tick` must be called next: soon while something waits, else at the bucket's end.

        An import that comes to rest is learned at once too.
        """
        second = seconds(now)
        bucket_end = (second // BUCKET + 1) * BUCKET
        waiting = self._arrivals.waiting()
        waiting += [r - 1 for c in (self._escalation, self._volume) if (r := c.rests_at)]
        if not waiting:
            return moment(bucket_end)
        due = (max(min(waiting), second) // TICK.seconds + 1) * TICK.seconds
        return moment(min(due, bucket_end))

    # -- ticking

    def tick(self, now: datetime) -> TickResult:
        """Take in what arrived before ``now``, and tell what changed. ``now`` never goes back."""
        second = seconds(now)
        articles, statuses = self._arrivals.before(second)
        if self._escalation.since is None:
            first = min([a for a, _ in articles] + [a for a, _ in statuses] + [second])
            for core in (self._escalation, self._volume):
                core.begin(first)
        before = self._escalation.bucket
        news = 0
        for arrival, tagged in articles:
            self._advance(arrival // BUCKET, statuses)
            news |= self._take(tagged, arrival)
        self._advance(second // BUCKET, statuses)
        while statuses:
            self._record(statuses.pop(0)[1])
        # Time alone makes nothing more surprising: a series is looked at when news has come, or
        # when an imported archive has just taught what is usual.
        if self._escalation.rest(second):
            news |= _ESCALATION
        if self._volume.rest(second):
            news |= _VOLUME
        spike = self._escalation.score(second) if news & _ESCALATION else None
        volume = self._volume.score(second) if news & _VOLUME else None
        alerts = tuple(self._follow(second, self._strongest(spike, volume)))
        closed = range(max(before, self._escalation.bucket - _HOLE), self._escalation.bucket)
        if closed:
            self._stories.prune(second)
            self._clocks.forget(second)
            self._raw = {b: r for b, r in self._raw.items() if b > self._escalation.bucket - 330}
        touched = {b for b in self._touched if b > self._escalation.bucket - 288}
        self._touched.clear()
        points = [
            made
            for bucket in sorted(touched | set(closed))
            for made in self._points(bucket, spike, volume)
        ]
        return TickResult(alerts, tuple(points))

    def spread(self) -> tuple[float, float]:
        """``(phi, kappa)``: an ordinary count of mean m has the variance ``phi m + kappa m²``."""
        return self._escalation.spread()

    def _advance(self, bucket: int, statuses: list[tuple[int, FeedStatus]]) -> None:
        if bucket - self._escalation.bucket > _HOLE and not (
            statuses and statuses[0][0] // BUCKET < bucket - _HOLE
        ):
            self._exposure.skip_to(bucket)
            self._escalation.skip_to(bucket)
            self._volume.skip_to(bucket)
        while self._escalation.bucket < bucket:
            end = (self._escalation.bucket + 1) * BUCKET
            while statuses and statuses[0][0] <= end:
                self._record(statuses.pop(0)[1])
            self._exposure.close(self._escalation.bucket)
            self._escalation.close()
            self._volume.close()

    def _record(self, status: FeedStatus) -> None:
        newest = self._escalation.bucket
        bucket = counts_for(seconds(status.bucket) // BUCKET, newest)
        if bucket is not None and self._exposure.report(bucket, status) and bucket < newest:
            self._touched.add(bucket)

    def _take(self, tagged: TaggedArticle, arrival: int) -> int:
        """Count an article; returns the bits of the series that it is news for."""
        article = tagged.article
        tag = next(t for t in tagged.topics if t.topic == self.topic)
        # A connector's clock may be ahead: a day that is not yet would end all learning of delays.
        seen = min(seconds(article.seen_at), arrival)
        published = None if article.published_at is None else seconds(article.published_at)
        at = self._clocks.file(article.publisher, published, seen)
        story = self._stories.by_id.get(tagged.story_id)
        is_new = story is None
        if story is None:
            if self._stories.is_known(tagged.story_id):
                return 0
            story = self._stories.add(tagged, tag, at, seen)
        elif article.article_id in story.articles and tag.escalation <= story.level:
            return 0
        story.level = max(story.level, tag.escalation)
        if is_new or article.article_id not in story.articles:
            raw = self._raw.setdefault(at // BUCKET, [0, 0])
            raw[0] += 1
            raw[1] += tag.escalation > 0
            if not is_new:
                self._volume.copy(at, seen)
                if story.tried & _ESCALATION:
                    self._escalation.copy(at, seen)
        story.articles.add(article.article_id)
        self._touched.add(at // BUCKET)
        return self._count(story, article.backfill, at, seen, article.group, tag)

    def _count(
        self, story: Story, backfill: bool, at: int, seen: int, group: str, tag: TopicTag
    ) -> int:
        due = _VOLUME | (_ESCALATION if tag.escalation > 0 else 0)
        due &= ~story.tried if story.is_voice else 0
        story.tried |= due
        news = 0
        if due & _VOLUME:
            counted = self._volume.add(at, seen, story.owner, group, teach_only=backfill)
            self._completeness.learn(counted, seen - at, seen)
            news |= _VOLUME if counted is Counted.NEWS else 0
        if due & _ESCALATION:
            counted = self._escalation.add(
                at,
                seen,
                story.owner,
                group,
                level=tag.escalation,
                event=story.event_id,
                teach_only=backfill,
            )
            news |= _ESCALATION if counted is Counted.NEWS else 0
        story.counted |= news
        return news

    # -- output

    def _follow(self, now: int, spike: Spike | None) -> Iterable[Alert]:
        threshold = self._spike_settings().threshold
        stories: list[Story] = []
        severity, level, is_spike = Severity.INFO, 0, False
        if spike is not None:
            stories = self._window_stories(spike)
            level = corroborated_level((s.owner, s.level) for s in stories)
            severity = severity_of(spike.score / threshold, level, spike.owners)
            is_spike = spike.score >= threshold + (0 if level >= _GRAVE else _FRICTION_PENALTY)
        before = self._episode
        if before is None:
            if not is_spike or spike is None:
                return
            raised = moment(now).isoformat()
            alert_id = stable_id(self.topic, Series.ESCALATION.value, raised)
            onset = min((s.at for s in stories), default=now)
            self._episode = lifecycle.begin(alert_id, now, onset, severity)
        else:
            self._episode = lifecycle.advance(before, Moment(now, is_spike, severity))
        after = self._episode
        if before is None or after.revision > before.revision:
            yield self._alert(now, after, before, spike, stories, level)
        if after.state is AlertState.CLOSED:
            self._episode = None

    def _strongest(self, spike: Spike | None, volume: Spike | None) -> Spike | None:
        """The spike that decides: of the escalation series, or of all stories around grave ones.

        Around a grave event some reports name no act. So a spike of all stories counts when a third
        of them, of at least two owners, report coercion or force; with its score lowered.
        """
        if volume is None:
            return spike
        score = volume.score - _VOLUME_PENALTY
        if spike is not None and spike.score >= score:
            return spike
        volume = replace(volume, score=score, level=_ALL_LEVELS)
        stories = self._window_stories(volume)
        grave = [s for s in stories if s.level >= _GRAVE]
        if len({s.owner for s in grave}) < 2 or 3 * len(grave) < len(stories):
            return spike
        return volume

    def _window_stories(self, spike: Spike) -> list[Story]:
        last = self._escalation.bucket
        found = self._stories.between(last - spike.buckets + 1, last)
        bit = _VOLUME if spike.level == _ALL_LEVELS else _ESCALATION
        return [s for s in found if s.counted & bit and s.level >= spike.level]

    def _alert(
        self,
        now: int,
        episode: Episode,
        before: Episode | None,
        spike: Spike | None,
        stories: list[Story],
        level: int,
    ) -> Alert:
        last = self._escalation.bucket
        width = spike.buckets if spike else max(1, min(288, last - episode.onset_at // BUCKET + 1))
        if spike is None:
            found = self._stories.between(last - width + 1, last)
            stories = [s for s in found if s.counted & _ESCALATION]
            level = corroborated_level((s.owner, s.level) for s in stories)
        facts = Described(
            topic=self.topic,
            rules_version=self._rules_version,
            detector_version=DETECTOR_VERSION,
            width=width,
            raw=sum(r[1] for b, r in self._raw.items() if last - width < b <= last),
            level=level,
        )
        return describe(facts, now, episode, before, spike, stories, self._escalation)

    def _points(self, bucket: int, spike: Spike | None, volume: Spike | None) -> list[SeriesPoint]:
        stories = self._stories.in_bucket(bucket)
        raw = self._raw.get(bucket, [0, 0])
        return [
            point(self.topic, series, core, bucket, [s for s in stories if s.tried & bit], n, top)
            for series, core, bit, n, top in (
                (Series.ESCALATION, self._escalation, _ESCALATION, raw[1], spike),
                (Series.VOLUME, self._volume, _VOLUME, raw[0], volume),
            )
        ]

    # -- state

    def dumps(self) -> bytes:
        """The whole state, what waits included: equal states give equal bytes."""
        episode = self._episode
        raw = {
            "topic": self.topic,
            "exposure": self._exposure.to_json(),
            "completeness": self._completeness.to_json(),
            "clocks": self._clocks.to_json(),
            "stories": self._stories.to_json(),
            "escalation": self._escalation.to_json(),
            "volume": self._volume.to_json(),
            "episode": None if episode is None else to_dict(episode),
            **self._arrivals.to_json(),
            "raw": sorted(self._raw.items()),
            "touched": sorted(self._touched),
        }
        body = zlib.compress(json.dumps(raw, ensure_ascii=False, separators=(",", ":")).encode(), 1)
        return f"straitwatch-detector {DETECTOR_VERSION}\n".encode() + body

    @classmethod
    def loads(
        cls, data: bytes, settings: DetectorSettings | None = None, *, rules_version: str
    ) -> TopicDetector:
        """The inverse of `dumps`.

        Raises:
            StateError: not a state, or of another detector version.
        """
        head, _, body = data.partition(b"\n")
        if head != f"straitwatch-detector {DETECTOR_VERSION}".encode():
            raise StateError(
                f"detector state is {head[:60]!r}, this program reads version {DETECTOR_VERSION}"
            )
        try:
            raw: dict[str, Any] = json.loads(zlib.decompress(body))
        except (ValueError, zlib.error) as e:
            raise StateError(f"detector state is damaged: {e}") from e
        self = cls(raw["topic"], settings, rules_version=rules_version)
        self._exposure = Exposure.from_json(raw["exposure"])
        self._completeness = Completeness.from_json(raw["completeness"])
        self._clocks = OutletClocks.from_json(raw["clocks"])
        self._stories = Stories.from_json(raw["stories"])
        spike, shared = self._spike_settings(), (self._exposure, self._completeness)
        self._escalation = SeriesCore.from_json(raw["escalation"], spike, *shared)
        self._volume = SeriesCore.from_json(raw["volume"], spike, *shared)
        self._episode = None if raw["episode"] is None else from_dict(Episode, raw["episode"])
        self._arrivals = Arrivals.from_json(raw)
        self._raw = {b: list(r) for b, r in raw["raw"]}
        self._touched = set(raw["touched"])
        return self
