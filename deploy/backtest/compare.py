"""Two backtests of one archive side by side: what changed rules would have done differently."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from deploy.backtest.outputs import Bins, Episode, add_revision
from deploy.errors import Refused, WrongUse, json_fault
from pipeline.contracts.codec import decode
from pipeline.contracts.errors import DecodeError
from pipeline.contracts.records import Alert, Series, SeriesPoint

SHOWN: Final = 30
"""Articles of a topic that are listed: the newest."""
_NEAR: Final = timedelta(hours=24)
"""Alerts raised no further apart are about one episode, even when the earlier had closed."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An article in a list."""

    seen_at: str
    publisher: str
    title: str
    link: str
    escalation: int
    was: int | None = None
    """Its escalation in the other backtest, when it was there."""


@dataclass(slots=True)
class TopicChange:
    """What differs in one topic."""

    topic: str
    gained: int = 0
    lost: int = 0
    moved: int = 0
    """Articles whose escalation changed between none and some: they enter or leave the count."""
    gained_shown: list[Listed] = field(default_factory=list)
    lost_shown: list[Listed] = field(default_factory=list)
    moved_shown: list[Listed] = field(default_factory=list)
    only_here: list[Episode] = field(default_factory=list)
    only_there: list[Episode] = field(default_factory=list)
    both: list[tuple[Episode, Episode]] = field(default_factory=list)
    """This one's, and the other's."""
    told_a_month: float = 0.0
    told_a_month_there: float = 0.0


@dataclass(slots=True)
class Comparison:
    """This backtest against another."""

    name: str
    summary: dict[str, Any]
    """The other's."""
    topics: dict[str, TopicChange]
    bins: dict[str, Bins]
    """The other's escalation series."""
    same_archive: bool
    same_rules: bool


@dataclass(frozen=True, slots=True)
class Other:
    """The folder of another backtest, checked."""

    folder: Path
    summary: dict[str, Any]
    episodes: dict[str, Episode]


def read_other(folder: Path) -> Other:
    """The backtest in ``folder``.

    Raises:
        Refused: there is none.
        WrongUse: its files are damaged.
    """
    try:
        summary = json.loads((folder / "summary.json").read_text("utf-8"))
        summary["topics"].items()
    except OSError as e:
        raise Refused(
            f"{folder}: not the folder of a backtest: summary.json: {e.strerror or e}"
        ) from e
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        wrong = f"{folder / 'summary.json'}: not a backtest's summary: {json_fault(e)}"
        raise WrongUse(wrong) from e
    for name in ("alerts.jsonl", "articles.csv", "series.csv"):
        if not (folder / name).is_file():
            raise Refused(f"{folder}: {name} is missing; run that backtest again")
    return Other(folder, summary, _episodes(folder / "alerts.jsonl"))


def compare(
    here: Path, summary: dict[str, Any], episodes: dict[str, Episode], other: Other
) -> Comparison:
    """This backtest, whose files are in ``here``, against ``other``."""
    names = sorted(set(summary["topics"]) | set(other.summary["topics"]))
    topics = {name: TopicChange(name) for name in names}
    _compare_articles(here / "articles.csv", other.folder / "articles.csv", topics)
    for name, change in topics.items():
        change.told_a_month = _told_a_month(summary, name)
        change.told_a_month_there = _told_a_month(other.summary, name)
        _match(
            change,
            [e for e in episodes.values() if e.first.topic == name],
            [e for e in other.episodes.values() if e.first.topic == name],
        )
    same = all(summary.get(k) == other.summary.get(k) for k in ("from", "to", "articles"))
    return Comparison(
        name=other.folder.name or str(other.folder),
        summary=other.summary,
        topics=topics,
        bins=_bins(other.folder / "series.csv"),
        same_archive=same,
        same_rules=summary.get("rules_version") == other.summary.get("rules_version"),
    )


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison in numbers, for ``summary.json``."""
    return {
        "with": comparison.name,
        "same_archive": comparison.same_archive,
        "same_rules": comparison.same_rules,
        "topics": {
            name: {
                "articles_gained": c.gained,
                "articles_lost": c.lost,
                "escalation_changed": c.moved,
                "alerts_only_here": [e.first.alert_id for e in c.only_here],
                "alerts_only_there": [e.first.alert_id for e in c.only_there],
                "alerts_in_both": len(c.both),
                "notifications_a_month": [c.told_a_month, c.told_a_month_there],
            }
            for name, c in comparison.topics.items()
        },
    }


def differences(comparison: Comparison) -> Iterator[str]:
    """What differs, a line a topic, for the terminal."""
    yield f"against {comparison.name}:"
    for name, c in comparison.topics.items():
        line = f"  {name}: {c.gained} articles gained, {c.lost} lost, {c.moved} of another weight"
        line += f"; {len(c.only_here)} alerts only here, {len(c.only_there)} only there"
        if c.told_a_month != c.told_a_month_there:
            line += f"; told {c.told_a_month:g} times a month, there {c.told_a_month_there:g}"
        yield line


def shift_minutes(here: Episode, there: Episode) -> float:
    """How much later this alert was raised than the other; negative: earlier."""
    return (here.first.raised_at - there.first.raised_at) / timedelta(minutes=1)


def _told_a_month(summary: dict[str, Any], topic: str) -> float:
    """0 where the topic was not there, or the archive has no length."""
    return float(summary["topics"].get(topic, {}).get("notifications_a_month") or 0)


def _match(change: TopicChange, here: list[Episode], there: list[Episode]) -> None:
    """Pair alerts of one episode: those that ran at the same time, the nearest first."""
    pairs = sorted(
        (abs(shift_minutes(a, b)), i, j)
        for i, a in enumerate(here)
        for j, b in enumerate(there)
        if _together(a, b)
    )
    mine: set[int] = set()
    theirs: set[int] = set()
    for _, i, j in pairs:
        if i not in mine and j not in theirs:
            mine.add(i)
            theirs.add(j)
            change.both.append((here[i], there[j]))
    change.both.sort(key=lambda pair: pair[0].first.raised_at)
    change.only_here = [e for i, e in enumerate(here) if i not in mine]
    change.only_there = [e for j, e in enumerate(there) if j not in theirs]


def _together(a: Episode, b: Episode) -> bool:
    if abs(a.first.raised_at - b.first.raised_at) <= _NEAR:
        return True
    return a.first.raised_at <= b.last.revised_at and b.first.raised_at <= a.last.revised_at


def _episodes(path: Path) -> dict[str, Episode]:
    episodes: dict[str, Episode] = {}
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                alert = decode(Alert, line)
            except DecodeError as e:
                raise WrongUse(f"{path}:{number}: no alert: {e.detail}") from e
            add_revision(episodes, alert)
    return episodes


def _compare_articles(here: Path, there: Path, topics: dict[str, TopicChange]) -> None:
    """Stream both lists; what is kept is a number for each article on topic."""
    levels = {(row["id"], row["topic"]): int(row["escalation"]) for row in _rows(there)}
    for row in _rows(here):
        key = row["id"], row["topic"]
        change = topics.setdefault(row["topic"], TopicChange(row["topic"]))
        was = levels.pop(key, None)
        level = int(row["escalation"])
        if was is None:
            change.gained += 1
            _keep(change.gained_shown, row)
        elif (was > 0) != (level > 0):
            change.moved += 1
            _keep(change.moved_shown, row, was)
    for row in _rows(there):
        if levels.pop((row["id"], row["topic"]), None) is not None:
            change = topics.setdefault(row["topic"], TopicChange(row["topic"]))
            change.lost += 1
            _keep(change.lost_shown, row)


def _keep(shown: list[Listed], row: dict[str, str], was: int | None = None) -> None:
    shown.append(
        Listed(
            row["seen_at"], row["publisher"], row["title"], row["link"], int(row["escalation"]), was
        )
    )
    if len(shown) > SHOWN:
        del shown[0]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row.get("id") is None or not (row.get("escalation") or "").isdigit():
                    raise WrongUse(f"{path}: not the articles of a backtest; run it again")
                yield row
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise WrongUse(f"{path}: cannot be read: {e}") from e


def _bins(path: Path) -> dict[str, Bins]:
    bins: dict[str, Bins] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["series"] == Series.ESCALATION.value:
                    bins.setdefault(row["topic"], Bins()).add(_point(row), (1.0, 0.0))
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError) as e:
        raise WrongUse(f"{path}: not the series of a backtest: {e}") from e
    return bins


def _point(row: dict[str, str]) -> SeriesPoint:
    return SeriesPoint(
        topic=row["topic"],
        series=Series.ESCALATION,
        bucket=datetime.fromisoformat(row["bucket"]),
        bucket_minutes=int(row["bucket_minutes"]),
        raw=int(row["raw"]),
        independent=int(row["independent"]),
        expected=float(row["expected"]),
        upper=float(row["upper"]),
        score=float(row["score"]),
        exposure=float(row["exposure"]),
        warm=row["warm"] == "1",
        blind=row["blind"] == "1",
        baseline_since=None,
        by_language=(),
        by_level=(),
    )
