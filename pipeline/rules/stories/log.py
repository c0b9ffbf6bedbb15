"""The story index's log: what an article is to it, what it decided, and the bytes of both.

An entry holds what the decision rests on, so that replaying entries builds the index again without
deciding anew.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from pipeline.contracts.records import Lang
from pipeline.rules.stories.wires import WireTable

VERSION: Final = 1
"""Of the log's entries. A log of another version is not read: its index starts empty."""

Sighting = tuple[str, str, bool]
"""Two owners with headlines alike, and whether word for word."""

US: Final = 1_000_000
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_SECTION: Final = re.compile(r"\s+[-–|]\s+.*$")


@dataclass(frozen=True, slots=True)
class StoryItem:
    """What the index needs of an article."""

    article_id: str
    revision: int
    lang: Lang
    title: str
    summary: str
    link: str | None
    publisher: str
    owner: str
    seen_at: datetime
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where an article belongs."""

    story_id: str
    event_id: str
    reprint: bool
    """It joined a text that was there before."""
    possible_reprint_of: str | None
    """The article that this one may be a copy of, kept apart because unsure."""


class StoryError(ValueError):
    """An entry of the log that cannot be read."""


@lru_cache(4096)
def house_of(owner: str) -> str:
    """The house behind an owner's name: archives name sections (``Daily - Politics``)."""
    return _SECTION.sub("", owner) or owner


def microseconds(time: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    delta = time - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86400 + delta.seconds) * US + delta.microseconds


def moment(us: int) -> datetime:
    """The inverse of `microseconds`."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


def entry_of(item: StoryItem, assignment: Assignment, learned: list[Sighting]) -> bytes:
    """The entry of a decision, with what was learned of wires by it."""
    raw: dict[str, Any] = {
        "v": VERSION,
        "id": item.article_id,
        "rev": item.revision,
        "lang": item.lang.value,
        "title": item.title,
        # No more than is compared: the log is state.
        "lead": item.summary[:400],
        "link": item.link,
        "pub": item.publisher,
        "own": item.owner,
        "seen": microseconds(item.seen_at),
        "story": assignment.story_id,
        "event": assignment.event_id,
        "re": assignment.reprint,
        "maybe": assignment.possible_reprint_of,
    }
    if learned:
        raw["wire"] = [[b, verbatim] for _, b, verbatim in learned]
    return _dump(raw)


def read_entry(raw: dict[str, Any]) -> tuple[StoryItem, Assignment, list[Sighting]]:
    """The inverse of `entry_of`, on its JSON object."""
    item = StoryItem(
        article_id=raw["id"],
        revision=raw["rev"],
        lang=Lang(raw["lang"]),
        title=raw["title"],
        summary=raw["lead"],
        link=raw["link"],
        publisher=raw["pub"],
        owner=raw["own"],
        seen_at=moment(raw["seen"]),
        published_at=None,
    )
    assignment = Assignment(raw["story"], raw["event"], raw["re"], raw["maybe"])
    return (
        item,
        assignment,
        [(house_of(item.owner), b, verbatim) for b, verbatim in raw.get("wire", ())],
    )


def wires_entry(wires: WireTable, clock_us: int) -> bytes:
    """The entry that a rewritten log begins with: what is known of wires, and the time."""
    return _dump({"v": VERSION, "wires": wires.dump(), "now": clock_us})


def _dump(raw: dict[str, Any]) -> bytes:
    return _ENCODER.encode(raw).encode("utf-8", "surrogatepass")
