"""The last resort: feedparser's loose parser, for what libxml2's recovery finds no feed in.

Always from bytes in memory: given a text, feedparser would open it as a file or an address.
"""

from __future__ import annotations

import io
from typing import Any, Final

import feedparser

from connectors.feeds.parse.limits import MAX_AUTHORS, MIB
from connectors.feeds.parse.model import FeedFormat
from connectors.feeds.parse.raw import Kind, RawEntry, RawFeed, RawHints, RawText

_MOST_CHARACTERS: Final = 2 * MIB
"""Its regular expressions are not linear; a larger document would only meet the worker's time
limit."""


def read(text: str, max_entries: int) -> RawFeed | None:
    """The feed that feedparser finds in ``text``; None when it finds no entry."""
    if len(text) > _MOST_CHARACTERS:
        return None
    found = feedparser.parse(
        io.BytesIO(text.encode()),
        response_headers={"content-type": "application/xml; charset=utf-8"},
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    if not found.entries:
        return None
    return RawFeed(
        format=_format(str(found.get("version") or "")),
        entries=(_entry(e) for e in found.entries[:max_entries]),
        total=len(found.entries),
        hints=RawHints(
            title=_text(found.feed.get("title_detail")),
            language=found.feed.get("language"),
            site=found.feed.get("link"),
        ),
    )


def _format(version: str) -> FeedFormat:
    if version.startswith("atom"):
        return FeedFormat.ATOM
    if version in ("rss10", "rss090"):
        return FeedFormat.RDF
    return FeedFormat.CDF if version == "cdf" else FeedFormat.RSS


def _entry(e: Any) -> RawEntry:
    contents = e.get("content") or [None]
    return RawEntry(
        guid=e.get("id"),
        title=_text(e.get("title_detail")),
        summary=_text(e.get("summary_detail")),
        content=_text(contents[0]),
        link=e.get("link"),
        # Not `e.get`: feedparser answers a missing "updated" with "published", and warns.
        published=dict.get(e, "published") or dict.get(e, "created"),
        updated=dict.get(e, "updated"),
        authors=[name for a in (e.get("authors") or [])[:MAX_AUTHORS] if (name := a.get("name"))],
    )


def _text(detail: Any) -> RawText | None:
    value = detail.get("value") if detail else None
    if not value:
        return None
    return RawText(value, Kind.PLAIN if detail.get("type") == "text/plain" else Kind.MARKUP)
