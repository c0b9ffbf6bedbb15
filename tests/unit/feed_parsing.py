"""Feed documents parsed for tests, beside the texts that make them."""

from __future__ import annotations

from datetime import UTC, datetime

from connectors.feeds.parse import document
from connectors.feeds.parse.model import ParsedEntry, ParsedFeed

NOW = datetime(2026, 7, 10, tzinfo=UTC)


def parse(text: str | bytes, url: str | None = None, feed_id: str = "f", **more: int) -> ParsedFeed:
    data = text.encode() if isinstance(text, str) else text
    return document.parse(data, content_type=None, url=url, feed_id=feed_id, now=NOW, **more)


def rss(items: str, channel: str = "") -> str:
    return f"<rss version='2.0'><channel>{channel}{items}</channel></rss>"


def article(text: str, **more: str) -> ParsedEntry:
    (entry,) = parse(text, **more).entries  # type: ignore[arg-type]
    assert isinstance(entry, ParsedEntry)
    return entry
