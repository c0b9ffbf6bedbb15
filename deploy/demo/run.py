"""The demo: the whole service on this machine, fed by outlets of its own, until an alert arrives.

Nothing on the way is faked: HTTP, Kafka, the engine, the desk and a webhook receiver that checks
signatures. Only the outlets and their news are invented.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
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
from deploy.errors import Fault
from deploy.ledger import LedgerView, article_seen_times, read_ledger
from pipeline.contracts.clock import Clock, SystemClock

READY_SECONDS: Final = 180.0
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
    raised: int
    delivered: tuple[Received, ...]
    latencies_s: tuple[float, ...]

    @property
    def ok(self) -> bool:
        """Whether an alert was delivered and nothing is lost."""
        return bool(self.delivered) and self.ledger.lost == 0

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
            "alerts_raised": self.raised,
            "alerts_delivered": len({r.alert.alert_id for r in self.delivered}),
            "lost": self.ledger.lost,
            "seen_to_alert_s": _percentiles(self.latencies_s),
        }


def run_demo(say: Say, clock: Clock | None = None) -> DemoResult:
    """Play the scenario once, in a folder of its own that is removed at the end.

    Raises:
        Fault: the service did not come up; the message names its log folder's last words.
    """
    clock = clock or SystemClock()
    scenario = Scenario()
    with (
        tempfile.TemporaryDirectory(prefix="straitwatch-demo-") as folder,
        OutletServer(scenario.outlets) as outlets,
        WebhookReceiver(SECRET) as receiver,
    ):
        home = Path(folder)
        feeds = _write_feed_list(home, scenario, outlets)
        environment = _environment(home, feeds, outlets, receiver)
        outlets.publish(scenario.morning(clock.now()))
        say("starting Kafka, the engine, the feeds and the desk")
        with _service(environment, say) as service:
            say(f"teaching the baseline {HISTORY_DAYS} invented days")
            _import_history(home, environment, scenario, outlets, clock.now())
            _settled(service, home, clock)
            say("outlets report an escalation around Taiwan")
            outlets.publish(scenario.crisis(clock.now()))
            if not receiver.wait(ALERT_SECONDS):
                raise Fault(f"no alert within {ALERT_SECONDS:.0f} s; see the logs of `up`")
            ledger = _settled(service, home, clock)
            return _result(service, outlets, receiver, ledger)


def _result(
    service: _Service, outlets: OutletServer, receiver: WebhookReceiver, ledger: LedgerView
) -> DemoResult:
    seen = article_seen_times(service.kafka)
    delivered = receiver.received
    latencies = []
    for received in delivered:
        newest = max(seen[e.article_id] for e in received.alert.evidence if e.article_id in seen)
        latencies.append((received.at - newest).total_seconds())
    return DemoResult(
        served=outlets.served,
        ledger=ledger,
        raised=len({r.alert.alert_id for r in delivered}),
        delivered=delivered,
        latencies_s=tuple(latencies),
    )


def _settled(service: _Service, home: Path, clock: Clock) -> LedgerView:
    """The ledger once everything fetched has come to its end (or time is up)."""
    deadline = clock.monotonic() + SETTLE_SECONDS
    calm = 0
    previous = None
    while True:
        ledger = read_ledger(home, service.kafka)
        calm = calm + 1 if ledger.lost == 0 and ledger.tagged == previous else 0
        if calm >= 2 or clock.monotonic() > deadline:
            return ledger
        previous = ledger.tagged
        clock.sleep(1.0)


def _write_feed_list(home: Path, scenario: Scenario, outlets: OutletServer) -> Path:
    path = home / "feeds.toml"
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


def _environment(
    home: Path, feeds: Path, outlets: OutletServer, receiver: WebhookReceiver
) -> dict[str, str]:
    # What the user has set for the service does not concern the demo, but for the cache and mirror.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STRAITWATCH_") or name == "STRAITWATCH_JAR_MIRROR"
    }
    ports = ("KAFKA", "CONSOLE", "FEEDS_METRICS", "PIPELINE_METRICS", "DESK_METRICS")
    return kept | {
        "STRAITWATCH_HOME": str(home / "home"),
        "STRAITWATCH_FEEDS": str(feeds),
        "STRAITWATCH_ALLOW_HOSTS": outlets.host,
        "STRAITWATCH_CHANNELS": receiver.url,
        "STRAITWATCH_WEBHOOK_SECRET": SECRET,
        "STRAITWATCH_POLL_SECONDS": "1",
        **{f"STRAITWATCH_PORT_{port}": "0" for port in ports},
    }


def _import_history(
    home: Path,
    environment: dict[str, str],
    scenario: Scenario,
    outlets: OutletServer,
    now: datetime,
) -> None:
    archive = home / "history.jsonl"
    urls = {outlet.slug: outlets.url(outlet.slug) for outlet in scenario.outlets}
    with archive.open("w", encoding="utf-8") as file:
        for item in scenario.history(now - timedelta(hours=6), HISTORY_DAYS):
            file.write(json.dumps(_archived(item, urls), ensure_ascii=False) + "\n")
    command = [*_straitwatch(), "feeds", "import-archive", str(archive)]
    environment = environment | {"STRAITWATCH_KAFKA_BOOTSTRAP": environment["KAFKA"]}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Fault(f"the back-fill of the demo failed: {done.stderr.strip()[-300:]}")


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


@dataclass(slots=True)
class _Service:
    process: subprocess.Popen[str]
    kafka: str


@contextmanager
def _service(environment: dict[str, str], say: Say) -> Iterator[_Service]:
    """`straitwatch up` as a child, from ready to stopped."""
    command = [*_straitwatch(), "up", "--json"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        timer = threading.Timer(READY_SECONDS, process.terminate)
        timer.start()
        try:
            ready = _wait_until_ready(process, say)
            timer.cancel()
            # Later events are read and dropped, so that the service never waits for us.
            threading.Thread(target=lambda: list(process.stdout or ()), daemon=True).start()
            environment["KAFKA"] = ready["kafka"]
            yield _Service(process, ready["kafka"])
        finally:
            timer.cancel()
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_ready(process: subprocess.Popen[str], say: Say) -> dict[str, Any]:
    assert process.stdout is not None  # noqa: S101 - asked for with PIPE
    for line in process.stdout:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == "ready":
            return event
        if part := event.get("part"):
            say(f"  {part}: {event['event']}")
    raise Fault(
        f"the service did not come up within {READY_SECONDS:.0f} s; try `straitwatch doctor`"
    )


def _straitwatch() -> list[str]:
    return [sys.executable, "-m", "deploy.cli.main"]


def _percentiles(values: tuple[float, ...]) -> dict[str, float | None]:
    if len(values) < 2:
        only = round(values[0], 2) if values else None
        return {"p50": only, "p99": only}
    cuts = quantiles(values, n=100, method="inclusive")
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2)}
