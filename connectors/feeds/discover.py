"""Finds the feeds of a web page: what it names, what it links to, then the usual places."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final, Protocol

from connectors.feeds.address import parse_address
from connectors.feeds.errors import AddressError
from connectors.feeds.feed_list import registrable_domain
from connectors.feeds.fetch import Fetcher, FetchResult, Outcome
from connectors.feeds.parse.model import ParsedFeed

MAX_HTML: Final = 512 * 1024
"""Bytes of a page that are looked at: a page names its feeds in its head."""
MAX_CANDIDATES: Final = 12
"""Addresses that are tried for one page."""
_FEED_TYPES: Final = frozenset(
    (
        "application/rss+xml",
        "application/atom+xml",
        "application/feed+json",
        "application/rdf+xml",
        "application/json",
        "application/xml",
        "text/xml",
    )
)
_LOOKS_LIKE_FEED: Final = re.compile(
    r"(?:[/.?=_-](?:rss|atom|feed|feeds|rdf)(?:[/.?&_-]|$)|\.(?:rss|rdf|atom)$)", re.IGNORECASE
)
_USUAL_PLACES: Final = ("/feed", "/rss", "/rss.xml", "/feed.xml", "/atom.xml", "/index.xml")


class Parser(Protocol):
    """What turns bytes into entries: `parse_workers.ParsePool`."""

    async def parse(
        self,
        data: bytes,
        content_type: str | None = None,
        url: str | None = None,
        feed_id: str = "",
    ) -> ParsedFeed:
        """The document in ``data``."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """One feed that answers and can be read."""

    url: str
    document: ParsedFeed


@dataclass(frozen=True, slots=True)
class Discovery:
    """What there is at an address."""

    feeds: tuple[Found, ...]
    """The address itself when it is a feed, else what its page leads to, the page's own first."""
    page: FetchResult
    """How the address itself answered."""


async def find_feeds(
    fetcher: Fetcher, parser: Parser, url: str, most: int = MAX_CANDIDATES
) -> Discovery:
    """The feeds at ``url``: fetched and parsed as the poller does it, all guards on."""
    page, document = await _try(fetcher, parser, url)
    if document is not None and document.ok:
        return Discovery((Found(page.final_url, document),), page)
    if page.outcome is not Outcome.OK:
        return Discovery((), page)
    found: list[Found] = []
    named, guessed = candidates(page.body, page.final_url)
    for group in (named, guessed):
        for candidate in group[:most]:
            if any(f.url == candidate for f in found):
                continue
            result, document = await _try(fetcher, parser, candidate)
            if document is not None and document.ok and document.articles:
                found.append(Found(result.final_url, document))
        if found:
            break
    return Discovery(tuple(found), page)


def candidates(html: bytes, base_url: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Addresses that the page names as its feeds, and addresses that may be some.

    Links to other sites are left out of the second: nobody's feed is guessed at.
    """
    reader = _Links()
    # HTMLParser asserts on some broken declarations (`<![x[`): what came before them counts.
    with suppress(AssertionError):
        reader.feed(html[:MAX_HTML].decode("utf-8", "replace"))
    named = _absolute(reader.alternates, base_url)
    home = registrable_domain(base_url)
    linked = [u for u in _absolute(reader.anchors, base_url) if registrable_domain(u) == home]
    usual = _absolute(_USUAL_PLACES, base_url)
    guessed = dict.fromkeys(u for u in (*linked, *usual) if u not in named)
    return tuple(named), tuple(guessed)


async def _try(fetcher: Fetcher, parser: Parser, url: str) -> tuple[FetchResult, ParsedFeed | None]:
    result = await fetcher.fetch(url)
    if result.outcome is not Outcome.OK:
        return result, None
    return result, await parser.parse(result.body, result.content_type, result.final_url)


def _absolute(links: tuple[str, ...] | list[str], base_url: str) -> list[str]:
    base = parse_address(base_url)
    out: dict[str, None] = {}
    for link in links:
        try:
            out.setdefault(base.join(link.strip()).url)
        except AddressError:
            continue
    return list(out)


class _Links(HTMLParser):
    """The links of a page that lead to feeds, by what they say of themselves."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.alternates: list[str] = []
        self.anchors: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("link", "a"):
            return
        values = {name: value or "" for name, value in attrs}
        href = values.get("href", "")
        if not href:
            return
        kind = values.get("type", "").partition(";")[0].strip().lower()
        is_alternate = "alternate" in values.get("rel", "").lower().split()
        if tag == "link" and is_alternate and kind in _FEED_TYPES:
            self.alternates.append(href)
        elif tag == "a" and (kind in _FEED_TYPES or _LOOKS_LIKE_FEED.search(href)):
            self.anchors.append(href)
