"""Finds the feeds of a web page: what it names, what it links to, then the usual places."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from lxml import etree

from connectors.feeds.errors import AddressError
from connectors.feeds.feed_list import registrable_domain
from connectors.feeds.hosts import Hosts
from connectors.feeds.http.address import parse_address
from connectors.feeds.http.fetch import Fetcher, FetchResult, Outcome
from connectors.feeds.parse.model import ParsedFeed
from pipeline.contracts.clock import Clock, SystemClock

MAX_HTML: Final = 512 * 1024
"""Bytes of a page that are looked at: a page names its feeds in its head."""
MAX_CANDIDATES: Final = 12
"""Addresses of a kind, named or guessed, that are tried for one page."""
LONGEST: Final = 90.0
"""Seconds that a search may last: a person waits for it."""
_MOST_LINKS: Final = 200
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
    """What turns bytes into entries: `parse.pool.ParsePool`."""

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
    """To be asked from now on: as it was given, user info included, or where it has moved for good.
    A redirect of today (302, 307) may be another one tomorrow."""
    document: ParsedFeed


@dataclass(frozen=True, slots=True)
class Discovery:
    """What there is at an address."""

    feeds: tuple[Found, ...]
    """The address itself when it is a feed, else what its page leads to, the page's own first."""
    page: FetchResult
    """How the address itself answered."""


async def find_feeds(
    fetcher: Fetcher,
    parser: Parser,
    url: str,
    hosts: Hosts,
    clock: Clock | None = None,
    longest: float = LONGEST,
) -> Discovery:
    """The feeds at ``url``: fetched and parsed as the poller does it, all guards and manners on.

    What the page names is tried whole; of what is guessed at, the first that is a feed ends the
    search. What was found when ``longest`` seconds are over is what there is.
    """
    clock = clock or SystemClock()
    search = _Search(fetcher, parser, hosts, clock)
    page, document = await search.attempt(url)
    if document is not None and document.ok:
        return Discovery((Found(_lasting(url, page), document),), page)
    if page.outcome is not Outcome.OK:
        return Discovery((), page)
    named, guessed = candidates(page.body, page.final_url)
    with suppress(TimeoutError):
        async with asyncio.timeout(longest):
            for candidate in named[:MAX_CANDIDATES]:
                await search.look(candidate)
            for candidate in guessed[:MAX_CANDIDATES]:
                if search.found:
                    break
                await search.look(candidate)
    return Discovery(tuple(search.found.values()), page)


def candidates(html: bytes, base_url: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Addresses that the page names as its feeds, and addresses that may be some.

    Links to other sites are left out of the second: nobody's feed is guessed at.
    """
    alternates, anchors, base = _links(html[:MAX_HTML])
    where = _absolute([base], base_url) if base else []
    linked_from = where[0] if where else base_url
    named = _absolute(alternates, linked_from)
    home = registrable_domain(base_url)
    linked = [u for u in _absolute(anchors, linked_from) if registrable_domain(u) == home]
    # At most half are guesses at links: the usual places have their turn on a page full of them.
    some = linked[: MAX_CANDIDATES - len(_USUAL_PLACES)]
    usual = _absolute(_USUAL_PLACES, base_url)
    guessed = dict.fromkeys(u for u in (*some, *usual, *linked) if u not in named)
    return tuple(named), tuple(guessed)


class _Search:
    """Tries addresses one after the other, with the pauses that their hosts are owed."""

    def __init__(self, fetcher: Fetcher, parser: Parser, hosts: Hosts, clock: Clock) -> None:
        self._fetcher = fetcher
        self._parser = parser
        self._hosts = hosts
        self._clock = clock
        self.found: dict[str, Found] = {}
        """By the address that answered: two that lead to one feed are one."""

    async def look(self, url: str) -> None:
        """Try one address; a feed without articles is none that anybody wants."""
        if url in self.found:
            return
        result, document = await self.attempt(url)
        if document is not None and document.ok and document.articles:
            self.found.setdefault(result.final_url, Found(_lasting(url, result), document))

    async def attempt(self, url: str) -> tuple[FetchResult, ParsedFeed | None]:
        """How ``url`` answers, and its document if it gives one.

        Raises:
            AddressError: it is no address.
        """
        host = parse_address(url).host
        await self._hosts.turn(host, self._clock)
        try:
            result = await self._fetcher.fetch(url)
        finally:
            self._hosts.leave(host)
        if result.outcome is not Outcome.OK:
            return result, None
        return result, await self._parser.parse(result.body, result.content_type, result.final_url)


def _lasting(url: str, result: FetchResult) -> str:
    """The address to keep of a feed that answered when ``url`` was asked."""
    return url if result.moved_to is None or parse_address(url).authorization else result.moved_to


def _absolute(links: tuple[str, ...] | list[str], base_url: str) -> list[str]:
    base = parse_address(base_url)
    out: dict[str, None] = {}
    for link in links:
        try:
            out.setdefault(base.join(link.strip()).url)
        except AddressError:
            continue
    return list(out)


def _links(html: bytes) -> tuple[list[str], list[str], str | None]:
    """The links that lead to feeds, by what they say of themselves: of the head, and of the text.

    The third is the address that the page gives as its base.
    """
    # libxml2 reads on after any fault, as browsers do; it ends at a NUL. A page of `MAX_HTML` may
    # be nested as deep as it allows at all.
    parser = etree.HTMLParser(encoding="utf-8", recover=True, no_network=True, huge_tree=True)
    root = etree.fromstring(html.replace(b"\0", b" ") or b" ", parser)
    alternates: list[str] = []
    anchors: list[str] = []
    base: str | None = None
    if root is None:
        return alternates, anchors, base
    for element in root.iter("link", "a", "base"):
        href = (element.get("href") or "").strip()
        if not href:
            continue
        if element.tag == "base":
            base = base or href
            continue
        kind = (element.get("type") or "").partition(";")[0].strip().lower()
        is_alternate = "alternate" in (element.get("rel") or "").lower().split()
        if element.tag == "link" and is_alternate and kind in _FEED_TYPES:
            alternates.append(href)
        elif element.tag == "a" and (kind in _FEED_TYPES or _LOOKS_LIKE_FEED.search(href)):
            anchors.append(href)
    return alternates[:_MOST_LINKS], list(dict.fromkeys(anchors))[:_MOST_LINKS], base
