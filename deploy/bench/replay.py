"""An archive through the whole service: some days as back-fill, one day served live, faster.

Each source becomes one feed on loopback; an article is served at its own moment of the
day divided by the speed, and its date says that it was published as long before as it really was.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TextIO

import tomli_w
import zstandard

from deploy.demo.outlets import OutletServer
from deploy.demo.scenario import Item, Outlet
from deploy.demo.stage import Service, command_on, running, settled, stage_environment
from deploy.errors import WrongUse
from deploy.ledger import LedgerView
from pipeline.contracts.clock import Clock, SystemClock

SETTLE_SECONDS: Final = 300.0
_FIELDS: Final = {"source", "url", "title", "summary", "published_at", "fetched_at"}


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """Counts at each stage."""

    backfilled: int
    """Lines of the archive that were imported."""
    served: int
    """Distinct entries and edits that the feeds showed, with one broken entry a feed."""
    feeds: int
    after_backfill: LedgerView
    ledger: LedgerView

    @property
    def ok(self) -> bool:
        """Whether the counts agree at every stage."""
        live = self.ledger.accepted - self.after_backfill.accepted
        return self.ledger.lost == 0 and live == self.served - self.feeds


def run_replay(
    archive: Path,
    first: date,
    day: date,
    speed: float,
    say: Callable[[str], None],
    tagged_out: Path | None = None,
    clock: Clock | None = None,
) -> ReplayReport:
    """Import the days from ``first`` until ``day``, then serve ``day`` at ``speed`` times its pace.

    Raises:
        WrongUse: the archive has nothing for those days.
    """
    clock = clock or SystemClock()
    past, live = _split(archive, first, day)
    if not live:
        raise WrongUse(f"{archive} has no articles fetched on {day}: choose another day")
    outlets = {
        source: Outlet(f"source-{n:03}", source, source, "")
        for n, source in enumerate(sorted({row["source"] for row in live}))
    }
    with (
        tempfile.TemporaryDirectory(prefix="straitwatch-replay-") as folder,
        OutletServer(tuple(outlets.values()), longest=300) as server,
    ):
        home = Path(folder, "home")
        feeds = Path(folder, "feeds.toml")
        _write_feed_list(feeds, outlets, server)
        environment = stage_environment(
            home, FEEDS=str(feeds), ALLOW_HOSTS=server.host, POLL_SECONDS="2"
        )
        with running(Service(environment)) as service:
            backfill = Path(folder, "backfill.jsonl")
            backfill.write_text("".join(json.dumps(row) + "\n" for row in past), encoding="utf-8")
            say(f"back-fill of {len(past)} articles")
            command_on(service, environment, "feeds", "import-archive", str(backfill))
            before = settled(home, service.kafka, clock, SETTLE_SECONDS)
            say(f"serving {len(live)} articles of {len(outlets)} sources at {speed:g} × speed")
            _serve(live, outlets, server, speed, clock)
            # The slowest feed is polled at least this often at the end of the day.
            clock.sleep(30)
            ledger = settled(home, service.kafka, clock, SETTLE_SECONDS)
            if tagged_out is not None:
                out = str(tagged_out)
                command_on(service, environment, "articles", "export", "--tagged", "--out", out)
            return ReplayReport(len(past), server.served, len(outlets), before, ledger)


def _serve(
    live: list[dict[str, Any]],
    outlets: dict[str, Outlet],
    server: OutletServer,
    speed: float,
    clock: Clock,
) -> None:
    began = clock.monotonic()
    midnight = datetime.fromisoformat(live[0]["fetched_at"]).replace(hour=0, minute=0, second=0)
    numbers: dict[tuple[str, str], int] = {}
    for row in live:
        fetched = datetime.fromisoformat(row["fetched_at"])
        due = (fetched - midnight).total_seconds() / speed
        clock.sleep(max(0.0, due - (clock.monotonic() - began)))
        delay = timedelta()
        if row["published_at"]:
            delay = fetched - datetime.fromisoformat(row["published_at"])
        number = numbers.setdefault((row["source"], row["url"]), len(numbers) + 1)
        published = clock.now() - delay
        slug = outlets[row["source"]].slug
        server.publish([Item(slug, number, row["title"], row["summary"], published)])


def _split(
    archive: Path, first: date, day: date
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    past, live = [], []
    for row in _rows(archive):
        fetched = datetime.fromisoformat(row["fetched_at"]).date()
        if first <= fetched < day:
            past.append(row)
        elif fetched == day:
            live.append(row)
    return past, live


def _rows(archive: Path) -> Iterator[dict[str, Any]]:
    number = 0
    try:
        with _text(archive) as lines:
            for line in lines:
                number += 1
                row = json.loads(line)
                if missing := _FIELDS - row.keys():
                    why = f"{', '.join(sorted(missing))} missing"
                    break
                yield row
            else:
                return
    except (ValueError, AttributeError, zstandard.ZstdError) as e:
        why = str(e)
    raise WrongUse(f"{archive}:{number}: no article of an archive: {why}")


@contextmanager
def _text(archive: Path) -> Iterator[TextIO]:
    with archive.open("rb") as raw:
        file: Any = raw
        if archive.suffix == ".zst":
            file = zstandard.ZstdDecompressor().stream_reader(raw)
        with io.TextIOWrapper(file, encoding="utf-8") as text:
            yield text


def _write_feed_list(path: Path, outlets: dict[str, Outlet], server: OutletServer) -> None:
    feeds = [
        {"url": server.url(o.slug), "publisher": o.publisher, "group": "replay"}
        for o in outlets.values()
    ]
    path.write_text(tomli_w.dumps({"feed": feeds}), encoding="utf-8")


def table(report: ReplayReport) -> str:
    """The counts as text."""
    before, after = report.after_backfill, report.ledger
    rows = [
        ("imported lines", report.backfilled),
        ("  accepted", before.accepted),
        ("  duplicates", before.duplicates),
        ("  tagged", before.tagged),
        ("  off-topic", before.off_topic),
        ("  lost", before.lost),
        ("served entries and edits, less broken ones", report.served - report.feeds),
        ("  accepted", after.accepted - before.accepted),
        ("  tagged", after.tagged - before.tagged),
        ("  off-topic", after.off_topic - before.off_topic),
        ("  duplicates in the pipeline", after.pipeline_duplicates - before.pipeline_duplicates),
        ("dead letters", after.dead_letters),
        ("lost", after.lost),
    ]
    lines = [f"{name:<44}{count:>8,}" for name, count in rows]
    return "\n".join([*lines, "counts agree" if report.ok else "COUNTS DIFFER"])
