"""JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/), read with mistrust."""

from __future__ import annotations

import json
from typing import Any, Final

from connectors.feeds.parse.limits import MAX_AUTHORS
from connectors.feeds.parse.model import FeedFormat
from connectors.feeds.parse.raw import Kind, RawEntry, RawFeed, RawHints, RawText

_MOST_DIGITS: Final = 30
"""Of a number: ids have up to 20; Python refuses to read thousands of them."""


def looks_like_json(text: str) -> bool:
    """Whether ``text`` can only be JSON: it begins with a brace or a bracket."""
    return text[:200].lstrip("\ufeff \t\r\n\0")[:1] in ("{", "[")


def read(text: str, max_entries: int) -> RawFeed | None:
    """The feed in ``text``; None when it is no JSON Feed."""
    try:
        document, _ = _DECODER.raw_decode(text.lstrip("\ufeff \t\r\n\0"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    items = document.get("items")
    if not isinstance(items, list) or not (_states_version(document) or _like_items(items)):
        return None
    authors = _authors(document)
    return RawFeed(
        format=FeedFormat.JSON_FEED,
        entries=(_entry(item, authors) for item in items[:max_entries]),
        total=len(items),
        hints=_hints(document),
    )


def _states_version(document: dict[str, Any]) -> bool:
    return "jsonfeed.org" in (_string(document.get("version")) or "")


def _like_items(items: list[Any]) -> bool:
    """Items without the format's version count when the first has one of the format's own texts."""
    first = items[0] if items else None
    return isinstance(first, dict) and bool({"content_html", "content_text"} & first.keys())


def _entry(item: Any, feed_authors: list[str]) -> RawEntry:
    if not isinstance(item, dict):
        return RawEntry()
    plain = _string(item.get("summary")) or _string(item.get("content_text"))
    html = _string(item.get("content_html"))
    title = _string(item.get("title"))
    return RawEntry(
        guid=_string(item.get("id")),
        guid_is_link=True,
        title=None if title is None else RawText(title, Kind.PLAIN),
        summary=None if plain is None else RawText(plain, Kind.PLAIN),
        content=None if html is None else RawText(html),
        link=_string(item.get("url")) or _string(item.get("external_url")),
        published=_string(item.get("date_published")),
        updated=_string(item.get("date_modified")),
        authors=_authors(item) or feed_authors,
    )


def _hints(document: dict[str, Any]) -> RawHints:
    title = _string(document.get("title"))
    hints = RawHints(
        title=None if title is None else RawText(title, Kind.PLAIN),
        language=_string(document.get("language")),
        site=_string(document.get("home_page_url")),
        self_link=_string(document.get("feed_url")),
    )
    hubs = document.get("hubs")
    for hub in hubs[:10] if isinstance(hubs, list) else ():
        if isinstance(hub, dict) and str(hub.get("type")).lower() == "websub":
            hints.hub = _string(hub.get("url"))
    return hints


def _authors(thing: dict[str, Any]) -> list[str]:
    people = thing.get("authors")
    if not isinstance(people, list):
        people = [thing.get("author")]
    return [
        name
        for person in people[:MAX_AUTHORS]
        if (name := _string(person.get("name") if isinstance(person, dict) else person))
    ]


def _string(value: Any) -> str | None:
    """A text or number as text; everything else, and nothing, is None."""
    if isinstance(value, str):
        # JSON may hold halves of surrogate pairs.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip() or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def _number(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MOST_DIGITS else None


_DECODER: Final = json.JSONDecoder(
    parse_int=_number,
    parse_float=str,
    parse_constant=lambda _: None,
    strict=False,  # line breaks and tabs in texts as they are
)
"""What follows the document (a cache's comment) is not looked at."""
