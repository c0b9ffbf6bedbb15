"""An archive through the rules in event time: what the pipeline would have decided, and when.

The clock is the time at which articles were seen. Topics tick as they do in the pipeline
(`pipeline.transforms.detect_spikes`): on a five-second grid after an arrival, every five minutes
otherwise. Memory is bounded by the rules' own state, not by the archive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pipeline.contracts.records import (
    Alert,
    Article,
    FeedStatus,
    SeriesPoint,
    TaggedArticle,
)
from pipeline.rules.alerts.detector import TICK, DetectorSettings, TopicDetector
from pipeline.rules.stories.index import StoryIndex, StoryItem, StorySettings, shard_of
from pipeline.rules.tagging.tagger import Tagger

BUCKET: Final = timedelta(minutes=5)
_SILENCE: Final = timedelta(hours=48)
"""After so long without any news the archive has a hole: one tick at its end stands for all. It is
as long as the pipeline ticks by itself, and closes every alert."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Decided = Alert | SeriesPoint | TaggedArticle
"""What comes out of a replay, in the order in which it happened."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides."""

    tagger: Tagger
    detectors: Mapping[str, DetectorSettings]
    """Of each topic."""
    stories: StorySettings


class Replay:
    """Runs once over an archive. `articles` counts what went in."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._shards: dict[str, StoryIndex] = {}
        version = rules.tagger.rules_version
        self._topics = {
            name: _Topic(TopicDetector(name, settings, rules_version=version))
            for name, settings in rules.detectors.items()
        }
        self._clock = _EPOCH
        self.articles = 0

    def run(
        self,
        articles: Iterable[Article],
        statuses: Iterable[tuple[datetime, FeedStatus]] | None,
        clock: Callable[[Article], datetime] = lambda article: article.seen_at,
    ) -> Iterator[Decided]:
        """Decide everything, in order.

        Args:
            articles: in the order in which they were seen; one seen earlier than the one before it
                counts as seen with it.
            statuses: each with the time at which the pipeline came to know of it, in that order;
                None derives them from the articles alone.
            clock: when the pipeline came to know of an article: in the service, Kafka's time.
        """
        reports = None if statuses is None else iter(statuses)
        pending = None if reports is None else next(reports, None)
        derived = DerivedStatus()
        for article in articles:
            self.articles += 1
            self._clock = max(self._clock, clock(article))
            if reports is None:
                for status in derived.seen(self._clock, article):
                    yield from self._report(status.bucket + BUCKET, status)
            else:
                while pending is not None and pending[0] <= self._clock:
                    yield from self._report(*pending)
                    pending = next(reports, None)
            yield from self._article(article)
        if reports is None:
            for status in derived.rest():
                yield from self._report(status.bucket + BUCKET, status)
        yield from self._finish()

    def spread(self, topic: str) -> tuple[float, float]:
        """Linear and squared part of the variance of an ordinary count of ``topic`` by now."""
        return self._topics[topic].spread()

    def _article(self, article: Article) -> Iterator[Decided]:
        tagging = self._rules.tagger.tag(article.title, article.summary, article.lang_hint)
        if not tagging.topics:
            return
        index = self._shards.setdefault(shard_of(tagging.lang), StoryIndex(self._rules.stories))
        story, entry = index.assign(
            StoryItem(
                article_id=article.article_id,
                revision=article.revision,
                lang=tagging.lang,
                title=article.title,
                summary=article.summary,
                link=article.link,
                publisher=article.publisher,
                owner=article.owner,
                # One from the future would make the index forget all others.
                seen_at=min(article.seen_at, self._clock),
                published_at=article.published_at,
            )
        )
        if not entry:
            return
        tagged = TaggedArticle(
            article=article,
            lang=tagging.lang,
            topics=tagging.topics,
            story_id=story.story_id,
            event_id=story.event_id,
            reprint=story.reprint,
            possible_reprint_of=story.possible_reprint_of,
            rules_version=self._rules.tagger.rules_version,
        )
        yield tagged
        for tag in tagging.topics:
            if (topic := self._topics.get(tag.topic)) is not None:
                yield from topic.advance(self._clock)
                topic.hear(tagged, self._clock)

    def _report(self, at: datetime, status: FeedStatus) -> Iterator[Decided]:
        for topic in self._topics.values():
            yield from topic.advance(at)
            topic.hear(status, at)

    def _finish(self) -> Iterator[Decided]:
        """Count what waits. Nothing is claimed about the time after the archive."""
        for topic in self._topics.values():
            yield from topic.advance(self._clock + TICK)


class _Topic:
    """The detector of one topic, and what waits for its next tick."""

    def __init__(self, detector: TopicDetector) -> None:
        self._detector = detector
        self._last: datetime | None = None
        self._heard = _EPOCH
        self._waiting: list[tuple[datetime, TaggedArticle | FeedStatus]] = []

    def hear(self, record: TaggedArticle | FeedStatus, at: datetime) -> None:
        """Let it wait for the next tick; ``at`` never goes back."""
        self._waiting.append((at, record))
        self._heard = at

    def advance(self, now: datetime) -> Iterator[Alert | SeriesPoint]:
        """All ticks up to ``now``."""
        while (due := self._due()) is not None and due <= now:
            silent_from = self._heard + _SILENCE
            if not self._waiting and due > silent_from:
                due = max(due, now - (now - _EPOCH) % BUCKET)
            # All of them came before ``due``: ticks are made up to an arrival before it is heard.
            for at, record in self._waiting:
                if isinstance(record, FeedStatus):
                    self._detector.exposure(record, at)
                else:
                    self._detector.observe(record, at)
            self._waiting.clear()
            self._last = due
            result = self._detector.tick(due)
            yield from result.alerts
            yield from (p for p in result.points if p.bucket <= silent_from)

    def spread(self) -> tuple[float, float]:
        """What the detector has learned of how ordinary counts scatter."""
        return self._detector.spread()

    def _due(self) -> datetime | None:
        due = None if self._last is None else self._detector.next_tick(self._last)
        if self._waiting:
            own = _tick_after(self._waiting[0][0])
            if self._last is not None:
                own = max(own, self._last + TICK)
            due = own if due is None else min(due, own)
        return due


class DerivedStatus:
    """Feed status from the articles alone: how many each group brought in each five minutes.

    Nobody knows whether a silent feed was asked, so ``polled`` is 0.
    """

    def __init__(self) -> None:
        self._bucket: datetime | None = None
        self._counts: dict[str, int] = {}

    def seen(self, now: datetime, article: Article) -> Iterator[FeedStatus]:
        """Count an article seen ``now``; yields the buckets that are over."""
        bucket = now - (now - _EPOCH) % BUCKET
        if bucket != self._bucket:
            yield from self.rest()
            self._bucket = bucket
        if article.revision == 0:
            self._counts[article.group] = self._counts.get(article.group, 0) + 1

    def rest(self) -> Iterator[FeedStatus]:
        """The bucket that is not over yet."""
        if self._bucket is None:
            return
        for group, count in sorted(self._counts.items()):
            yield FeedStatus(self._bucket, group, 0, 0, count, connector="archive")
        self._counts = {}


def _tick_after(time: datetime) -> datetime:
    return time - (time - _EPOCH) % TICK + TICK
