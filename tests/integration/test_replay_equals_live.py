"""Alerts on the real engine, live, by replay, shuffled, and by backtest: equal byte for byte."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from kafka import KafkaConsumer, TopicPartition

from deploy.archive import Archive, read_sources
from deploy.articles_export import archive_line
from deploy.backtest import replay
from deploy.backtest.run import run_backtest
from deploy.job import JobOptions, rules
from deploy.local.flink.engine import EngineSetup
from pipeline.contracts import topics
from pipeline.contracts.codec import decode, encode
from pipeline.contracts.ids import article_id
from pipeline.contracts.raw import RawBatch, RawRecord
from pipeline.contracts.records import Alert, AlertState, Article, FeedStatus
from pipeline.graph import Sources, build
from pipeline.io.memory import ReadMemory, written
from pipeline.transforms import detect_spikes
from tests.graph.conftest import interleave, sinks
from tests.integration.engine_bench import Bench, await_that, bench_on

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

TOPIC_FILE = """
schema = 1
topic = "harbour"
title = "The harbour"

[[set]]
name = "harbour-place"
weight = 1.0
en = ["harbour"]

[[set]]
name = "harbour-friction"
en = ["protested"]

[[set]]
name = "harbour-force"
en = ["shelled"]

[[escalation]]
name = "friction"
level = 1
all = ["harbour-friction"]

[[escalation]]
name = "force"
level = 3
all = ["harbour-force"]
"""
FILES = {"harbour.toml": TOPIC_FILE}
_TEXT = "wall gate siren crane tug buoy mast rope sail pier dock net anchor keel gull tide"
WORDS = _TEXT.split()
OUTLETS = 12
_LONG_AGO = timedelta(hours=5)


@dataclass
class Desk(Bench):
    """The job on topics of its own, and a newsroom that writes to them."""

    number: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(8))
    listener: Any = None
    heard: list[Alert] = field(default_factory=list)

    def report(self, verb: str, count: int, age: timedelta = timedelta(0)) -> None:
        """So many independent reports, published some time ago; every fourth reprinted."""
        for _ in range(count):
            words = " ".join(self.chance.sample(WORDS, 6))
            for _ in range(2 if self.number % 4 == 0 else 1):
                self._send(f"The harbour {verb}: {words}", age)
        self.producer.flush(30)

    def status(self) -> None:
        """All feeds have answered in the bucket that is over."""
        now = datetime.now(UTC)
        bucket = now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0)
        record = FeedStatus(bucket - timedelta(minutes=5), "coast", OUTLETS, OUTLETS, 5, OUTLETS)
        self.producer.send(self.prefix + topics.FEEDS, encode(record), key=b"coast")
        self.producer.flush(30)

    def alerts(self) -> list[Alert]:
        """All that are on the log, in its order."""
        part = TopicPartition(self.prefix + topics.ALERTS, 0)
        if self.listener is None:
            self.listener = KafkaConsumer(
                bootstrap_servers=self.kafka, group_id=None, **topics.CONSUMER_OPTIONS
            )
            self.listener.assign([part])
            self.listener.seek_to_beginning(part)
        while self.listener.position(part) < self.listener.end_offsets([part])[part]:
            for records in self.listener.poll(500).values():
                self.heard += [decode(Alert, r.value) for r in records]
        return list(self.heard)

    def told(self, count: int) -> list[Alert]:
        """The alert revisions once there are so many."""
        await_that(lambda: len(self.alerts()) >= count, f"{count} alert revisions", 120)
        return self.alerts()

    def log(self, name: str) -> list[tuple[int, int, RawRecord]]:
        """A topic's records with the time of appending and the partition, sorted."""
        return sorted(
            (r.timestamp, partition, RawRecord(r.offset, r.timestamp, r.value))
            for partition, r in self.raw_records(name)
        )

    def _send(self, title: str, age: timedelta) -> None:
        self.number += 1
        outlet, now = f"Outlet {self.number % OUTLETS}", datetime.now(UTC)
        article = Article(
            article_id=article_id(outlet, str(self.number), None, ""),
            feed_id=outlet,
            group="coast",
            publisher=outlet,
            owner=outlet,
            title=title,
            summary="",
            link=f"https://outlet.example/{self.number}",
            authors=(),
            guid=str(self.number),
            published_at=now - timedelta(seconds=20) - age,
            seen_at=now,
        )
        self.raw(encode(article), article.article_id)


@pytest.fixture
def desk(kafka_bootstrap: str, engine: EngineSetup) -> Iterator[Desk]:
    """Topics of its own; the job is over at the end."""
    with bench_on(Desk, kafka_bootstrap, engine, topic_files=FILES) as made:
        yield made
        if made.listener is not None:
            made.listener.close()


def test_live_replay_shuffled_replay_and_backtest_give_the_same_revisions(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = desk.submit("live")
    desk.status()
    desk.report("protested", 6, _LONG_AGO)  # late: it teaches and is no news
    desk.report("protested", 8)
    told = desk.told(1)
    desk.report("protested", 2, _LONG_AGO)
    desk.report("shelled", 6)
    desk.status()
    said = [encode(a) for a in desk.told(len(told) + 1)]
    assert [a.state for a in desk.alerts()][:2] == [AlertState.OPEN, AlertState.ESCALATED]
    desk.cancel(live)
    # What was on its way when the job ended belongs to it.
    said = [encode(a) for a in desk.alerts()]

    desk.submit("replay")
    both = [encode(a) for a in desk.told(2 * len(said))]
    assert both == said + said

    articles, feeds = desk.log(topics.ARTICLES), desk.log(topics.FEEDS)
    # In a list without more news the topic would tick on for two days, and the alert close.
    monkeypatch.setattr(detect_spikes, "_QUIET_FOR_MS", 600_000)
    for seed in (1, 2):
        assert shuffled(articles, feeds, seed)[: len(said)] == said
    assert backtested(articles, feeds, tmp_path) == said


def shuffled(articles: Any, feeds: Any, seed: int) -> list[bytes]:
    """The alerts of the graph in this process, in an order of partitions that Kafka allows."""
    name = f"shuffled-{seed}"
    decided = rules(JobOptions(bootstrap="", topic_files=FILES))
    with beam.Pipeline(
        runner=FnApiRunner(), options=PipelineOptions(["--max_cache_memory_usage_mb=0"])
    ) as root:
        sources = Sources(
            [ReadMemory(interleave(batches("articles", articles), seed))],
            ReadMemory(interleave(batches("feeds", feeds), seed)),
        )
        build(root, sources, sinks(name), decided, "test")
    return [r.value for r in written(f"{name}/alerts")]


def batches(topic: str, log: list[tuple[int, int, RawRecord]]) -> list[RawBatch]:
    """Of one to three records, so that there is something to shuffle."""
    out = []
    for partition in sorted({p for _, p, _ in log}):
        records = sorted(r for _, p, r in log if p == partition)
        out += [
            RawBatch(topic, partition, tuple(records[i : i + 3])) for i in range(0, len(records), 3)
        ]
    return out


def backtested(articles: Any, feeds: Any, folder: Path) -> list[bytes]:
    """The alerts of a backtest on the archive of the same log, with the same feed status."""
    archive, statuses = folder / "archive.jsonl", folder / "statuses.jsonl"
    lines = [
        archive_line(decode(Article, r.value), datetime.fromtimestamp(ms / 1000, UTC))
        for ms, _, r in articles
    ]
    archive.write_text("".join(json.dumps(line) + "\n" for line in lines))
    statuses.write_bytes(b"".join(r.value + b"\n" for _, _, r in feeds if r.value))
    decided = rules(JobOptions(bootstrap="", topic_files=FILES))
    run_backtest(
        Archive(archive, read_sources(None)),
        replay.Rules(decided.tagger, decided.detectors, decided.stories),  # type: ignore[arg-type]
        folder / "out",
        statuses=statuses,
    )
    alerts = (folder / "out" / "alerts.jsonl").read_bytes().splitlines()
    return [encode(decode(Alert, line)) for line in alerts]
