"""What a backtest writes while it runs: alerts, the series, the articles on topic.

Bounded: what is kept is a day of series points (they may still change), a plot's bins, the alerts.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import IO, Any, Final

from pipeline.contracts.codec import encode
from pipeline.contracts.records import (
    Alert,
    AlertState,
    Series,
    SeriesPoint,
    TaggedArticle,
    severity_rank,
)

SERIES_COLUMNS: Final = (
    "topic",
    "series",
    "bucket",
    "bucket_minutes",
    "raw",
    "independent",
    "expected",
    "upper",
    "score",
    "exposure",
    "warm",
    "blind",
)
TAGGED_COLUMNS: Final = (
    "seen_at",
    "published_at",
    "id",
    "lang",
    "topic",
    "escalation",
    "score",
    "publisher",
    "story_id",
    "event_id",
    "reprint",
    "title",
    "link",
)

_SETTLED: Final = timedelta(minutes=5) * 340
"""Older buckets change no more: the detector revises a day, and some hours for late articles."""
MOST_BINS: Final = 900
"""Of a plot: about one for a pixel or two. More, and bins are joined in pairs."""
FIRST_BIN: Final = timedelta(hours=1)


@dataclass(slots=True)
class Bin:
    """A stretch of one series in a plot."""

    raw: int = 0
    independent: int = 0
    expected: float = 0.0
    buckets: int = 0
    blind: int = 0
    cold: int = 0
    variance: float = 0.0


@dataclass(slots=True)
class Bins:
    """One series in equal stretches, the wider the longer it is."""

    width: timedelta = FIRST_BIN
    by_start: dict[datetime, Bin] = field(default_factory=dict)

    def add(self, point: SeriesPoint, spread: tuple[float, float]) -> None:
        """Add a settled bucket. ``spread``: the linear and squared part of a count's variance."""
        one = self.by_start.setdefault(_floor(point.bucket, self.width), Bin())
        one.raw += point.raw
        one.independent += point.independent
        one.expected += point.expected
        one.buckets += 1
        one.blind += point.blind
        one.cold += not point.warm
        phi, kappa = spread
        one.variance = phi * one.expected + kappa * one.expected**2
        if len(self.by_start) > MOST_BINS:
            self._widen()

    def _widen(self) -> None:
        self.width *= 2
        joined: dict[datetime, Bin] = {}
        for start, b in self.by_start.items():
            one = joined.setdefault(_floor(start, self.width), Bin())
            for name in Bin.__slots__:
                setattr(one, name, getattr(one, name) + getattr(b, name))
        self.by_start = joined


class SeriesFile:
    """``series.csv``: each bucket once, as it finally was, in order within its series."""

    def __init__(self, file: IO[str], spread: Callable[[str], tuple[float, float]]) -> None:
        self._rows = csv.writer(file, lineterminator="\n")
        self._rows.writerow(SERIES_COLUMNS)
        self._spread = spread
        self._open: dict[tuple[str, Series], dict[datetime, SeriesPoint]] = {}
        self.bins: dict[tuple[str, Series], Bins] = {}

    def add(self, point: SeriesPoint) -> None:
        """Take a point, or its newer version."""
        key = point.topic, point.series
        waiting = self._open.setdefault(key, {})
        waiting[point.bucket] = point
        if len(waiting) > 2 * _SETTLED / timedelta(minutes=5):
            self._settle(key, max(waiting) - _SETTLED)

    def close(self) -> None:
        """Write what waits."""
        for key, waiting in sorted(self._open.items()):
            if waiting:
                self._settle(key, max(waiting))

    def _settle(self, key: tuple[str, Series], until: datetime) -> None:
        waiting = self._open[key]
        for bucket in sorted(b for b in waiting if b <= until):
            p = waiting.pop(bucket)
            self._rows.writerow(
                (
                    p.topic,
                    p.series.value,
                    p.bucket.isoformat(),
                    p.bucket_minutes,
                    p.raw,
                    p.independent,
                    p.expected,
                    p.upper,
                    p.score,
                    p.exposure,
                    int(p.warm),
                    int(p.blind),
                )
            )
            self.bins.setdefault(key, Bins()).add(p, self._spread(p.topic))


@dataclass(slots=True)
class Episode:
    """One alert over all its revisions."""

    first: Alert
    last: Alert
    told_at: list[datetime]
    """When an analyst was told: raised, then each escalation."""
    top: Alert
    """The revision of the highest severity, of these the one with the most stories: what the
    report shows."""

    @property
    def is_closed(self) -> bool:
        """Whether the archive saw its end."""
        return self.last.state is AlertState.CLOSED

    def add(self, alert: Alert) -> None:
        """Take the next revision."""
        self.last = alert
        if alert.state is AlertState.ESCALATED:
            self.told_at.append(alert.revised_at)
        if alert.evidence and _height(alert) >= _height(self.top):
            self.top = alert


def _height(alert: Alert) -> tuple[int, int]:
    return severity_rank(alert.severity), alert.observed.independent


def add_revision(episodes: dict[str, Episode], alert: Alert) -> None:
    """Take the next revision of any alert into ``episodes``, by alert id."""
    known = episodes.get(alert.alert_id)
    if known is None:
        episodes[alert.alert_id] = Episode(alert, alert, [alert.revised_at], alert)
    else:
        known.add(alert)


class AlertsFile:
    """``alerts.jsonl``: a line for each revision, in order."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.episodes: dict[str, Episode] = {}
        self.revisions = 0

    def add(self, alert: Alert) -> None:
        """Take the next revision."""
        self._file.write(encode(alert).decode("utf-8", "replace") + "\n")
        self.revisions += 1
        add_revision(self.episodes, alert)


@dataclass(slots=True)
class TopicCounts:
    """What one topic was."""

    articles: int = 0
    stories: int = 0
    reprints: int = 0
    escalation_stories: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    levels: Counter[int] = field(default_factory=Counter)


class TaggedFile:
    """``articles.csv``: a line for each article and topic, so that one sees what was counted."""

    def __init__(self, file: IO[str]) -> None:
        self._rows = csv.writer(file, lineterminator="\n")
        self._rows.writerow(TAGGED_COLUMNS)
        self.topics: dict[str, TopicCounts] = {}
        self.articles = 0

    def add(self, tagged: TaggedArticle) -> None:
        """Take one article."""
        self.articles += 1
        a = tagged.article
        for tag in tagged.topics:
            counts = self.topics.setdefault(tag.topic, TopicCounts())
            counts.articles += 1
            counts.reprints += tagged.reprint
            counts.stories += not tagged.reprint
            counts.escalation_stories += not tagged.reprint and tag.escalation > 0
            counts.languages[tagged.lang.value] += 1
            counts.levels[tag.escalation] += 1
            self._rows.writerow(
                (
                    a.seen_at.isoformat(),
                    a.published_at.isoformat() if a.published_at else "",
                    a.article_id,
                    tagged.lang.value,
                    tag.topic,
                    tag.escalation,
                    round(tag.score, 3),
                    _cell(a.publisher),
                    tagged.story_id,
                    tagged.event_id,
                    int(tagged.reprint),
                    _cell(a.title),
                    _cell(a.link or ""),
                )
            )


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula: a feed's words are hostile."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _floor(time: datetime, width: timedelta) -> datetime:
    epoch = time.replace(year=1970, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return time - (time - epoch) % width


def plain(counts: TopicCounts) -> dict[str, Any]:
    """The counts as plain values."""
    return {
        "articles": counts.articles,
        "stories": counts.stories,
        "reprints": counts.reprints,
        "escalation_stories": counts.escalation_stories,
        "languages": dict(sorted(counts.languages.items())),
        "levels": {str(k): v for k, v in sorted(counts.levels.items())},
    }
