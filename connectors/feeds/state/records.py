"""What the tables hold, as values: a feed's row, and what one finished poll changes."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final

REFRESH_SEEN: Final = 86_400.0
"""Seconds: how old the note that an entry is still in its feed may grow. Bounds the writing."""


class State(StrEnum):
    """How a feed does. A metric label."""

    NEW = "new"
    """Never asked."""
    HEALTHY = "healthy"
    QUIET = "quiet"
    """Answers, and has had nothing new for longer than usual."""
    FAILING = "failing"
    SILENT_ZERO = "silent-zero"
    """Answers, and gives nothing: the failure that nobody notices."""
    GONE = "gone"
    """Says that it is gone for good (410)."""


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One feed as the database knows it. Times are seconds since 1970."""

    feed_id: str
    url: str
    host: str
    group_name: str
    next_poll_at: float = 0.0
    interval_s: float = 0.0
    gap_s: float | None = None
    hint_s: float | None = None
    first_polled_at: float | None = None
    last_polled_at: float | None = None
    last_answer_at: float | None = None
    last_new_at: float | None = None
    last_full_at: float | None = None
    last_entries: int | None = None
    outcome: str | None = None
    status: int | None = None
    reason: str = ""
    failures: int = 0
    slow: bool = False
    articles: int = 0
    etag: str | None = None
    last_modified: str | None = None
    validators_from: str | None = None
    body_digest: str | None = None
    moved_to: str | None = None
    moved_seen_to: str | None = None
    moved_seen: int = 0
    moved_since: float | None = None
    state: str = State.NEW
    state_reason: str = ""
    state_since: float | None = None
    hub: str | None = None
    hub_topic: str | None = None


FEED_COLUMNS = tuple(f.name for f in fields(FeedRow))


@dataclass(frozen=True, slots=True)
class Seen:
    """One entry of a feed that we know."""

    article_id: str
    digest: str
    """Of title, summary, link and stated date: another one is an edit."""
    revision: int
    last_seen_at: float


@dataclass(frozen=True, slots=True)
class Effect:
    """What one finished poll changes, beside its articles. Written whole or not at all."""

    feed_id: str
    changes: dict[str, Any]
    """Column of the feed's row -> new value."""
    seen: tuple[Seen, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    """What is added to the totals, by name."""
    bucket: int = 0
    """Start of the FeedStatus bucket, seconds since 1970."""
    group: str = ""
    polled: int = 0
    answered: int = 0
    articles: int = 0
    """Added to the bucket."""

    def to_json(self) -> str:
        """For the journal."""
        # `asdict` copies every value, for which two thousand articles take 20 ms.
        raw = {name: getattr(self, name) for name in Effect.__slots__}
        raw["seen"] = [{n: getattr(s, n) for n in Seen.__slots__} for s in self.seen]
        return json.dumps(raw, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Effect:
        """What `to_json` wrote."""
        raw = json.loads(text)
        raw["seen"] = tuple(Seen(**s) for s in raw["seen"])
        raw["counts"] = tuple((name, n) for name, n in raw["counts"])
        return cls(**raw)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One encoded article: the exact bytes, so that a repeat after a crash is a repeat."""

    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class FinishedPoll:
    """A poll that is to be written: its effect, and the articles that must be on Kafka first."""

    poll_id: str
    effect: Effect
    messages: tuple[Outgoing, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusRow:
    """What one connector knows of one group in one bucket."""

    bucket: int
    """Its start, seconds since 1970."""
    group: str
    owner: str
    """The connector."""
    polled: int = 0
    answered: int = 0
    articles: int = 0


@dataclass(frozen=True, slots=True)
class FeedTotals:
    """How the entries of every parsed document ended: ``fetched`` is the sum of the other three."""

    fetched: int = 0
    accepted: int = 0
    """Acknowledged by Kafka: new articles and edits."""
    duplicates: int = 0
    """Seen before, unchanged."""
    rejected: int = 0
    rejected_by_reason: tuple[tuple[str, int], ...] = ()
    backfilled: int = 0
    """Articles from archives, all acknowledged; they are part of ``accepted`` and ``fetched``."""
    pending: int = 0
    """Articles in the journal: not yet acknowledged, in none of the numbers above."""
