"""The pipeline on the real engine and a real Kafka: nothing lost, whatever is killed."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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
from pipeline.contracts.records import Article, DeadLetter, Ledger, TaggedArticle

pytestmark = [pytest.mark.kafka, pytest.mark.engine, pytest.mark.timeout(300)]

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
            topic_files={"harbour.toml": TOPIC_FILE},
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

        _wait(runs, "the job runs")
        return found[0]

    def cancel(self, job: str) -> None:
        """End the job and wait for its end; its checkpoints stay."""
        self.rest.cancel(job)

        def over() -> bool:
            try:
                return job not in self.rest.active_jobs()
            except FlinkAway:
                return True

        _wait(over, "the job ends")

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
        consumer = KafkaConsumer(
            bootstrap_servers=self.kafka, group_id=None, **topics.CONSUMER_OPTIONS
        )
        topic = self.prefix + name
        parts = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
        ends = consumer.end_offsets(parts)
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        out: list[Any] = []
        left = {p for p in parts if ends[p]}
        while left:
            for part, records in consumer.poll(500).items():
                out += [decode(record, r.value) for r in records]
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

        _wait(counted, f"{total} records are counted, not {entries}")
        return entries

    def wait_for_tagged(self) -> list[TaggedArticle]:
        """The tagged articles, once all that were sent are there: they follow the ledger."""
        tagged: list[TaggedArticle] = []

        def all_there() -> bool:
            tagged[:] = self.read(topics.TAGGED, TaggedArticle)
            return {t.article.article_id for t in tagged} >= self.on_topic

        _wait(all_there, "all on topic are tagged", 30)
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


def totals(entries: list[Ledger]) -> tuple[int, int, int, int, int]:
    return (
        sum(e.tagged for e in entries),
        sum(e.off_topic for e in entries),
        sum(e.duplicates for e in entries),
        sum(e.dead_letters for e in entries),
        sum(e.redelivered for e in entries),
    )


@pytest.fixture
def bench(kafka_bootstrap: str, engine: EngineSetup) -> Iterator[Bench]:
    """Topics of its own; the job is over at the end."""
    prefix = f"pipeline-{os.getpid()}-{next(_names)}."
    specs = [replace(s, name=prefix + s.name) for s in topics.topic_specs()]
    ensure_topics(kafka_bootstrap, specs, replication=1)
    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap, **topics.PRODUCER_OPTIONS)
    made = Bench(kafka_bootstrap, engine, prefix, producer)
    yield made
    producer.close()
    try:
        for job in made.rest.active_jobs():
            made.cancel(job)
    except FlinkAway:
        pass


def test_poison_of_every_kind_ends_in_the_dead_letters_and_the_rest_goes_on(bench: Bench) -> None:
    bench.send(100)
    valid = encode(replace(bench.sent[0], article_id="large", summary="x" * 10_000_000))
    poison = [b"{", None, b"x" * 10_000_000, b'{"schema":99}', b"\xff\xfe", valid]
    for value in poison:
        bench.raw(value, "poison")
    bench.send(100)
    bench.submit("one")

    entries = bench.wait_for(206, "one")

    assert totals(entries) == (40, 160, 0, 6, 0)
    dead = bench.read(topics.DEAD_LETTERS, DeadLetter)
    assert sorted(d.payload for d in dead) == sorted(v or b"" for v in poison)
    assert len({(d.partition, d.offset) for d in dead}) == 6
    tagged = bench.wait_for_tagged()
    assert all(t.story_id for t in tagged)


def test_each_reader_and_all_that_has_state_have_a_worker_of_their_own(bench: Bench) -> None:
    bench.submit("one")
    bench.send(100)
    bench.wait_for(100, "one")

    # Two partitions, so two readers; one more for the rest.
    assert len(bench.workers()) == 3


@pytest.mark.parametrize("killed", [[0], [1], [2], [0, 1, 2]])
def test_workers_that_are_killed_lose_nothing(bench: Bench, killed: list[int]) -> None:
    bench.submit("one")
    bench.send(500)
    bench.wait_for(500, "one")
    before = bench.workers()
    dead = {before[number].pid for number in killed}
    for pid in dead:
        os.kill(pid, signal.SIGKILL)
    bench.send(500)

    entries = bench.wait_for(1000, "one")

    assert dead.isdisjoint({w.pid for w in bench.workers()})
    assert totals(entries) == (200, 800, 0, 0, 0)
    bench.wait_for_tagged()


def test_a_reader_with_nothing_to_read_holds_nobody_up(bench: Bench) -> None:
    bench.submit("one")
    bench.send(100, key="always the same")

    (entry,) = bench.wait_for(100, "one")

    assert totals([entry]) == (20, 80, 0, 0, 0)
    # Stories wait until every partition is past their moment.
    bench.wait_for_tagged()


def test_a_job_that_is_restored_goes_on_where_it_was(bench: Bench) -> None:
    first = bench.submit("one")
    vertices = bench.rest.job(first).vertices
    bench.send(500)
    bench.wait_for(500, "one")
    done = bench.rest.checkpoints(first).completed
    _wait(lambda: bench.rest.checkpoints(first).completed > done, "a checkpoint after that")
    bench.cancel(first)
    checkpoint = max(
        (m.parent for m in (bench.engine.checkpoints / first).glob("chk-*/_metadata")),
        key=lambda folder: int(folder.name.removeprefix("chk-")),
    )
    # While it was away: repeats of what was counted before, and something new.
    for article in bench.sent[:50]:
        bench.raw(encode(article), article.article_id)
    bench.send(100)

    bench.engine.configure(restore_from=checkpoint)
    second = bench.submit("one")
    bench.engine.configure(restore_from=None)
    entries = bench.wait_for(650, "one")

    restored_from = bench.rest.checkpoints(second).restored_from
    assert restored_from is not None
    assert Path(restored_from.removeprefix("file:")) == checkpoint
    # Steps keep their ids: with others, state is lost without an error.
    assert bench.rest.job(second).vertices.keys() == vertices.keys()
    assert totals(entries) == (120, 480, 0, 0, 50)
    assert all(e.from_offset == 0 for e in entries)
    bench.wait_for_tagged()


def test_a_replay_says_the_same_as_the_live_run(bench: Bench) -> None:
    live = bench.submit("live")
    vertices = bench.rest.job(live).vertices.keys()
    for part in range(1, 4):
        bench.send(200)
        bench.wait_for(part * 200, "live")
    said = sorted(map(encode, bench.wait_for_tagged()))
    bench.cancel(live)

    again = bench.submit("replay")
    assert totals(bench.wait_for(600, "replay")) == (120, 480, 0, 0, 0)
    _wait(lambda: len(bench.read(topics.TAGGED, TaggedArticle)) >= 240, "all tagged twice", 60)

    assert bench.rest.job(again).vertices.keys() == vertices
    both = bench.read(topics.TAGGED, TaggedArticle)
    assert sorted(map(encode, both)) == sorted(said + said)


def _wait(condition: Any, what: str, seconds: float = 120) -> None:
    import time

    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.2)
