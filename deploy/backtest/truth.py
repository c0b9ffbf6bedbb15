"""What should have happened, and how alerts compare with it.

Two kinds of truth. *Episodes*, labelled by hand: of level ``must``, ``should`` or ``may``, inside
scored windows; what an alert tells outside all of them is false. *Verdicts* of analysts on alerts:
a useful alert is an episode that must be found again, a false one a stretch in which nothing must
be told; of everything else nobody knows.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from deploy.errors import WrongUse, json_fault, unreadable

LEAD: Final = timedelta(minutes=30)
"""An alert so long before the first report that the labels know of is no false one."""
_LEVELS: Final = ("must", "should", "may")
_USEFUL: Final = frozenset({"useful", "true", "confirmed", "correct", "yes"})
_FALSE: Final = frozenset({"false", "noise", "useless", "wrong", "no", "false_alarm"})


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time of one topic."""

    topic: str
    start: datetime
    end: datetime
    name: str = ""
    level: str = "should"
    what: str = ""

    def holds(self, at: datetime, lead: timedelta = LEAD) -> bool:
        """Whether ``at`` lies inside, or shortly before."""
        return self.start - lead <= at <= self.end


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of the time that an archive covers."""

    episodes: tuple[Span, ...]
    windows: tuple[tuple[datetime, datetime], ...]
    """What is scored; empty: everything."""
    quiet: tuple[Span, ...] | None = None
    """Where a notification is false; None: wherever there is no episode."""

    def is_scored(self, at: datetime) -> bool:
        """Whether anything is known of ``at``."""
        return not self.windows or any(a <= at < b for a, b in self.windows)


@dataclass(frozen=True, slots=True)
class Notification:
    """A moment at which an analyst is told: an alert raised, or escalated."""

    topic: str
    at: datetime
    alert_id: str


@dataclass(slots=True)
class Score:
    """How the notifications of one topic (or all) compare with the truth."""

    episodes: int = 0
    """Of level must or should."""
    found: int = 0
    delays_min: list[float] = field(default_factory=list)
    """Of those found, from the episode's start."""
    told: int = 0
    """Notifications in the scored time."""
    right: int = 0
    """Those in a must or should episode, repeats included."""
    arguable: int = 0
    """Those in a may episode."""
    wrong: int = 0
    missed: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain values; None where there is nothing to divide by."""
        judged = self.right + self.wrong
        return {
            "episodes": self.episodes,
            "found": self.found,
            "recall": round(self.found / self.episodes, 3) if self.episodes else None,
            "notifications": self.told,
            "right": self.right,
            "arguable": self.arguable,
            "false": self.wrong,
            "precision": round(self.right / judged, 3) if judged else None,
            "delay_median_min": round(statistics.median(self.delays_min), 1)
            if self.delays_min
            else None,
            "missed": self.missed,
            "false_at": self.false,
        }


def score(truth: Truth, notifications: Iterable[Notification]) -> dict[str, Score]:
    """The score of each topic, and of all under ``""``."""
    told = sorted((n for n in notifications if truth.is_scored(n.at)), key=lambda n: n.at)
    topics = sorted({n.topic for n in told} | {e.topic for e in truth.episodes})
    scores = {topic: _topic_score(truth, topic, told) for topic in topics}
    total = Score()
    for one in scores.values():
        total.episodes += one.episodes
        total.found += one.found
        total.delays_min += one.delays_min
        total.told += one.told
        total.right += one.right
        total.arguable += one.arguable
        total.wrong += one.wrong
        total.missed += one.missed
        total.false += one.false
    scores[""] = total
    return scores


def _topic_score(truth: Truth, topic: str, told: list[Notification]) -> Score:
    out = Score()
    hard = [e for e in truth.episodes if e.topic == topic and e.level != "may"]
    soft = [e for e in truth.episodes if e.topic == topic and e.level == "may"]
    out.episodes = len(hard)
    first: dict[int, datetime] = {}
    for n in told:
        if n.topic != topic:
            continue
        out.told += 1
        inside = [i for i, e in enumerate(hard) if e.holds(n.at)]
        # The lead of the next episode does not count while another one runs.
        inside = [i for i in inside if hard[i].start <= n.at] or inside
        if inside:
            out.right += 1
            for i in inside:
                first.setdefault(i, n.at)
        elif any(e.holds(n.at) for e in soft):
            out.arguable += 1
        elif truth.quiet is None or any(q.topic == topic and q.holds(n.at) for q in truth.quiet):
            out.wrong += 1
            out.false.append(f"{topic} {n.at.isoformat()}")
    out.found = len(first)
    out.delays_min = [
        round((at - hard[i].start).total_seconds() / 60, 1) for i, at in sorted(first.items())
    ]
    out.missed = [e.name or e.start.isoformat() for i, e in enumerate(hard) if i not in first]
    return out


def read_truth(path: Path) -> Truth:
    """The truth in a file of episodes, or of exported verdicts (JSON, or JSON lines).

    Raises:
        Refused: there is no such file.
        WrongUse: it is neither.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as e:
        raise unreadable(path, e) from e
    except UnicodeDecodeError as e:
        raise WrongUse(f"{path}: not UTF-8; save the file as UTF-8") from e
    try:
        raw = _parse(text)
        if isinstance(raw, dict) and "episodes" in raw:
            return _episodes(raw)
        if isinstance(raw, dict):
            raw = raw.get("alerts", raw.get("verdicts", [raw]))
        return _verdicts(raw)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as e:
        detail = f"no {e}" if isinstance(e, KeyError) else json_fault(e)
        raise WrongUse(f"{path}: neither labelled episodes nor exported verdicts: {detail}") from e


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def _episodes(raw: dict[str, Any]) -> Truth:
    episodes = []
    for n, e in enumerate(raw["episodes"]):
        if e["level"] not in _LEVELS:
            raise ValueError(f"episode {n}: level '{e['level']}' is none of {', '.join(_LEVELS)}")
        episodes.append(
            Span(
                topic=str(e["topic"]),
                start=_time(e["start"]),
                end=_time(e["end"]),
                name=str(e.get("episode_id", n)),
                level=e["level"],
                what=str(e.get("what", "")),
            )
        )
    windows = tuple((_time(a), _time(b)) for a, b in raw.get("scored_windows") or ())
    return Truth(tuple(episodes), windows)


def _verdicts(rows: list[dict[str, Any]]) -> Truth:
    useful: list[Span] = []
    false: list[Span] = []
    for row in rows:
        verdict = str(row["verdict"] or "").lower().replace(" ", "_")
        if verdict not in _USEFUL | _FALSE:
            continue
        start = _time(row.get("onset_at") or row["raised_at"])
        raised = _time(row["raised_at"])
        end = _time(row.get("closed_at") or row.get("revised_at") or row["raised_at"])
        span = Span(
            topic=str(row["topic"]),
            start=min(start, raised),
            end=max(end, raised + timedelta(hours=1)),
            name=str(row.get("alert_id", "")),
        )
        (useful if verdict in _USEFUL else false).append(span)
    if not useful and not false:
        raise ValueError("no alert in it has a verdict")
    return Truth(tuple(useful), (), tuple(false))


def _time(value: Any) -> datetime:
    time = datetime.fromisoformat(str(value).strip())
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
