"""What goes between a parse worker and its pool: the frames, and a `ParsedFeed` as JSON.

JSON and not pickle: a worker that a document has taken over must not be able to run code in the
process that reads its answer.
"""

from __future__ import annotations

import json
import struct
from datetime import datetime
from enum import IntEnum
from typing import Any, Final

from connectors.feeds.parse.model import (
    DocumentReason,
    FeedFormat,
    FeedHints,
    ParsedEntry,
    ParsedFeed,
    RejectedEntry,
    RejectReason,
)

REQUEST: Final = struct.Struct("!IIf")
"""Length of the header (JSON), length of the document, seconds of processor time that it may take;
then both."""
ANSWER: Final = struct.Struct("!BBIf")
"""Whether the worker takes another document, `Outcome`, length of the body, seconds of processor
time; then the body."""
READY: Final = b"\x01"
"""A worker's first word."""


class Outcome(IntEnum):
    """How a document ended in a worker that lived."""

    DONE = 0
    """The body is the answer."""
    NO_MEMORY = 1
    FAILED = 2
    """The body is the name of the error's class."""


ENTRIES_A_LINE: Final = 20
"""Reading a line of JSON holds the interpreter from all other threads: a millisecond at the worst,
and not the fifty of a document of 5 MB."""


def dump(feed: ParsedFeed) -> bytes:
    """``feed`` as lines of JSON: all but the entries, then those. No lone surrogates in texts."""
    h = feed.hints
    hints = [h.title, h.language, h.site, h.self_link, h.hub, h.ttl_seconds, h.update_seconds]
    entries = [_entry(e) for e in feed.entries]
    lines = [
        [feed.format, feed.reason, feed.detail, feed.unread, hints],
        *(entries[n : n + ENTRIES_A_LINE] for n in range(0, len(entries), ENTRIES_A_LINE)),
    ]
    return b"\n".join(
        json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() for line in lines
    )


def load(data: bytes) -> ParsedFeed:
    """The feed that `dump` wrote.

    Raises:
        ValueError: ``data`` is not what `dump` writes.
    """
    try:
        head, *lines = data.split(b"\n")
        format_, reason, detail, unread, hints = json.loads(head)
        return ParsedFeed(
            format=None if format_ is None else FeedFormat(format_),
            entries=tuple(_parsed(e) for line in lines for e in json.loads(line)),
            reason=None if reason is None else DocumentReason(reason),
            detail=str(detail),
            unread=int(unread),
            hints=FeedHints(*hints),
        )
    except (TypeError, AttributeError) as e:
        raise ValueError(f"not an answer of a worker: {e}") from e


def _entry(e: ParsedEntry | RejectedEntry) -> Any:
    if isinstance(e, RejectedEntry):
        return e.reason
    return [
        e.id,
        e.guid,
        e.title,
        e.summary,
        e.link,
        e.published_at and e.published_at.isoformat(),
        e.updated_at and e.updated_at.isoformat(),
        e.authors,
        e.flags,
    ]


def _parsed(raw: Any) -> ParsedEntry | RejectedEntry:
    if isinstance(raw, str):
        return RejectedEntry(RejectReason(raw))
    id_, guid, title, summary, link, published, updated, authors, flags = raw
    return ParsedEntry(
        id=id_,
        guid=guid,
        title=title,
        summary=summary,
        link=link,
        published_at=published and datetime.fromisoformat(published),
        updated_at=updated and datetime.fromisoformat(updated),
        authors=tuple(authors),
        flags=tuple(flags),
    )
