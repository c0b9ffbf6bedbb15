"""One backtest: an archive in, a folder with alerts, series, summary and report out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from deploy.archive import YEARS, Archive
from deploy.backtest.outputs import AlertsFile, Episode, SeriesFile, TaggedFile, plain
from deploy.backtest.replay import BUCKET, Replay, Rules
from deploy.backtest.truth import Notification, Score, Truth, score
from deploy.errors import WrongUse, unreadable
from deploy.output import written
from pipeline.contracts.codec import decode, parse_time
from pipeline.contracts.errors import DecodeError
from pipeline.contracts.records import Alert, Article, FeedStatus, SeriesPoint
from pipeline.rules.alerts.detector import DETECTOR_VERSION

ALERTS: Final = "alerts.jsonl"
SERIES: Final = "series.csv"
ARTICLES: Final = "articles.csv"
SUMMARY: Final = "summary.json"
REPORT: Final = "report.html"

_HOLE: Final = timedelta(hours=48)
"""An archive that shows nothing for so long was not recording."""


@dataclass(slots=True)
class Covered:
    """The time that an archive covers, holes left out."""

    first: datetime | None = None
    last: datetime | None = None
    total: timedelta = timedelta(0)
    articles: int = 0

    def watch(self, articles: Archive) -> Iterator[Article]:
        """Pass the articles on, and see when they were seen."""
        for article in articles:
            self.articles += 1
            at = articles.fetched_at
            if self.first is None or self.last is None:
                self.first = self.last = at
            if at > self.last:
                step = at - self.last
                if step <= _HOLE:
                    self.total += step
                self.last = at
            yield article

    @property
    def days(self) -> float:
        """Covered days."""
        return self.total / timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Result:
    """What a backtest found: everything that its report shows."""

    summary: dict[str, Any]
    alerts: AlertsFile
    series: SeriesFile
    scores: dict[str, Score] | None
    truth: Truth | None


def run_backtest(
    archive: Archive,
    rules: Rules,
    out: Path,
    *,
    statuses: Path | None = None,
    truth: Truth | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> Result:
    """Run ``archive`` through ``rules`` and write the files in ``out``, all but the report.

    Raises:
        WrongUse: the folder, the archive or the feed status cannot be used.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise WrongUse(f"{out}: cannot be made a folder: {e.strerror or e}") from e
    started = time.perf_counter()
    covered = Covered()
    replay = Replay(rules)
    reports = None if statuses is None else read_statuses(statuses)
    with (
        written(out / ALERTS) as alerts_file,
        written(out / SERIES) as series_file,
        written(out / ARTICLES) as articles_file,
    ):
        alerts = AlertsFile(alerts_file)
        series = SeriesFile(series_file, replay.spread)
        tagged = TaggedFile(articles_file)
        for decided in replay.run(covered.watch(archive), reports, lambda _: archive.fetched_at):
            if isinstance(decided, SeriesPoint):
                series.add(decided)
                continue
            if isinstance(decided, Alert):
                alerts.add(decided)
            else:
                tagged.add(decided)
            on_progress()
        series.close()
        if not covered.articles:
            raise WrongUse(
                archive.bad.sentence(archive.path) or f"{archive.path}: there is no article in it"
            )
    scores = None
    if truth is not None:
        scores = score(truth, _notifications(alerts.episodes))
    summary = {
        "schema": 1,
        "archive": archive.path.name,
        "from": covered.first.isoformat() if covered.first else None,
        "to": covered.last.isoformat() if covered.last else None,
        "days": round(covered.days, 2),
        "articles": covered.articles,
        "bad_lines": archive.bad.count,
        "first_bad_line": archive.bad.first,
        "out_of_order": archive.backwards,
        "on_topic": tagged.articles,
        "topics": {
            name: {
                **(plain(tagged.topics[name]) if name in tagged.topics else {"articles": 0}),
                **_alert_counts(name, alerts.episodes, covered.days),
                **({"truth": scores[name].as_json()} if scores and name in scores else {}),
            }
            for name in sorted(rules.detectors)
        },
        "alerts": len(alerts.episodes),
        "revisions": alerts.revisions,
        **({"truth": scores[""].as_json()} if scores else {}),
        "sensitivity": {n: s.sensitivity for n, s in sorted(rules.detectors.items())},
        "exposure": "feed status" if statuses else "articles",
        "rules_version": rules.tagger.rules_version,
        "detector_version": DETECTOR_VERSION,
        "seconds": round(time.perf_counter() - started, 2),
    }
    write_summary(summary, out)
    return Result(summary, alerts, series, scores, truth)


def write_summary(summary: dict[str, Any], out: Path) -> None:
    """Write ``summary.json`` into ``out``."""
    with written(out / SUMMARY) as file:
        json.dump(summary, file, ensure_ascii=False, indent=1)
        file.write("\n")


def read_statuses(path: Path) -> Iterator[tuple[datetime, FeedStatus]]:
    """`FeedStatus` records, a line each, and when the pipeline came to know of each.

    That is ``fetched_at``, as `articles export` writes it, and the bucket's end where it is not
    told; a report earlier than the one above it counts as known with that.

    Raises:
        Refused: there is no such file.
        WrongUse: a line is none; the message names it.
    """
    try:
        file = path.open("rb")
    except OSError as e:
        raise unreadable(path, e) from e
    return _statuses(path, file)


def _statuses(path: Path, file: Any) -> Iterator[tuple[datetime, FeedStatus]]:
    known = datetime.min.replace(tzinfo=UTC)
    with file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                status = decode(FeedStatus, line)
            except DecodeError as e:
                raise WrongUse(f"{path}:{number}: no feed status: {e.detail}") from e
            if status.bucket.year not in YEARS:
                raise WrongUse(f"{path}:{number}: a bucket in the year {status.bucket.year}")
            known = max(known, _known_at(status, line, f"{path}:{number}"))
            yield known, status


def _known_at(status: FeedStatus, line: bytes, where: str) -> datetime:
    told = json.loads(line).get("fetched_at")
    if told is None:
        return status.bucket + BUCKET
    try:
        at = parse_time(told)
    except (TypeError, ValueError) as e:
        raise WrongUse(f"{where}: fetched_at: {e}") from e
    if at.year not in YEARS:
        raise WrongUse(f"{where}: fetched_at in the year {at.year}")
    return at


def _notifications(episodes: dict[str, Episode]) -> Iterator[Notification]:
    for alert_id, episode in episodes.items():
        for at in episode.told_at:
            yield Notification(episode.first.topic, at, alert_id)


def _alert_counts(topic: str, episodes: dict[str, Episode], days: float) -> dict[str, Any]:
    mine = [e for e in episodes.values() if e.first.topic == topic]
    told = sum(len(e.told_at) for e in mine)
    return {
        "alerts": len(mine),
        "notifications": told,
        "notifications_a_day": round(told / days, 3) if days else None,
        "notifications_a_month": round(30 * told / days, 1) if days else None,
    }
