"""Articles get the text of their pages where it helps, and never get lost for want of it."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import urllib.request
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from connectors.bus.memory import MemoryBus, MemoryPublisher
from connectors.feeds import full_text
from connectors.feeds.article_pages import REDIRECTS, ArticlePages, Extractor, Page
from connectors.feeds.hosts import Hosts
from connectors.feeds.http.fetch import Fetcher, FetchLimits
from connectors.feeds.http.guard import Guard
from connectors.feeds.parse.pool import FullTextPool, WorkerStartError
from connectors.feeds.robots import KEEP, KEEP_FAILURE, Robots
from connectors.feeds.service import FeedsConfig, run
from deploy.local import ports
from pipeline.contracts.clock import FakeClock
from pipeline.contracts.codec import decode
from pipeline.contracts.records import Article
from pipeline.contracts.topics import ARTICLES, topic_specs
from tests.integration.feeds_site import Site, answer

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


def _pages(
    site: Site,
    extractor: Extractor | None = None,
    longest: float = 10,
    own: bool = True,
    clock: FakeClock | None = None,
    on_page: Callable[[Page], None] = lambda _: None,
    also: tuple[str, ...] = (),
) -> ArticlePages:
    allowed = [site.allowed, *also]
    fetcher = Fetcher(Guard(allowed), "test", LIMITS if clock is None else FetchLimits())
    hosts = Hosts(["127.0.0.1"] if own else [])
    robots = Robots(fetcher, hosts, clock)
    return ArticlePages(
        fetcher, extractor or PlainExtractor(), hosts, robots, clock, longest, on_page
    )


async def _filled(site: Site, *articles: Article, **how: Any) -> tuple[Article, ...]:
    return await _pages(site, **how).fill(articles)


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


def _asked(site: Site) -> list[str]:
    return [path for path, _ in site.requests]


def _robots(*lines: str) -> bytes:
    return answer("\n".join(lines).encode(), head="Content-Type: text/plain\r\n")


TEXT = b"The harbour office has published the times of this week."


def test_a_page_that_robots_txt_does_not_want_fetched_is_not_fetched() -> None:
    async def scene() -> None:
        async with Site() as site:
            site.pages["/robots.txt"] = _robots(
                "User-agent: *", "Disallow: /", "", "User-agent: Straitwatch", "Disallow: /private"
            )
            site.put("/open", TEXT)
            site.put("/private/1", TEXT)
            ended: list[Page] = []
            given = [_article(site.url(p)) for p in ("/private/1", "/open")]
            filled = await _filled(site, *given, on_page=ended.append)
            assert [a.summary == OWN for a in filled] == [True, False]
            assert _asked(site) == ["/robots.txt", "/open"]
            assert ended == [Page.DISALLOWED, Page.TEXT]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("there", "ends", "asked"),
    [
        ("/open", Page.TEXT, ["/robots.txt", "/open"]),
        ("/private", Page.DISALLOWED, ["/robots.txt"]),
        ("/circle", Page.FAILED, ["/robots.txt", *["/circle"] * REDIRECTS]),
    ],
)
def test_the_site_that_a_redirect_leads_to_has_its_own_say(
    there: str, ends: Page, asked: list[str]
) -> None:
    async def scene() -> None:
        async with Site() as short, Site("127.0.0.2") as site:
            short.pages["/1"] = answer(b"", "302 F", f"Location: {site.url(there)}\r\n")
            site.pages["/robots.txt"] = _robots("User-agent: *", "Disallow: /private")
            site.put("/open", TEXT)
            site.put("/private", TEXT)
            site.pages["/circle"] = answer(b"", "302 F", "Location: /circle\r\n")
            ended: list[Page] = []
            await _filled(
                short, _article(short.url("/1")), on_page=ended.append, also=(site.allowed,)
            )
            assert ended == [ends]
            assert _asked(short) == ["/robots.txt", "/1"]
            assert _asked(site) == asked

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("robots", "fetched", "holds"),
    [
        (answer(b"", "404 Not Found"), True, KEEP),
        (answer(b"", "403 Forbidden"), True, KEEP),
        (answer(b"", "503 Busy"), False, KEEP_FAILURE),
        (answer(b"", "429 Too Many"), False, KEEP_FAILURE),
        (answer(b"", "302 Found", "Location: http://127.0.0.1:1/\r\n"), False, KEEP_FAILURE),
        (answer(b"<html>not found, said with 200</html>"), True, KEEP),
        (_robots("User-agent: *", "Crawl-delay: 3600"), False, KEEP),
        (_robots("User-agent: *", "Disallow: /" + "*a" * 5000 + "$"), True, KEEP),
    ],
)
def test_what_a_site_says_of_robots_holds_for_its_time(
    robots: bytes, fetched: bool, holds: float
) -> None:
    async def scene() -> None:
        async with Site() as site:
            site.pages["/robots.txt"] = robots
            site.put("/page", TEXT)
            clock = FakeClock(datetime(2026, 11, 25, tzinfo=UTC))
            pages = _pages(site, clock=clock)
            for step, times in ((0.0, 1), (0.9 * holds, 1), (0.2 * holds, 2)):
                clock.advance(step)
                (filled,) = await pages.fill((_article(site.url("/page")),))
                assert (filled.summary != OWN) == fetched
                assert len(site.asked("/robots.txt")) == times

    asyncio.run(scene())


def test_pages_of_one_host_are_a_second_apart_or_as_far_as_it_asks() -> None:
    async def scene(robots: bytes, seconds: float) -> None:
        async with Site() as site:
            site.pages["/robots.txt"] = robots
            site.put("/page", TEXT)
            clock = FakeClock(datetime(2026, 11, 25, tzinfo=UTC))
            before = clock.now()
            given = [_article(site.url("/page"))] * 4
            filled = await _filled(site, *given, own=False, clock=clock)
            assert all(a.summary != OWN for a in filled)
            assert (clock.now() - before).total_seconds() == pytest.approx(seconds, abs=0.5)

    # The file itself, and four pages.
    asyncio.run(scene(answer(b"", "404 Not Found"), 4))
    asyncio.run(scene(_robots("User-agent: *", "Crawl-delay: 5"), 16))


@pytest.mark.skipif(not full_text.is_installed(), reason="the extra 'fulltext' is not installed")
def test_the_service_publishes_every_article_whatever_its_page_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.feeds.service.PAGE_SECONDS", 1.5)
    sentence = "<p>The harbour office has published the times of the eastern bridge.</p>"
    good = f"<html><body><article><h1>Bridge</h1>{sentence * 20}</article></body></html>".encode()
    expected = {
        "good": "text",
        "hang": "failed",
        "bomb": "failed",
        "inside": "disallowed",  # a site whose robots.txt cannot be asked is left alone
        "private": "disallowed",
        "deep": "no_text",
        "binary": "no_text",
    }

    async def scene() -> None:
        bus = MemoryBus(topic_specs())
        async with Site() as site:
            bomb = gzip.compress(b"<p>" * 8_000_000)
            site.pages |= {
                "/good": answer(good),
                "/hang": _silent,
                "/bomb": answer(bomb, head="Content-Encoding: gzip\r\n"),
                "/inside": answer(b"", "302 Found", "Location: http://127.0.0.1:1/\r\n"),
                "/private": answer(good),
                "/deep": answer(b"<div><p>" * 50_000),
                "/binary": answer(bytes(range(256)) * 500),
                "/robots.txt": _robots("User-agent: *", "Disallow: /private"),
            }
            items = "".join(
                f"<item><guid>{n}</guid><title>Bridge {n}</title><link>{site.url('/' + n)}</link>"
                f"<pubDate>{formatdate()}</pubDate></item>"
                for n in expected
            )
            feed = f"<rss version='2.0'><channel><title>x</title>{items}</channel></rss>"
            site.pages["/rss"] = answer(feed.encode())
            port = ports.find_free()
            listing = tmp_path / "feeds.toml"
            listing.write_text(f'[[feed]]\nurl = "{site.url("/rss")}"\nfull_text = true\n')
            config = FeedsConfig(
                f"sqlite:///{tmp_path / 'feeds.db'}",
                "unused",
                (listing,),
                "test",
                allow_hosts=(site.allowed,),
                metrics_port=port,
                workers=1,
            )
            service = asyncio.create_task(run(config, lambda: MemoryPublisher(bus)))
            async with asyncio.timeout(60):
                while len(_published(bus)) < len(expected):
                    assert not service.done(), await service
                    await asyncio.sleep(0.05)
                counted: dict[str, float] = {}
                while sum(counted.values()) < len(expected):
                    counted = await asyncio.to_thread(_page_outcomes, port)
            os.kill(os.getpid(), signal.SIGTERM)
            await service
            assert counted == dict(Counter(expected.values())) | {"left_out": 0}
            assert "/private" not in _asked(site)
            texts = {a.guid: a.summary for a in _published(bus)}
            assert "eastern bridge" in texts.pop("good")
            assert set(texts.values()) == {""}

    asyncio.run(scene())


def _published(bus: MemoryBus) -> list[Article]:
    found = [m for p in bus.partitions([ARTICLES]) for m in bus.read(p, 0, 1000)]
    return [decode(Article, m.value or b"") for m in found]


def _page_outcomes(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        lines = page.read().decode().splitlines()
    prefix = 'straitwatch_feeds_pages_total{outcome="'
    pairs = [x.removeprefix(prefix).split('"} ') for x in lines if x.startswith(prefix)]
    return {name: float(value) for name, value in pairs}
