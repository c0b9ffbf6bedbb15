"""A parsed feed as the JSON lines of `feeds parse` and `feeds fetch`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.feeds.parse.model import ParsedEntry, ParsedFeed, RejectedEntry


def entry_lines(file: str, feed: ParsedFeed) -> Iterator[dict[str, Any]]:
    """A line for each entry, in the document's order.

    Args:
        file: the document's name in the lines: its path as given, or its address.
        feed: the document.
    """
    for entry in feed.entries:
        yield _article(file, entry) if isinstance(entry, ParsedEntry) else _reject(file, entry)


def document_line(file: str, feed: ParsedFeed) -> dict[str, Any]:
    """The line that ends a document."""
    return {
        "kind": "document",
        "file": file,
        "exit": 0 if feed.ok else 3,
        "format": feed.format,
        "reason": feed.reason,
        "detail": feed.detail or None,
        "entries": len(feed.entries) + feed.unread,
        "unread": feed.unread,
    }


def _article(file: str, e: ParsedEntry) -> dict[str, Any]:
    return {
        "kind": "article",
        "file": file,
        "id": e.id,
        "guid": e.guid,
        "title": e.title,
        "summary": e.summary,
        "link": e.link,
        "published_at": e.published_at and e.published_at.isoformat(),
        "updated_at": e.updated_at and e.updated_at.isoformat(),
        "authors": e.authors,
        "flags": e.flags,
    }


def _reject(file: str, e: RejectedEntry) -> dict[str, Any]:
    return {"kind": "reject", "file": file, "reason": e.reason}
