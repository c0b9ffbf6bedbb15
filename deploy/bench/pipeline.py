"""How fast the pipeline is on the real Kafka and engine, and beside a plain consumer loop.

The whole service runs (`up`, with no feeds). Articles of 1.6 kB go straight to Kafka, 2 % of them
on topic. Then, one after another: memory and CPU of the idle service; a plain loop over the log
(confluent-kafka, the same decoding and tagging, results produced); a drain, which is a replay from
the start of the log as after a change of rules, timed by the ledger; latency at a fixed live rate.
Processor time stands beside the rates, since rates on a busy machine say little.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psutil
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from connectors.bus.topics import ensure_topics
from deploy.bench.articles import make_texts
from deploy.bench.processor import ByPart, Meter, idle
from deploy.demo.stage import Service, running, stage_environment
from deploy.errors import Fault
from deploy.local.job.site import REPLAY_REQUEST
from deploy.local.layout import Layout
from deploy.topic_files import load_topics
from pipeline.contracts import topics
from pipeline.contracts.codec import decode, encode
from pipeline.contracts.ids import article_id
from pipeline.contracts.records import Article, Ledger, TaggedArticle
from pipeline.rules.tagging.tagger import Tagger
from pipeline.transforms.read_article import read_article

BYTES: Final = 1_600
_TEXT: Final = 1_240
"""Bytes of title and summary in it."""
SHARE: Final = 0.02
PLAIN: Final = "bench.plain"
IN_FLIGHT: Final = topics.MAX_IN_FLIGHT
PATIENCE_SECONDS: Final = 600.0
FEW: Final = 100
"""Articles of a replay that is nothing but its start."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Drain:
    """Articles read from a backlog."""

    per_second: float
    """Of the pipeline: without what a start takes, which is measured beside it."""
    cpu_us: dict[str, float]
    """Processor time an article, by part, in the same way."""
    tagged_behind_s: float = 0.0
    """From the last article counted until the last one on topic had its story and was written."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured, on what."""

    machine: str
    versions: dict[str, str]
    load_average: float
    """Of the machine when the measurement began: above 0 others were at work."""
    articles: int
    on_topic: int
    plain: list[Drain] = field(default_factory=list)
    drains: list[Drain] = field(default_factory=list)
    latency_s: dict[str, float] = field(default_factory=dict)
    """From the article's own ``seen_at`` to its appearance on the tagged topic."""
    idle_cpu_percent: dict[str, float] = field(default_factory=dict)
    """Of one core."""
    idle_memory_mb: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Pipeline to plain loop, the better run of each."""
        plain = max(d.per_second for d in self.plain)
        return max(d.per_second for d in self.drains) / plain


def run(
    articles: int, live_rate: float, live_seconds: float, idle_seconds: float, rounds: int, say: Say
) -> Report:
    """Measure everything.

    Raises:
        Fault: the service does not start, or does not get through in time.
    """
    with tempfile.TemporaryDirectory(prefix="straitwatch-bench-") as folder:
        home = Path(folder) / "home"
        feeds = Path(folder) / "feeds.toml"
        feeds.write_text("")
        service = Service(stage_environment(home, FEEDS=str(feeds)))
        load = os.getloadavg()[0]
        say("starting the service")
        with running(service):
            kafka = service.kafka
            _write(kafka, FEW, 10**8, "few")
            _counted(kafka, FEW, lambda _: True)
            starts = [_replay(service, home, FEW) for _ in range(rounds)]
            say(f"writing {articles} articles")
            on_topic = _write(kafka, articles, 0, "log")
            _counted(kafka, FEW + articles, lambda _: True)
            report = Report(_machine(), _versions(), load, articles, on_topic)
            if idle_seconds:
                say(f"idle for {idle_seconds:.0f} s")
                cpu, memory = idle(service, idle_seconds)
                report.idle_cpu_percent.update(cpu)
                report.idle_memory_mb.update(memory)
            for number in range(rounds):
                say(f"plain loop {number + 1}")
                report.plain.append(_plain(kafka, articles))
                say(f"drain {number + 1}")
                report.drains.append(_drain(service, home, articles, on_topic, starts))
            if live_seconds:
                say(f"live at {live_rate:.0f} articles/s for {live_seconds:.0f} s")
                report.latency_s.update(_live(kafka, live_rate, live_seconds))
    return report


def table(report: Report) -> str:
    """The figures as text."""
    lines = [
        f"{report.machine}; load average {report.load_average:.1f} before the start",
        ", ".join(f"{name} {version}" for name, version in report.versions.items()),
        f"{report.articles} articles of {BYTES} bytes, {report.on_topic} on topic",
    ]
    for name, drains in (("plain loop", report.plain), ("pipeline", report.drains)):
        for drain in drains:
            cpu = ", ".join(f"{part} {us:.0f}" for part, us in drain.cpu_us.items() if us >= 1)
            lines.append(f"{name:<11}{drain.per_second:9,.0f} articles/s   µs of CPU each: {cpu}")
            if drain.tagged_behind_s:
                lines.append(f"{'':11}the last story {drain.tagged_behind_s:.1f} s after that")
    if report.plain and report.drains:
        lines.append(f"ratio      {report.ratio:9.2f}")
    if report.latency_s:
        shares = "   ".join(f"{name} {s:.2f} s" for name, s in report.latency_s.items())
        lines.append(f"seen to tagged, live: {shares}")
    for name, unit, values in (
        ("idle CPU", "% of one core", report.idle_cpu_percent),
        ("memory", "MB", report.idle_memory_mb),
    ):
        if values:
            by_part = ", ".join(f"{part} {value:.1f}" for part, value in values.items())
            lines.append(f"{name}: {sum(values.values()):.0f} {unit} ({by_part})")
    return "\n".join(lines)


def as_record(report: Report) -> dict[str, Any]:
    """The report for JSON."""
    return {**asdict(report), "ratio": round(report.ratio, 3)}


def make_load(count: int, start: int, name: str) -> Iterator[Article]:
    """Articles that are all distinct stories, seen now."""
    for number, (title, summary) in enumerate(make_texts(count, _TEXT, SHARE, start), start):
        feed = f"feed-{number % 200}"
        now = datetime.now(UTC)
        yield Article(
            article_id=article_id(feed, f"{name}-{number}", None, ""),
            feed_id=feed,
            group="bench",
            publisher=f"Outlet {number % 200}",
            owner=f"Owner {number % 200}",
            title=title,
            summary=summary,
            link=f"https://outlet-{number % 200}.example/{name}/{number}",
            authors=(),
            guid=f"{name}-{number}",
            published_at=now - timedelta(minutes=1),
            seen_at=now,
        )


def _write(kafka: str, count: int, start: int, name: str, rate: float | None = None) -> int:
    """Send articles, at ``rate`` a second or as fast as it goes; how many are on topic."""
    tagger = Tagger(load_topics(None))
    producer: Any = KafkaProducer(bootstrap_servers=kafka.split(","), **topics.PRODUCER_OPTIONS)
    on_topic, sent, began = 0, [], time.monotonic()
    for number, article in enumerate(make_load(count, start, name)):
        if rate is not None:
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            article = replace(article, seen_at=datetime.now(UTC))
        else:
            on_topic += bool(tagger.tag(article.title, article.summary).topics)
        key = article.article_id.encode()
        sent.append(producer.send(topics.ARTICLES, encode(article), key=key))
        if len(sent) > IN_FLIGHT:
            sent.pop(0).get(60)
    for future in sent:
        future.get(60)
    producer.close()
    return on_topic


def _ledgers(kafka: str) -> Iterator[Ledger | None]:
    """Ledger records as they come; None when none came for a moment."""
    consumer: Any = KafkaConsumer(
        bootstrap_servers=kafka.split(","), group_id=None, **topics.CONSUMER_OPTIONS
    )
    partition = TopicPartition(topics.LEDGER, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    try:
        while True:
            records = consumer.poll(500).get(partition, ())
            for record in records:
                yield decode(Ledger, record.value)
            if not records:
                yield None
    finally:
        consumer.close()


def _counted(kafka: str, total: int, wanted: Callable[[Ledger], bool]) -> None:
    """Wait until ``total`` records are counted in one generation.

    Args:
        kafka: where the ledger is.
        total: records.
        wanted: whose entries count.

    Raises:
        Fault: not in time.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    newest: dict[int, int] = {}
    for ledger in _ledgers(kafka):
        if ledger is not None and wanted(ledger):
            newest[ledger.partition] = ledger.through_offset + 1
            if sum(newest.values()) >= total:
                return
        if time.monotonic() > end:
            break
    raise Fault(f"only {sum(newest.values())} of {total} articles after {PATIENCE_SECONDS:.0f} s")


@dataclass(frozen=True, slots=True)
class Replay:
    """All of the log once more, from the request until everything is counted."""

    seconds: float
    cpu_seconds: ByPart

    def beyond(self, start: Replay, articles: int) -> tuple[float, ByPart]:
        """Articles a second, and microseconds of processor time an article by part.

        Args:
            start: a replay of almost nothing.
            articles: that this one had beyond it.
        """
        us = {
            part: max(0.0, spent - start.cpu_seconds.get(part, 0.0)) / articles * 1e6
            for part, spent in self.cpu_seconds.items()
        }
        return articles / max(self.seconds - start.seconds, 1e-3), us


def _replay(service: Service, home: Path, total: int) -> Replay:
    before = {ledger.generation for ledger in _so_far(service.kafka)}
    meter, began = Meter(service), time.monotonic()
    (Layout(home).engine / REPLAY_REQUEST).write_text("bench pipeline")
    _counted(service.kafka, total, lambda ledger: ledger.generation not in before)
    return Replay(time.monotonic() - began, meter.seconds())


def _drain(
    service: Service, home: Path, articles: int, on_topic: int, starts: list[Replay]
) -> Drain:
    """A replay of the backlog, less one of almost nothing.

    The ledger cannot say how fast the middle goes: it is told on the seen clock, which is that of
    the slowest partition, so that most of it comes at the end.
    """
    tagged = _written(service.kafka, topics.TAGGED)
    whole = _replay(service, home, FEW + articles)
    counted = time.monotonic()
    while _written(service.kafka, topics.TAGGED) < tagged + on_topic:
        if time.monotonic() > counted + PATIENCE_SECONDS:
            raise Fault(f"not all of {on_topic} articles on topic were tagged")
        time.sleep(0.1)
    behind = time.monotonic() - counted
    # The quickest start leaves the most to the articles.
    rate, us = whole.beyond(min(starts, key=lambda replay: replay.seconds), articles)
    return Drain(rate, us, behind)


def _written(kafka: str, topic: str) -> int:
    """Records ever written to a topic."""
    consumer: Any = KafkaConsumer(bootstrap_servers=kafka.split(","), group_id=None)
    try:
        parts = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
        return sum(consumer.end_offsets(parts).values())
    finally:
        consumer.close()


def _so_far(kafka: str) -> list[Ledger]:
    found: list[Ledger] = []
    for item in _ledgers(kafka):
        if item is None:
            return found
        found.append(item)
    return found


def _plain(kafka: str, total: int) -> Drain:
    """One process that reads, decodes, tags and produces what is on topic; nothing else."""
    from confluent_kafka import Consumer, Producer
    from confluent_kafka import TopicPartition as Partition

    ensure_topics(kafka, [topics.TopicSpec(PLAIN, 1, timedelta(days=1))])
    address = {"bootstrap.servers": kafka}
    consumer = Consumer({**address, "group.id": "bench", "enable.auto.commit": False})
    parts = consumer.list_topics(topics.ARTICLES, 10).topics[topics.ARTICLES].partitions
    consumer.assign([Partition(topics.ARTICLES, number, 0) for number in parts])
    producer = Producer({**address, "linger.ms": 5, "enable.idempotence": True})
    tag = Tagger(load_topics(None)).tag
    tag("", "")
    done, cpu, began = 0, time.process_time(), 0.0
    while done < total:
        for message in consumer.consume(500, 1.0):
            began = began or time.monotonic()
            article = read_article(message.value())
            if tag(article.title, article.summary, article.lang_hint).topics:
                producer.produce(PLAIN, message.value(), article.article_id)
            done += 1
        producer.poll(0)
    producer.flush()
    elapsed = time.monotonic() - began
    consumer.close()
    return Drain(done / elapsed, {"loop": (time.process_time() - cpu) / done * 1e6})


def _live(kafka: str, rate: float, seconds: float) -> dict[str, float]:
    consumer: Any = KafkaConsumer(
        bootstrap_servers=kafka.split(","), group_id=None, **topics.CONSUMER_OPTIONS
    )
    parts = [TopicPartition(topics.TAGGED, p) for p in consumer.partitions_for_topic(topics.TAGGED)]
    consumer.assign(parts)
    for part, offset in consumer.end_offsets(parts).items():
        consumer.seek(part, offset)
    name = f"live-{time.time_ns()}"
    _write(kafka, int(rate * seconds), 10**7, name, rate)
    found: list[float] = []
    quiet = 0
    while quiet < 10:
        records = [r for batch in consumer.poll(500).values() for r in batch]
        quiet = 0 if records else quiet + 1
        for record in records:
            article = decode(TaggedArticle, record.value).article
            # What the drain before left to be written is none of ours.
            if (article.guid or "").startswith(name):
                found.append(record.timestamp / 1000 - article.seen_at.timestamp())
    consumer.close()
    found.sort()
    if not found:
        raise Fault("no article was tagged")
    return {share_name: found[int(share * (len(found) - 1))] for share_name, share in _SHARES}


_SHARES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))


def _machine() -> str:
    cores, memory = psutil.cpu_count(), psutil.virtual_memory().total / 2**30
    return f"{cores} cores, {memory:.0f} GB, {platform.system()} {platform.machine()}"


def _versions() -> dict[str, str]:
    names = ("apache-beam", "kafka-python", "crc32c", "confluent-kafka")
    return {"python": platform.python_version()} | {n: importlib.metadata.version(n) for n in names}
