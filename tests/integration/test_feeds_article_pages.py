"""Articles get the text of their pages where it helps, and never get lost for want of it."""

from __future__ import annotations

import asyncio
import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.feeds import full_text
from connectors.feeds.article_pages import ArticlePages
from connectors.feeds.fetch import Fetcher, FetchLimits
from connectors.feeds.guard import Guard
from connectors.feeds.hosts import Hosts
from connectors.feeds.parse_workers import FullTextPool, WorkerStartError
from pipeline.contracts.records import Article

_spec = importlib.util.spec_from_file_location(
    "feeds_site", Path(__file__).with_name("feeds_site.py")
)
assert _spec is not None
assert _spec.loader is not None
feeds_site = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(feeds_site)
Site, answer = feeds_site.Site, feeds_site.answer

LIMITS = FetchLimits(total=0.5, connect=0.5, headers=0.5, max_bytes=100_000)
OWN = "A short summary."


class PlainExtractor:
    """Takes a page for its text."""

    async def extract(self, page: bytes, content_type: str | None = None) -> str | None:
        return page.decode() or None


class BrokenExtractor:
    async def extract(self, page: bytes, content_type: str | None = None) -> str | None:
        raise WorkerStartError("broken on purpose")


def _article(link: str | None, backfill: bool = False) -> Article:
    return Article(
        article_id=f"id {link}",
        feed_id="f",
        group="en",
        publisher="Outlet",
        owner="Outlet",
        title="Bridge opens",
        summary=OWN,
        link=link,
        authors=(),
        guid=None,
        published_at=None,
        seen_at=datetime(2026, 11, 25, tzinfo=UTC),
        backfill=backfill,
    )


async def _silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


def _filled(
    site: Site, *articles: Article, extractor: object = None, longest: float = 10
) -> object:
    fetcher = Fetcher(Guard([site.allowed]), "test", LIMITS)
    pages = ArticlePages(
        fetcher, extractor or PlainExtractor(), Hosts(["127.0.0.1"]), longest=longest
    )
    return pages.fill(articles)


def test_a_longer_text_replaces_the_summary_and_any_failure_keeps_it() -> None:
    async def scene() -> None:
        async with Site() as site:
            site.put("/long", b"The harbour office has published the times of this week.")
            site.put("/short", b"Hm.")
            site.put("/huge", b"x" * 200_000)
            site.pages["/silent"] = _silent
            site.pages["/inside"] = answer(b"", "302 Found", "Location: http://127.0.0.1:1/\r\n")
            paths = ("/long", "/short", "/huge", "/silent", "/inside", "/missing", "/long")
            given = [_article(site.url(p)) for p in paths]
            given += [_article(None), _article("http://[bad")]
            filled = await _filled(site, *given)
            assert [a.article_id for a in filled] == [a.article_id for a in given]
            gained = [n for n, a in enumerate(filled) if a.summary != OWN]
            assert gained == [0, 6]
            assert filled[0].summary.startswith("The harbour office")

    asyncio.run(scene())


def test_the_past_of_a_feed_is_not_fetched() -> None:
    async def scene() -> None:
        async with Site() as site:
            site.put("/long", b"The harbour office has published the times of this week.")
            await _filled(site, _article(site.url("/long"), backfill=True))
            assert site.requests == []

    asyncio.run(scene())


def test_pages_that_take_too_long_together_leave_what_was_got() -> None:
    async def scene() -> None:
        async with Site() as site:
            site.put("/long", b"The harbour office has published the times of this week.")
            site.pages["/silent"] = _silent
            given = [_article(site.url(p)) for p in ("/long", "/silent", "/long")]
            filled = await _filled(site, *given, longest=0.3)
            assert [a.summary != OWN for a in filled] == [True, False, False]

    asyncio.run(scene())


def test_workers_that_do_not_start_lose_no_article() -> None:
    async def scene() -> None:
        async with Site() as site:
            site.put("/long", b"The harbour office has published the times of this week.")
            given = _article(site.url("/long"))
            assert await _filled(site, given, extractor=BrokenExtractor()) == (given,)

    asyncio.run(scene())


@pytest.mark.skipif(not full_text.is_installed(), reason="the extra 'fulltext' is not installed")
def test_a_page_goes_through_a_guarded_worker() -> None:
    async def scene() -> None:
        sentence = b"<p>The harbour office has published the times of the eastern bridge.</p>"
        page = b"<html><body><article><h1>Bridge</h1>" + sentence * 20 + b"</article></body></html>"
        async with Site() as site, FullTextPool(1) as pool:
            site.put("/page", page)
            (filled,) = await _filled(site, _article(site.url("/page")), extractor=pool)
            assert "eastern bridge" in filled.summary

    asyncio.run(scene())
