"""The demo: the whole service on this machine, fed by outlets of its own, until an alert arrives.

Nothing on the way is faked: HTTP, Kafka, the engine, the desk and a webhook receiver that checks
signatures. Only the outlets and their news are invented.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any, Final, TypeVar

import tomli_w

from connectors.bus.base import Start, drain
from connectors.bus.kafka import KafkaSubscriber
from deploy.demo.outlets import OutletServer
from deploy.demo.receiver import Received, WebhookReceiver
from deploy.demo.scenario import TOPIC, Item, Scenario
from deploy.demo.stage import Service, command_on, running, settled, stage_environment
from deploy.errors import WrongUse
from deploy.ledger import LedgerView
from pipeline.contracts import codec
from pipeline.contracts.clock import Clock, SystemClock
from pipeline.contracts.records import Alert, TaggedArticle
from pipeline.contracts.topics import ALERTS, TAGGED
from pipeline.rules.baseline.history import REST

ALERT_SECONDS: Final = 120.0
SETTLE_SECONDS: Final = 60.0
DELIVERY_SECONDS: Final = 15.0
REST_MARGIN_SECONDS: Final = 8.0
HISTORY_DAYS: Final = 28
SECRET: Final = "whsec_c3RyYWl0d2F0Y2gtZGVtby1zZWNyZXQtMDAwMQ=="  # noqa: S105 - the demo's own

Say = Callable[[str], None]
R = TypeVar("R", Alert, TaggedArticle)


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo saw, as its last line says it."""

    served: int
    ledger: LedgerView
    raised: frozenset[str]
    """Ids of the alerts on the alerts topic."""
    delivered: tuple[Received, ...]
    whole_story_topics: tuple[str, ...]
    """What the report that tells all sides was tagged with."""

    @property
    def ok(self) -> bool:
        """Whether the alert was delivered and nothing is lost."""
        return self.alert is not None and self.ledger.lost == 0

    @property
    def alert(self) -> Alert | None:
        """The newest delivered revision on the topic that escalated."""
        ours = [r.alert for r in self.delivered if r.alert.topic == TOPIC]
        return ours[-1] if ours else None

    def as_json(self) -> dict[str, Any]:
        """The line of the contract."""
        return {
            "event": "done",
            "served": self.served,
            "fetched": self.ledger.fetched,
            "rejected": self.ledger.rejected,
            "duplicates": self.ledger.duplicates,
            "tagged": self.ledger.tagged,
            "off_topic": self.ledger.off_topic,
            "dead_letters": self.ledger.dead_letters,
            "alerts_raised": len(self.raised),
            "alerts_delivered": len({r.alert.alert_id for r in self.delivered}),
            "lost": self.ledger.lost,
            "seen_to_alert_s": percentiles(
                [s for r in self.delivered if (s := r.latency_s) is not None]
            ),
        }


def run_demo(
    say: Say,
    on_event: Callable[[dict[str, Any]], None],
    keep: Path | None = None,
    clock: Clock | None = None,
    look: Callable[[], None] = lambda: None,
) -> DemoResult:
    """Play the scenario once, in the folder ``keep``, else in one that is removed at the end.

    ``look`` is called while the service still runs, when all has been told.

    Raises:
        WrongUse: the folder ``keep`` cannot be made.
        Fault: the service did not come up.
    """
    clock = clock or SystemClock()
    scenario = Scenario()
    with (
        _folder(keep) as folder,
        OutletServer(scenario.outlets, hostile=scenario.hostile.slug) as outlets,
        WebhookReceiver(SECRET) as receiver,
    ):
        home = folder / "home"
        environment = stage_environment(
            home,
            FEEDS=str(_write_feed_list(folder, scenario, outlets)),
            ALLOW_HOSTS=outlets.host,
            CHANNELS=receiver.url,
            WEBHOOK_SECRET=SECRET,
            POLL_SECONDS="1",
        )
        outlets.publish(scenario.morning(clock.now()))
        say("starting Kafka, the engine, the feeds and the desk")
        with running(Service(environment, on_event)) as service:
            say(f"teaching the baseline {HISTORY_DAYS} invented days")
            archive = _write_history(folder, scenario, outlets, clock.now())
            command_on(service, environment, "feeds", "import-archive", str(archive))
            settled(home, service.kafka, clock, SETTLE_SECONDS)
            say("waiting until the baseline has learned them: an import must have come to rest")
            clock.sleep(REST + REST_MARGIN_SECONDS)
            say("outlets report how Beijing answers a remark on Taiwan that was made in Tokyo")
            outlets.publish(scenario.crisis(clock.now()))
            if not receiver.wait(ALERT_SECONDS, TOPIC):
                say(f"no alert on {TOPIC} came within {ALERT_SECONDS:.0f} s; --keep keeps the logs")
            ledger = settled(home, service.kafka, clock, SETTLE_SECONDS)
            raised = frozenset(a.alert_id for a in _records(service.kafka, ALERTS, Alert))
            receiver.wait_for_all(raised, DELIVERY_SECONDS)
            look()
            return DemoResult(
                served=outlets.served,
                ledger=ledger,
                raised=raised,
                delivered=receiver.received,
                whole_story_topics=_topics_of(scenario.whole_story, service.kafka),
            )


def percentiles(values: list[float]) -> dict[str, float | None]:
    """Median and 99th percentile, in the values' unit, to two digits; None without values."""
    if len(values) < 2:
        only = round(values[0], 2) if values else None
        return {"p50": only, "p99": only}
    cuts = quantiles(values, n=100, method="inclusive")
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2)}


def _topics_of(title: str, kafka: str) -> tuple[str, ...]:
    for tagged in _records(kafka, TAGGED, TaggedArticle):
        if tagged.article.title == title:
            return tuple(tag.topic for tag in tagged.topics)
    return ()


def _records(kafka: str, topic: str, kind: type[R]) -> list[R]:
    subscriber = KafkaSubscriber(kafka, [topic], client_id="straitwatch-demo", start=Start.EARLIEST)
    try:
        return [codec.decode(kind, message.value) for message in drain(subscriber)]
    finally:
        subscriber.close()


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        try:
            keep.mkdir(parents=True)
        except OSError as e:
            raise WrongUse(f"--keep {keep}: {e.strerror}; name a new folder") from e
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="straitwatch-demo-") as name:
        yield Path(name)


def _write_feed_list(folder: Path, scenario: Scenario, outlets: OutletServer) -> Path:
    path = folder / "feeds.toml"
    feeds = [
        {
            "url": outlets.url(outlet.slug),
            "publisher": outlet.publisher,
            "owner": outlet.owner,
            "language": outlet.language,
            "group": outlet.group,
        }
        for outlet in (*scenario.outlets, scenario.hostile)
    ]
    path.write_text(tomli_w.dumps({"feed": feeds}), encoding="utf-8")
    return path


def _write_history(folder: Path, scenario: Scenario, outlets: OutletServer, now: datetime) -> Path:
    path = folder / "history.jsonl"
    urls = {outlet.slug: outlets.url(outlet.slug) for outlet in scenario.outlets}
    with path.open("w", encoding="utf-8") as file:
        for item in scenario.history(now - timedelta(hours=6), HISTORY_DAYS):
            file.write(json.dumps(_archived(item, urls), ensure_ascii=False) + "\n")
    return path


def _archived(item: Item, urls: dict[str, str]) -> dict[str, str]:
    seen = item.published_at + timedelta(minutes=5)
    return {
        "id": f"demo-{item.number}",
        "title": item.title,
        "summary": item.summary,
        "published_at": item.published_at.astimezone(UTC).isoformat(),
        "source": urls[item.outlet],
        "url": f"{urls[item.outlet]}#{item.number}",
        "fetched_at": seen.astimezone(UTC).isoformat(),
    }
