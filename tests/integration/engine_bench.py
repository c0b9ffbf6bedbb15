"""The pipeline's job on a real engine, on Kafka topics of its own, for tests."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from connectors.bus.topics import ensure_topics
from deploy.job import JobOptions, submit
from deploy.local.flink.engine import EngineSetup
from deploy.local.flink.rest import FlinkAway, FlinkRest
from deploy.local.ports import HOST
from pipeline.contracts import topics
from pipeline.contracts.codec import decode, encode
from pipeline.contracts.ids import article_id
from pipeline.contracts.records import Article, Ledger, TaggedArticle

TOPIC_FILE = """
schema = 1
topic = "harbour"
title = "The harbour"
threshold = 1.0

[[set]]
name = "place"
weight = 1.0
en = ["harbour"]

[[route]]
name = "named"
weight = 1.0
all = ["place"]
"""

_names = itertools.count()


@dataclass
class Bench:
    """One set of Kafka topics, and the job on them."""

    kafka: str
    engine: EngineSetup
    prefix: str
    producer: Any
    topic_files: Mapping[str, str] = field(default_factory=lambda: {"harbour.toml": TOPIC_FILE})
    sent: list[Article] = field(default_factory=list)
    on_topic: set[str] = field(default_factory=set)

    @property
    def rest(self) -> FlinkRest:
        return FlinkRest(f"{HOST}:{self.engine.ports.rest}")

    def submit(self, generation: str) -> str:
        """Start the job and return its id once it runs."""
        at = self.engine.ports
        options = JobOptions(
            bootstrap=self.kafka,
            topic_files=self.topic_files,
            job_endpoint=f"{HOST}:{at.job}",
            artifact_endpoint=f"{HOST}:{at.artifact}",
            worker_pool=f"{HOST}:{at.workers}",
            generation=generation,
            topic_prefix=self.prefix,
            checkpoint_ms=1_000,
        )
        submit(options)
        found: list[str] = []

        def runs() -> bool:
            try:
                found[:] = self.rest.active_jobs()
            except FlinkAway:
                return False
            return bool(found) and self.rest.job(found[0]).state == "RUNNING"

        await_that(runs, "the job runs")
        return found[0]

    def cancel(self, job: str) -> None:
        """End the job and wait for its end; its checkpoints stay."""
        self.rest.cancel(job)

        def over() -> bool:
            try:
                return job not in self.rest.active_jobs()
            except FlinkAway:
                return True

        await_that(over, "the job ends")

    def send(self, count: int, key: str | None = None) -> None:
        """So many articles, every fifth on topic; with one key all in one partition."""
        for _ in range(count):
            number = len(self.sent)
            on_topic = number % 5 == 0
            now = datetime.now(UTC)
            article = Article(
                article_id=article_id("feed", str(number), None, ""),
                feed_id="feed",
                group="coast",
                publisher=f"Outlet {number % 20}",
                owner=f"Owner {number % 20}",
                title=f"{'Harbour' if on_topic else 'Village'} notice of the day, number {number}",
                summary="",
                link=f"https://outlet.example/{number}",
                authors=(),
                guid=str(number),
                published_at=now - timedelta(seconds=30),
                seen_at=now,
            )
            self.sent.append(article)
            if on_topic:
                self.on_topic.add(article.article_id)
            self.raw(encode(article), key or article.article_id)
        self.producer.flush(30)

    def raw(self, value: bytes | None, key: str) -> None:
        self.producer.send(self.prefix + topics.ARTICLES, value, key=key.encode())

    def read(self, name: str, record: type[Any]) -> list[Any]:
        """All records of a topic so far."""
        return [decode(record, r.value) for _, r in self.raw_records(name)]

    def raw_records(self, name: str) -> list[tuple[int, Any]]:
        """The same as they stand on Kafka, each with its partition; in the order of each."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.kafka, group_id=None, **topics.CONSUMER_OPTIONS
        )
        topic = self.prefix + name
        parts = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
        ends = consumer.end_offsets(parts)
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        out: list[tuple[int, Any]] = []
        left = {p for p in parts if ends[p]}
        while left:
            for part, records in consumer.poll(500).items():
                out += [(part.partition, r) for r in records]
                if records[-1].offset + 1 >= ends[part]:
                    left.discard(part)
        consumer.close()
        return out

    def ledger(self, generation: str) -> list[Ledger]:
        """The newest entry of each partition."""
        newest = {e.partition: e for e in self.read(topics.LEDGER, Ledger)}
        return [e for e in newest.values() if e.generation == generation]

    def wait_for(self, total: int, generation: str) -> list[Ledger]:
        """The ledger once it has counted so many records."""
        entries: list[Ledger] = []

        def counted() -> bool:
            entries[:] = self.ledger(generation)
            return sum(e.through_offset + 1 for e in entries) >= total

        await_that(counted, f"{total} records are counted, not {entries}")
        return entries

    def wait_for_tagged(self) -> list[TaggedArticle]:
        """The tagged articles, once all that were sent are there: they follow the ledger."""
        tagged: list[TaggedArticle] = []

        def all_there() -> bool:
            tagged[:] = self.read(topics.TAGGED, TaggedArticle)
            return {t.article.article_id for t in tagged} >= self.on_topic

        await_that(all_there, "all on topic are tagged", 30)
        assert {t.article.article_id for t in tagged} == self.on_topic
        return tagged

    def workers(self) -> list[psutil.Process]:
        """The engine's Python workers: grandchildren of ours, below the pool."""
        port = str(self.engine.ports.workers)
        for child in psutil.Process().children(recursive=True):
            command = child.cmdline()
            if "deploy.local.flink.worker_pool" in command and port in command:
                workers = child.children(recursive=True)
                if workers:
                    return workers
        return []


B = TypeVar("B", bound=Bench)


@contextmanager
def bench_on(kind: type[B], kafka: str, engine: EngineSetup, **more: Any) -> Iterator[B]:
    """A bench with topics of its own; its job is over at the end."""
    prefix = f"bench-{os.getpid()}-{next(_names)}."
    specs = [replace(s, name=prefix + s.name) for s in topics.topic_specs()]
    ensure_topics(kafka, specs, replication=1)
    producer = KafkaProducer(bootstrap_servers=kafka, **topics.PRODUCER_OPTIONS)
    made = kind(kafka, engine, prefix, producer, **more)
    yield made
    producer.close()
    with suppress(FlinkAway):
        for job in made.rest.active_jobs():
            made.cancel(job)


def await_that(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait until the condition holds; ``what`` is told when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.2)
