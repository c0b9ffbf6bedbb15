"""The author's loop on the running service: take an archive out, edit a topic, try it, apply it.

Four weeks of made-up articles are imported; then the commands are timed as an author runs them.
Backtests run on the archive that was imported, for what the service exports was appended at once.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from connectors.bus.base import Start, drain
from connectors.bus.kafka import KafkaSubscriber
from deploy.bench.load import FORCE_WORD, Load, subject, write_feed_list, write_topics
from deploy.demo.outlets import OutletServer
from deploy.demo.stage import Service, command_on, running, settled, stage_environment
from pipeline.contracts import codec
from pipeline.contracts.clock import Clock, SystemClock
from pipeline.contracts.records import Series, SeriesPoint
from pipeline.contracts.topics import SERIES
from pipeline.rules.baseline.history import REST

TOPICS: Final = 2
OUTLETS: Final = 12
SETTLE_SECONDS: Final = 600.0
PATIENCE_SECONDS: Final = 600.0
_MINUTES_A_DAY: Final = 1440


@dataclass(frozen=True, slots=True)
class AuthorReport:
    """What the loop took, in seconds."""

    articles: int
    exported: int
    """Lines of the export."""
    export_s: float
    backtest_s: float
    compare_s: float
    apply_s: float
    warm_s: float | None
    """From the request until a series point of the edited topic was warm; None: never."""
    gained: int
    """Articles that the edited topic has more, by the comparison."""

    @property
    def ok(self) -> bool:
        """Whether nothing is missing and the edited topic is warm."""
        return self.exported == self.articles and self.warm_s is not None and self.gained > 0


def run_author(
    days: int, a_day: int, share: float, say: Callable[[str], None], clock: Clock | None = None
) -> AuthorReport:
    """Import so many days of so many articles, a ``share`` of them on topic, and time the loop."""
    clock = clock or SystemClock()
    load = Load.of(TOPICS, OUTLETS)
    with (
        tempfile.TemporaryDirectory(prefix="straitwatch-author-") as name,
        OutletServer(load.outlets) as server,
    ):
        folder = Path(name)
        topics, edited = folder / "topics", folder / "edited"
        write_topics(topics, load)
        write_feed_list(folder / "feeds.toml", load, server)
        archive = folder / "archive.jsonl"
        with archive.open("w", encoding="utf-8") as file:
            for line in _archive(load, days, a_day, share, clock):
                file.write(json.dumps(line) + "\n")
        environment = stage_environment(
            folder / "home",
            FEEDS=str(folder / "feeds.toml"),
            TOPICS=str(topics),
            ALLOW_HOSTS=server.host,
        )
        with running(Service(environment)) as service:

            def command(*arguments: str | Path) -> str:
                return command_on(service, environment, *map(str, arguments))

            say(f"importing {days * a_day:,} articles of {days} days")
            command("feeds", "import-archive", archive)
            settled(folder / "home", service.kafka, clock, SETTLE_SECONDS)
            clock.sleep(REST)
            say("the author's loop")
            out = folder / "export.jsonl"
            with _timed(clock) as export_s:
                command("articles", "export", "--out", out)
            with _timed(clock) as backtest_s:
                command("backtest", "--articles", archive, "--out", folder / "before")
            topic = _edit(topics, edited, load)
            after = folder / "after"
            with _timed(clock) as compare_s:
                command(
                    *("backtest", "--articles", archive, "--out", after, "--topics", edited),
                    *("--compare", folder / "before"),
                )
            changes = json.loads((after / "summary.json").read_text("utf-8"))["compare"]["topics"]
            with _timed(clock) as warm_s:
                with _timed(clock) as apply_s:
                    command("topics", "apply", edited)
                warm = _wait_for_warm(service.kafka, topic, clock)
            return AuthorReport(
                articles=days * a_day,
                exported=sum(1 for _ in out.open("rb")),
                export_s=export_s[0],
                backtest_s=backtest_s[0],
                compare_s=compare_s[0],
                apply_s=apply_s[0],
                warm_s=warm_s[0] if warm else None,
                gained=changes[topic]["articles_gained"],
            )


def table(report: AuthorReport) -> str:
    """The report as text."""
    rows = (
        ("articles export", report.export_s),
        ("backtest, as it is", report.backtest_s),
        ("backtest of the edit, --compare", report.compare_s),
        ("topics apply", report.apply_s),
        ("request until the edited topic's series is warm", report.warm_s),
    )
    lines = [f"{report.exported:,} of {report.articles:,} articles exported"]
    lines.append(f"the edited topic has {report.gained:,} articles more")
    lines += [f"{name:<50}{'never' if s is None else f'{s:.1f} s':>10}" for name, s in rows]
    return "\n".join([*lines, "holds" if report.ok else "DOES NOT HOLD"])


def _archive(
    load: Load, days: int, a_day: int, share: float, clock: Clock
) -> Iterator[dict[str, Any]]:
    """Articles evenly spread over the days before now; each topic under two names."""
    dice = random.Random(load.seed)  # noqa: S311 - load, not a secret
    count, now = days * a_day, clock.now()
    for number in range(count):
        published = now - timedelta(minutes=(count - number) * _MINUTES_A_DAY / a_day)
        topic = dice.choice(load.topics) if dice.random() < share else None
        title, summary = load.text(topic, dice)
        if topic is not None and dice.random() < 0.5:
            title = title.replace(subject(topic), _other_name(topic))
        yield {
            "id": f"author-{number}",
            "title": title,
            "summary": summary,
            "published_at": published.isoformat(),
            "fetched_at": (published + timedelta(minutes=3)).isoformat(),
            "source": dice.choice(load.outlets).publisher,
            "url": f"https://author.example/{number}",
        }


def _other_name(topic: str) -> str:
    """A name of the topic's subject that its file does not know yet."""
    return "y" + topic.removeprefix("bench-")


def _edit(topics: Path, edited: Path, load: Load) -> str:
    """What an author does: the first topic's file learns the other name, in a copy."""
    shutil.copytree(topics, edited)
    topic = load.topics[0]
    path = edited / f"{topic}.toml"
    text = path.read_text("utf-8")
    known = f'"{subject(topic)}"'
    if known not in text or FORCE_WORD not in text:
        raise ValueError(f"{path} is not what write_topics writes")
    path.write_text(text.replace(known, f'{known}, "{_other_name(topic)}"'), encoding="utf-8")
    return topic


def _wait_for_warm(kafka: str, topic: str, clock: Clock) -> bool:
    """Whether the newest point of the topic becomes warm, by now with the new rules."""
    deadline = clock.monotonic() + PATIENCE_SECONDS
    while clock.monotonic() < deadline:
        if (point := _newest(kafka, topic)) is not None and point.warm:
            return True
        clock.sleep(1)
    return False


def _newest(kafka: str, topic: str) -> SeriesPoint | None:
    subscriber = KafkaSubscriber(
        kafka, [SERIES], client_id="straitwatch-author", start=Start.EARLIEST
    )
    try:
        points = [codec.decode(SeriesPoint, m.value) for m in drain(subscriber)]
    finally:
        subscriber.close()
    mine = [p for p in points if p.topic == topic and p.series is Series.ESCALATION]
    return mine[-1] if mine else None


@contextmanager
def _timed(clock: Clock) -> Iterator[list[float]]:
    """A list that holds the seconds afterwards."""
    began, seconds = clock.monotonic(), list[float]()
    yield seconds
    seconds.append(round(clock.monotonic() - began, 2))
