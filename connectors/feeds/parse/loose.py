"""The last resort: feedparser's loose parser, for what libxml2's recovery finds no feed in.

Always from bytes in memory: given a text, feedparser would open it as a file or an address.
"""

from __future__ import annotations

import io
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any, Final

from connectors.feeds.parse.limits import MAX_AUTHORS, MIB
from connectors.feeds.parse.model import FeedFormat
from connectors.feeds.parse.raw import Kind, RawEntry, RawFeed, RawHints, RawText

_MOST_CHARACTERS: Final = 2 * MIB
"""Its regular expressions are not linear; a larger document would only meet the worker's time
limit."""
_MOST_TAGS: Final = 100_000
"""It takes 17 µs of processor time for each that is opened and never closed."""

_FAULTS: Final = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError),
    *(TypeError, ValueError),
)
"""What it raises on documents that it did not foresee: they are broken beyond repair."""


def read(text: str, max_entries: int) -> RawFeed | None:
    """The feed that feedparser finds in ``text``; None when it finds no entry, or fails."""
    if len(text) > _MOST_CHARACTERS or text.count("<") > _MOST_TAGS:
        return None
    try:
        found = _parsed(_feedparser(), text.encode())
    except _FAULTS:
        return None
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


def _parsed(feedparser: ModuleType, data: bytes) -> Any:
    return feedparser.parse(
        io.BytesIO(data),
        response_headers={"content-type": "application/xml; charset=utf-8"},
        sanitize_html=False,
        resolve_relative_uris=False,
    )


@cache
def _feedparser() -> ModuleType:
    """Loaded when it is first needed: one document in thousands, and half a worker's start."""
    with _may_open_files():
        import feedparser

        # It imports its XML parsers, and they their codecs, with the first documents.
        for sample in (b"<rss><channel><item/></channel></rss>", b"<rss><b>&nbsp;<i></rss>"):
            _parsed(feedparser, sample)
    return feedparser  # type: ignore[no-any-return]


@contextmanager
def _may_open_files() -> Iterator[None]:
    """A worker keeps no descriptor free (`worker`): an import has to have some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


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
