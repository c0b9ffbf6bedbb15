"""`topics apply` on the whole service, killed half-way: nothing lost, doubled or of old news."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from connectors.bus.base import Start, drain
from connectors.bus.kafka import KafkaSubscriber
from pipeline.contracts import topics
from pipeline.contracts.codec import decode, encode
from pipeline.contracts.ids import article_id
from pipeline.contracts.records import Alert, AlertState, Article, FeedStatus, SeriesPoint
from tests.conftest import installed, wait_until
from tests.integration.service_up import Up, environment

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

TOPIC_FILE = """
schema = 1
topic = "{name}"
title = "The {name}"
threshold = 1.0

[[set]]
name = "{name}-place"
weight = 1.0
en = ["{name}"]

[[set]]
name = "{name}-friction"
en = ["protested"]

[[set]]
name = "{name}-force"
en = ["shelled"]

[[escalation]]
name = "friction"
level = 1
all = ["{name}-friction"]

[[escalation]]
name = "force"
level = 3
all = ["{name}-force"]
"""
_TEXT = "wall gate siren crane tug buoy mast rope sail pier dock net anchor keel gull tide"
WORDS = _TEXT.split()
OUTLETS = 12


class Newsroom:
    """Writes articles straight to Kafka."""

    def __init__(self, kafka: str) -> None:
        self._producer = KafkaProducer(bootstrap_servers=kafka, **topics.PRODUCER_OPTIONS)
        self._chance = random.Random(3)
        self._number = itertools.count(time.monotonic_ns())

    def archive(self, topic: str, days: int, a_day: int) -> None:
        """A past of quiet friction, as an import brings it."""
        now = datetime.now(UTC)
        for day in range(1, days + 1):
            for _ in range(a_day):
                at = now - timedelta(days=day, hours=-self._chance.uniform(0, 22))
                self._send(topic, "protested", at, backfill=True)
        self._producer.flush(30)

    def burst(self, topic: str, verb: str, count: int = 14) -> None:
        """Independent reports of these seconds, well inside a bucket of five minutes."""
        wait_until(lambda: 5 < time.time() % 300 < 280, "the middle of a bucket", 60)
        for _ in range(count):
            self._send(topic, verb, datetime.now(UTC))
        self._producer.flush(30)

    def status(self) -> None:
        """All feeds have answered in the bucket that is over."""
        bucket = datetime.fromtimestamp(time.time() // 300 * 300 - 300, UTC)
        record = FeedStatus(bucket, "coast", OUTLETS, OUTLETS, 5, OUTLETS)
        self._producer.send(topics.FEEDS, encode(record), key=b"coast")
        self._producer.flush(30)

    def close(self) -> None:
        self._producer.close()

    def _send(self, topic: str, verb: str, at: datetime, *, backfill: bool = False) -> None:
        number = next(self._number)
        words = " ".join(self._chance.sample(WORDS, 6))
        feed = f"feed-{number % OUTLETS}"
        article = Article(
            article_id=article_id(feed, str(number), None, ""),
            feed_id=feed,
            group="coast",
            publisher=f"Outlet {number % OUTLETS}",
            owner=f"Owner {number % OUTLETS}",
            title=f"The {topic} {verb}: {words}",
            summary="",
            link=f"https://outlet-{number % OUTLETS}.example/{number}",
            authors=(),
            guid=str(number),
            published_at=at,
            seen_at=datetime.now(UTC),
            backfill=backfill,
        )
        self._producer.send(topics.ARTICLES, encode(article), key=article.article_id.encode())


def read(kafka: str, name: str, record: type[Any]) -> list[Any]:
    """Everything on a Kafka topic."""
    subscriber = KafkaSubscriber(kafka, [name], client_id="test", start=Start.EARLIEST)
    try:
        return [decode(record, m.value) for m in drain(subscriber)]
    finally:
        subscriber.close()


def alerts_on(kafka: str, topic: str) -> list[Alert]:
    """Each revision once, in the order of the log; a repeat must be equal."""
    seen: dict[tuple[str, int], Alert] = {}
    for alert in read(kafka, topics.ALERTS, Alert):
        if alert.topic == topic:
            assert seen.setdefault((alert.alert_id, alert.revision), alert) == alert
    return list(seen.values())


def apply_command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "deploy.cli", "topics", "apply", str(folder)]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Up]:
    installed()
    folder = tmp_path / "topics"
    folder.mkdir()
    (folder / "harbour.toml").write_text(TOPIC_FILE.format(name="harbour"))
    up = Up(tmp_path / "home")
    try:
        up.until("ready")
        yield up
    finally:
        if up.process.poll() is None:
            up.stop()


def test_a_topic_is_added_while_the_supervisor_is_killed_in_the_middle(
    service: Up, tmp_path: Path
) -> None:
    kafka = service.until("ready")["kafka"]
    newsroom = Newsroom(kafka)
    for topic in ("harbour", "ferry"):
        newsroom.archive(topic, days=25, a_day=6)
    newsroom.status()
    service.until("rules-live")
    over = time.monotonic() + 32
    # On the broker's clock an import is over after 30 s; nothing tells of it.
    wait_until(lambda: time.monotonic() > over, "the archive is learned", 60)
    newsroom.burst("harbour", "protested")
    newsroom.burst("ferry", "protested")
    newsroom.status()
    wait_until(lambda: bool(alerts_on(kafka, "harbour")), "an alert on the harbour", 60)
    told = alerts_on(kafka, "harbour")
    newsroom.close()

    wider = tmp_path / "wider"
    wider.mkdir()
    for name in ("harbour", "ferry"):
        (wider / f"{name}.toml").write_text(TOPIC_FILE.format(name=name))
    mark = len(service.events)
    asked_at = datetime.now(UTC)
    applying = subprocess.Popen(
        apply_command(wider), env=environment(service.home), stderr=subprocess.PIPE, text=True
    )
    service.until("running", mark, how="replay")
    os.kill(service.pids["supervisor"], signal.SIGKILL)
    _, words = applying.communicate(timeout=60)
    assert applying.returncode == 1
    assert "next start" in words.splitlines()[-1]

    service.again()
    ready = service.until("ready")
    kafka = ready["kafka"]
    again = subprocess.run(
        apply_command(wider),
        env=environment(service.home),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
    )
    assert again.returncode == 0, again.stderr
    live = service.until("rules-live")
    assert live["topics"] == ["ferry", "harbour"]
    assert live["young"] == []

    # Old news is told by no new rule; what was told goes on.
    assert alerts_on(kafka, "ferry") == []
    assert alerts_on(kafka, "harbour")[: len(told)] == told
    newsroom = Newsroom(kafka)
    newsroom.burst("harbour", "shelled")
    newsroom.burst("ferry", "shelled")
    newsroom.status()
    wait_until(lambda: bool(alerts_on(kafka, "ferry")), "the ferry rises further", 60)
    wait_until(lambda: len(alerts_on(kafka, "harbour")) > len(told), "the harbour too", 60)
    newsroom.close()

    harbour = alerts_on(kafka, "harbour")
    assert {a.alert_id for a in harbour} == {told[0].alert_id}
    assert [a.revision for a in harbour] == list(range(1, len(harbour) + 1))
    assert {a.raised_at for a in harbour} == {told[0].raised_at}
    ferry = alerts_on(kafka, "ferry")
    assert (ferry[0].revision, ferry[0].state) == (1, AlertState.OPEN)
    assert ferry[0].raised_at > asked_at
    assert ferry[0].baseline.warm
    points = [p for p in read(kafka, topics.SERIES, SeriesPoint) if p.topic == "ferry"]
    assert points[-1].warm
