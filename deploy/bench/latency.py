"""From story to analyst: seconds between first sight of an article and its alert at a webhook.

Made-up topics escalate one after another under a steady load; every such revision counts.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psutil

from connectors.bus.base import Start, drain
from connectors.bus.kafka import KafkaSubscriber
from deploy.bench.load import Load, item, write_feed_list, write_topics
from deploy.demo.outlets import OutletServer
from deploy.demo.receiver import WebhookReceiver
from deploy.demo.run import SECRET, percentiles
from deploy.demo.scenario import Item
from deploy.demo.stage import Service, running, settled, stage_environment
from deploy.ledger import LedgerView
from pipeline.contracts import codec
from pipeline.contracts.clock import Clock, SystemClock
from pipeline.contracts.records import TaggedArticle
from pipeline.contracts.topics import TAGGED

BURST: Final = 8
"""Stories of one escalation, each from another outlet."""
TOPICS: Final = 120

# What is promised at 50 articles/s, and how many revisions a 99th percentile needs.
LEAST_REVISIONS: Final = 100
TAGGED_P99_S: Final = 5.0
ALERT_P99_S: Final = 15.0
MEMORY_MB: Final = 2500.0


@dataclass(frozen=True, slots=True)
class LatencyReport:
    """Seconds, and the state of the service at the end."""

    seen_to_tagged_s: dict[str, float | None]
    seen_to_alert_s: dict[str, float | None]
    revisions: int
    rate: float
    ledger: LedgerView
    memory_mb: dict[str, float]
    """Resident memory by part at the end, with its children."""

    @property
    def total_memory_mb(self) -> float:
        """Of all parts."""
        return sum(self.memory_mb.values())

    def broken(self) -> tuple[str, ...]:
        """Each promise that this run did not keep, in words."""
        tagged, alert = self.seen_to_tagged_s["p99"], self.seen_to_alert_s["p99"]
        checks = (
            (
                self.revisions >= LEAST_REVISIONS,
                f"{self.revisions} revisions of at least {LEAST_REVISIONS}",
            ),
            (
                tagged is not None and tagged <= TAGGED_P99_S,
                f"first sight to news.tagged.v1, p99 {tagged} s of at most {TAGGED_P99_S:.0f}",
            ),
            (
                alert is not None and alert <= ALERT_P99_S,
                f"story to webhook, p99 {alert} s of at most {ALERT_P99_S:.0f}",
            ),
            (self.ledger.lost == 0, f"lost {self.ledger.lost}"),
            (
                self.total_memory_mb <= MEMORY_MB,
                f"memory {self.total_memory_mb:.0f} MB of at most {MEMORY_MB:.0f}",
            ),
        )
        return tuple(said for kept, said in checks if not kept)

    @property
    def ok(self) -> bool:
        """Every promise was kept."""
        return not self.broken()


def run_latency(
    say: Callable[[str], None], seconds: float = 180, rate: float = 50, clock: Clock | None = None
) -> LatencyReport:
    """Run the service under ``rate`` articles/s for ``seconds``; topics escalate all the while."""
    clock = clock or SystemClock()
    load = Load.of(topics=TOPICS, outlets=20)
    with (
        tempfile.TemporaryDirectory(prefix="straitwatch-latency-") as folder,
        OutletServer(load.outlets, longest=100) as server,
        WebhookReceiver(SECRET) as receiver,
    ):
        home = Path(folder, "home")
        write_topics(Path(folder, "topics"), load)
        write_feed_list(Path(folder, "feeds.toml"), load, server)
        environment = stage_environment(
            home,
            FEEDS=str(Path(folder, "feeds.toml")),
            TOPICS=str(Path(folder, "topics")),
            ALLOW_HOSTS=server.host,
            CHANNELS=receiver.url,
            WEBHOOK_SECRET=SECRET,
            POLL_SECONDS="1",
        )
        with running(Service(environment)) as service:
            say(f"{rate:.0f} articles/s for {seconds:.0f} s, {TOPICS} topics")
            _traffic(load, server, seconds, rate, clock)
            ledger = settled(home, service.kafka, clock, 60)
            alerts = [s for r in receiver.received if (s := r.latency_s) is not None]
            return LatencyReport(
                seen_to_tagged_s=percentiles(_tagged_latencies(service.kafka)),
                seen_to_alert_s=percentiles(alerts),
                revisions=len(alerts),
                rate=rate,
                ledger=ledger,
                memory_mb={
                    part: memory_mb(pid, children=part != "supervisor")
                    for part, pid in service.pids.items()
                },
            )


def memory_mb(pid: int, *, children: bool) -> float:
    """Resident memory of a process, with or without its children; megabytes."""
    process = psutil.Process(pid)
    family = [process, *(process.children(recursive=True) if children else ())]
    return float(sum(p.memory_info().rss for p in family)) / 1e6


def table(report: LatencyReport) -> str:
    """The figures as text."""

    def row(name: str, values: dict[str, Any]) -> str:
        return f"{name:<44}p50 {values['p50']} s   p99 {values['p99']} s"

    return "\n".join(
        [
            row("first sight to news.tagged.v1", report.seen_to_tagged_s),
            row(f"story to webhook ({report.revisions} revisions)", report.seen_to_alert_s),
            f"lost {report.ledger.lost}; tagged {report.ledger.tagged}",
            "memory, MB: "
            + ", ".join(f"{p} {mb:.0f}" for p, mb in report.memory_mb.items())
            + f"; in all {report.total_memory_mb:.0f}",
            "every promise held" if report.ok else "BROKEN: " + "; ".join(report.broken()),
        ]
    )


def _traffic(load: Load, server: OutletServer, seconds: float, rate: float, clock: Clock) -> None:
    """Off-topic items at ``rate``; every few seconds the next topic escalates in a burst."""
    dice = random.Random(load.seed)  # noqa: S311 - load, not a secret
    began = clock.monotonic()
    number = bursts = 0
    while (elapsed := clock.monotonic() - began) < seconds:
        due = int(elapsed * rate) - number
        new: list[Item] = []
        for _ in range(due):
            number += 1
            new.append(_random_item(load, dice, number, None, clock.now()))
        if elapsed > (bursts + 1) * seconds / (2 * len(load.topics) + 1):
            topic = load.topics[bursts % len(load.topics)]
            for outlet in dice.sample(load.outlets, BURST):
                number += 1
                new.append(item(outlet, number, load.text(topic, dice), clock.now()))
            bursts += 1
        server.publish(new)
        clock.sleep(0.1)


def _random_item(
    load: Load, dice: random.Random, number: int, topic: str | None, now: datetime
) -> Item:
    return item(dice.choice(load.outlets), number, load.text(topic, dice), now)


def _tagged_latencies(kafka: str) -> list[float]:
    subscriber = KafkaSubscriber(
        kafka, [TAGGED], client_id="straitwatch-latency", start=Start.EARLIEST
    )
    try:
        return [
            (m.timestamp - codec.decode(TaggedArticle, m.value).article.seen_at).total_seconds()
            for m in drain(subscriber)
        ]
    finally:
        subscriber.close()
