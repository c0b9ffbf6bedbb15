"""A small world for the graph: a tagger of one word, records, and a run in this process."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipeline.contracts.codec import decode, encode
from pipeline.contracts.ids import article_id
from pipeline.contracts.raw import RawBatch, RawRecord
from pipeline.contracts.records import (
    Alert,
    Article,
    DeadLetter,
    FeedStatus,
    Lang,
    Ledger,
    SeriesPoint,
    TaggedArticle,
    TopicTag,
)
from pipeline.graph import Rules, Sinks, Sources, build
from pipeline.io.memory import ReadMemory, WriteMemory, written
from pipeline.rules.alerts.detector import DetectorSettings
from pipeline.rules.alerts.handover import Handover
from pipeline.rules.stories.index import StorySettings
from pipeline.transforms import detect_spikes

START = datetime(2026, 3, 2, tzinfo=UTC)
TOPICS = ("harbour", "ferry")
QUIET_HOURS = 6

BURST_AT = START + timedelta(hours=QUIET_HOURS)

_names = itertools.count()
# The worker's cache weighs every state object by walking all modules: most of a small run's time.
_OPTIONS = PipelineOptions(["--max_cache_memory_usage_mb=0"])


@dataclass
class WordTagger:
    """On the topics that the title names, in the language of the hint; trips over 'stumble'."""

    rules_version: str = "words-1"

    def tag(self, title: str, summary: str, lang_hint: str | None = None) -> Any:
        if "stumble" in title:
            raise ZeroDivisionError("a rule that fails")
        tags = tuple(TopicTag(t, 1.0, 2, (t,)) for t in TOPICS if t in title.lower())
        return _Tagging(Lang(lang_hint or "en"), tags)


@dataclass(frozen=True)
class _Tagging:
    lang: Lang
    topics: tuple[TopicTag, ...]


@dataclass
class Out:
    """What a run wrote, in the order of writing."""

    tagged: list[TaggedArticle]
    series: list[SeriesPoint]
    alerts: list[Alert]
    ledger: list[Ledger]
    dead: list[DeadLetter]

    def last_ledger(self) -> dict[int, Ledger]:
        """The newest ledger of each partition."""
        return {entry.partition: entry for entry in self.ledger}

    def revisions(self) -> list[bytes]:
        """Alert revisions as bytes, in the order of topic and revision."""
        return sorted(encode(a) for a in self.alerts)


def article(number: int, at: datetime, title: str = "", **changes: Any) -> Article:
    """An article of outlet ``number``, off topic unless its title says otherwise."""
    feed = f"feed-{number % 40}"
    made = Article(
        article_id=article_id(feed, str(number), None, ""),
        feed_id=feed,
        group="coast",
        publisher=f"Outlet {number % 40}",
        owner=f"Owner {number % 40}",
        title=title or f"Village news number {number}",
        summary="",
        link=f"https://outlet-{number % 40}.example/{number}",
        authors=(),
        guid=str(number),
        published_at=at - timedelta(minutes=1),
        seen_at=at,
    )
    return replace(made, **changes)


def status(bucket: datetime, articles: int) -> FeedStatus:
    """All feeds of the group answered."""
    return FeedStatus(bucket, "coast", 40, 40, articles, 40)


class Log:
    """One topic as a broker would keep it: offsets and append times by partition."""

    def __init__(self, topic: str, partitions: int = 1) -> None:
        self.topic, self._partitions = topic, partitions
        self.records: dict[int, list[RawRecord]] = defaultdict(list)

    def append(self, value: Any, at: datetime, partition: int | None = None) -> None:
        """A record, or bytes, appended at that time; an article goes to the partition of its id."""
        if partition is None:
            partition = (
                int(value.article_id, 16) % self._partitions if isinstance(value, Article) else 0
            )
        data = value if isinstance(value, bytes | None) else encode(value)
        records = self.records[partition]
        milliseconds = int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
        records.append(RawRecord(len(records), milliseconds, data))

    def batches(self, size: int = 50) -> list[RawBatch]:
        """Batches in the order of time, as one reader a partition would hand them over."""
        made = [
            RawBatch(self.topic, partition, tuple(records[i : i + size]))
            for partition, records in sorted(self.records.items())
            for i in range(0, len(records), size)
        ]
        return sorted(made, key=lambda batch: batch.records[0].append_ms)


def interleave(batches: Sequence[RawBatch], seed: int) -> list[RawBatch]:
    """Another order that keeps the order inside each partition: all that Kafka promises."""
    queues: dict[int, list[RawBatch]] = defaultdict(list)
    for batch in batches:
        queues[batch.partition].append(batch)
    chance, out = random.Random(seed), []
    while queues:
        partition = chance.choice(sorted(queues))
        out.append(queues[partition].pop(0))
        if not queues[partition]:
            del queues[partition]
    return out


def rules() -> Rules:
    """One word a topic."""
    settings = DetectorSettings()
    return Rules(WordTagger(), StorySettings(), dict.fromkeys(TOPICS, settings))


@pytest.fixture(scope="session")
def run() -> Callable[..., Out]:
    """Runs the whole graph on lists, or on sources given."""

    def run_it(
        articles: Iterable[RawBatch] | beam.PTransform[Any, Any],
        feeds: Iterable[RawBatch] | beam.PTransform[Any, Any] = (),
        handovers: Mapping[str, Handover] | None = None,
    ) -> Out:
        name = f"run-{next(_names)}"
        with beam.Pipeline(runner=FnApiRunner(), options=_OPTIONS) as root:
            sources = Sources([_source(articles)], _source(feeds))
            build(root, sources, sinks(name), rules(), "test", handovers)
        return Out(
            tagged=[decode(TaggedArticle, r.value) for r in written(f"{name}/tagged")],
            series=[decode(SeriesPoint, r.value) for r in written(f"{name}/series")],
            alerts=[decode(Alert, r.value) for r in written(f"{name}/alerts")],
            ledger=[decode(Ledger, r.value) for r in written(f"{name}/ledger")],
            dead=[decode(DeadLetter, r.value) for r in written(f"{name}/dead")],
        )

    return run_it


def sinks(name: str) -> Sinks:
    """All in memory."""
    return Sinks(
        tagged=WriteMemory(f"{name}/tagged"),
        series=WriteMemory(f"{name}/series"),
        alerts=WriteMemory(f"{name}/alerts"),
        ledger=WriteMemory(f"{name}/ledger"),
        dead_articles=WriteMemory(f"{name}/dead"),
        dead_feeds=WriteMemory(f"{name}/dead"),
        dead_stories=WriteMemory(f"{name}/dead"),
        dead_spikes=WriteMemory(f"{name}/dead"),
    )


def _source(given: Any) -> beam.PTransform[Any, Any]:
    return given if isinstance(given, beam.PTransform) else ReadMemory(list(given))


_WORDS = "wall gate siren crane tug buoy mast rope sail pier dock net anchor keel gull tide"


@pytest.fixture(scope="session")
def episode() -> tuple[Log, Log]:
    """Six quiet hours, then half an hour of much on the harbour: articles and feed status."""
    chance = random.Random(5)
    articles, feeds = Log("articles", 2), Log("feeds")
    number = itertools.count()

    def harbour() -> str:
        return "Harbour " + " ".join(chance.sample(_WORDS.split(), 6))

    for minute in range(0, (QUIET_HOURS + 1) * 60, 5):
        bucket = START + timedelta(minutes=minute)
        arrivals = [(timedelta(seconds=90 * k), chance.random() < 0.05) for k in range(3)]
        if BURST_AT <= bucket < BURST_AT + timedelta(minutes=30):
            arrivals += [(timedelta(seconds=271 + 4 * k), True) for k in range(5)]
        for after, on_topic in arrivals:
            at = bucket + after
            articles.append(article(next(number), at, harbour() if on_topic else ""), at)
        feeds.append(status(bucket, len(arrivals)), bucket + timedelta(minutes=5, seconds=2))
    return articles, feeds


@pytest.fixture(scope="session")
def reference(run: Callable[..., Out], episode: tuple[Log, Log]) -> Out:
    """What the episode gives when all is read in order."""
    articles, feeds = episode
    return run(articles.batches(), feeds.batches())


@pytest.fixture(scope="session", autouse=True)
def _short_quiet() -> Iterator[None]:
    """A topic ticks by itself for sixteen hours only: the end of a list is the end of all time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detect_spikes, "_QUIET_FOR_MS", 16 * 3_600_000)
        yield
