"""`ArticlePages`: articles with the text of their pages, for feeds that give headlines only.

A page that cannot be had, in whatever way, leaves the article as its feed gave it: an article is
late by `LONGEST` at most, and never lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import Final, Protocol

from connectors.feeds.errors import AddressError
from connectors.feeds.hosts import Hosts
from connectors.feeds.http.address import parse_address
from connectors.feeds.http.fetch import Fetcher, FetchResult, Outcome
from connectors.feeds.parse.pool import WorkerStartError
from connectors.feeds.robots import Wish
from pipeline.contracts.clock import Clock, SystemClock
from pipeline.contracts.records import Article

_LOG: Final = logging.getLogger(__name__)
ACCEPT: Final = "text/html, application/xhtml+xml;q=0.9"
LONGEST: Final = 45.0
"""Seconds that the articles of one poll may wait for their pages."""
AT_MOST: Final = 20
"""Pages of one poll; with a second between two requests to a host more would not end in time."""
REDIRECTS: Final = 5
"""Of one page: a short link, its outlet, a country's edition."""
BODIES: Final = 4
"""Large pages in memory at a time, over all feeds."""


class Page(StrEnum):
    """How a page ended. A metric label."""

    TEXT = "text"
    """Its text is the article's summary now."""
    NO_TEXT = "no_text"
    """None in it, or less than the feed gives."""
    DISALLOWED = "disallowed"
    """The site's robots.txt does not want it fetched."""
    FAILED = "failed"
    LEFT_OUT = "left_out"
    """There was no time for it."""


class RobotsFile(Protocol):
    """Who knows what sites want: `robots.Robots`."""

    async def wish(self, url: str) -> Wish:
        """What the site of ``url`` wants of us."""
        ...


class Extractor(Protocol):
    """What finds a page's text: `parse.pool.FullTextPool`."""

    async def extract(self, page: bytes, content_type: str | None = None) -> str | None:
        """The main text of ``page``, None when there is none."""
        ...


class ArticlePages:
    """Fetches pages one after the other for each feed, with the manners that feeds get."""

    def __init__(
        self,
        fetcher: Fetcher,
        extractor: Extractor,
        hosts: Hosts,
        robots: RobotsFile,
        clock: Clock | None = None,
        longest: float = LONGEST,
        on_page: Callable[[Page], None] = lambda _: None,
    ) -> None:
        """``on_page`` is told how each page ended."""
        self._robots = robots
        self._on_page = on_page
        self._fetcher = fetcher
        self._extractor = extractor
        self._hosts = hosts
        self._clock = clock or SystemClock()
        self._longest = longest
        self._bodies = asyncio.Semaphore(BODIES)

    async def fill(self, articles: tuple[Article, ...]) -> tuple[Article, ...]:
        """The same articles in the same order; the summary is the page's text where it is longer.

        Back-fill stays as it is: a new feed must not be a burst of requests to its publisher.
        """
        filled = list(articles)
        wanted = [n for n, a in enumerate(articles) if a.link is not None and not a.backfill]
        left = len(wanted)
        try:
            async with asyncio.timeout(self._longest):
                for n in wanted[:AT_MOST]:
                    filled[n], page = await self._filled(articles[n])
                    self._on_page(page)
                    left -= 1
        except TimeoutError:
            _LOG.info("pages of %s took too long; the rest goes without", articles[0].feed_id)
        except WorkerStartError as e:
            _LOG.error("articles go without the text of their pages: %s", e)
        for _ in range(left):
            self._on_page(Page.LEFT_OUT)
        return tuple(filled)

    async def _filled(self, article: Article) -> tuple[Article, Page]:
        page, text = await self._text(article.link or "")
        if text is None:
            return article, page
        if len(text) <= len(article.summary):
            return article, Page.NO_TEXT
        return replace(article, summary=text), Page.TEXT

    async def _text(self, url: str) -> tuple[Page, str | None]:
        room = _Room(self._bodies)
        try:
            page = await self._fetched(url, room)
            if isinstance(page, Page):
                return page, None
            return Page.NO_TEXT, await self._extractor.extract(page.body, page.content_type)
        finally:
            room.give_back()

    async def _fetched(self, url: str, room: _Room) -> FetchResult | Page:
        """The page, or how it ended: each address that a redirect leads to has a wish of its own.

        (RFC 9309 says nothing of redirects of pages; their hosts have the same say and manners.)
        """
        for _ in range(REDIRECTS + 1):
            try:
                host = parse_address(url).host
                wish = await self._robots.wish(url)
            except AddressError:
                return Page.FAILED
            if not wish.allowed:
                return Page.DISALLOWED
            await self._hosts.turn(host, self._clock)
            if wish.delay:
                self._hosts.hold(host, self._clock.monotonic() + wish.delay)
            try:
                found = await self._fetcher.fetch(
                    url, accept=ACCEPT, before_large=room.take, follow=False
                )
            finally:
                self._hosts.leave(host)
            if found.leads_to is None:
                return found if found.outcome is Outcome.OK else Page.FAILED
            url = found.leads_to
        return Page.FAILED


class _Room:
    """A place for one large body, taken when it is needed."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._taken = False

    async def take(self) -> None:
        await self._places.acquire()
        self._taken = True

    def give_back(self) -> None:
        if self._taken:
            self._places.release()
            self._taken = False
