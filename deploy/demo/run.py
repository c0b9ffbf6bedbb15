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
from typing import Any, Final

import tomli_w

from deploy.demo.outlets import OutletServer
from deploy.demo.receiver import Received, WebhookReceiver
from deploy.demo.scenario import Item, Scenario
from deploy.demo.stage import Service, command_on, running, settled, stage_environment
from deploy.errors import Fault
from deploy.ledger import LedgerView
from pipeline.contracts.clock import Clock, SystemClock

ALERT_SECONDS: Final = 120.0
SETTLE_SECONDS: Final = 60.0
HISTORY_DAYS: Final = 21
SECRET: Final = "whsec_c3RyYWl0d2F0Y2gtZGVtby1zZWNyZXQtMDAwMQ=="  # noqa: S105 - the demo's own

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo saw, as its last line says it."""

    served: int
    ledger: LedgerView
    delivered: tuple[Received, ...]

    @property
    def ok(self) -> bool:
        """Whether an alert was delivered and nothing is lost."""
        return bool(self.delivered) and self.ledger.lost == 0

    def as_json(self) -> dict[str, Any]:
        """The line of the contract."""
        alerts = len({r.alert.alert_id for r in self.delivered})
        return {
            "event": "done",
            "served": self.served,
            "fetched": self.ledger.fetched,
            "rejected": self.ledger.rejected,
            "duplicates": self.ledger.duplicates,
            "tagged": self.ledger.tagged,
            "off_topic": self.ledger.off_topic,
            "dead_letters": self.ledger.dead_letters,
            "alerts_raised": alerts,
            "alerts_delivered": alerts,
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
) -> DemoResult:
    """Play the scenario once, in the folder ``keep``, else in one that is removed at the end.

    Raises:
        Fault: the service did not come up, or no alert came.
    """
    clock = clock or SystemClock()
    scenario = Scenario()
    with (
        _folder(keep) as folder,
        OutletServer(scenario.outlets) as outlets,
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
            say("outlets report an escalation around Taiwan")
            outlets.publish(scenario.crisis(clock.now()))
            if not receiver.wait(ALERT_SECONDS):
                raise Fault(
                    f"no alert came within {ALERT_SECONDS:.0f} s: run `up` and see its logs"
                )
            ledger = settled(home, service.kafka, clock, SETTLE_SECONDS)
            return DemoResult(outlets.served, ledger, receiver.received)


def percentiles(values: list[float]) -> dict[str, float | None]:
    """Median and 99th percentile, in the values' unit, to two digits; None without values."""
    if len(values) < 2:
        only = round(values[0], 2) if values else None
        return {"p50": only, "p99": only}
    cuts = quantiles(values, n=100, method="inclusive")
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2)}


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
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
        for outlet in scenario.outlets
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
