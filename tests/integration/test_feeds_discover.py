"""Finding the feeds of a site by the address of its front page."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from connectors.feeds.discover import Discovery, candidates, find_feeds
from connectors.feeds.hosts import Hosts
from connectors.feeds.http.fetch import Fetcher, FetchLimits
from connectors.feeds.http.guard import Guard
from connectors.feeds.parse.document import parse
from connectors.feeds.parse.model import ParsedFeed
from pipeline.contracts.clock import FakeClock
from tests.integration.feeds_site import Site, answer, rss

NOW = datetime(2026, 11, 25, tzinfo=UTC)
HTML = "Content-Type: text/html\r\n"
LINK = "<link rel='alternate' type='application/rss+xml' href='{}'>"


class DirectParser:
    """The parser without its processes."""

    async def parse(
        self,
        data: bytes,
        content_type: str | None = None,
        url: str | None = None,
        feed_id: str = "",
    ) -> ParsedFeed:
        return parse(data, content_type=content_type, url=url, feed_id=feed_id, now=NOW)


async def _find(
    site: Site,
    own: bool = True,
    clock: FakeClock | None = None,
    longest: float = 20,
    url: str | None = None,
) -> Discovery:
    fetcher = Fetcher(Guard([site.allowed]), "test", FetchLimits(total=2))
    hosts = Hosts(["127.0.0.1"] if own else [])
    return await find_feeds(fetcher, DirectParser(), url or site.url("/"), hosts, clock, longest)


def _paths(site: Site) -> list[str]:
    return [path for path, _ in site.requests]


@pytest.mark.parametrize(
    "broken",
    [
        "<![foo[ x ]]>",
        "<!DOCTYPE html PUBLIC><head><meta content=>",
        "<!--[if IE]><p><![endif]--><div <<<p class=x></span></head>",
        "<script>var a = '<link rel=alternate'; if (a < 1) {}</script>",
        "text \x00 with a NUL",
        "<div>" * 1000,
    ],
)
def test_a_page_is_read_on_after_whatever_is_broken_in_it(broken: str) -> None:
    page = f"<html><head>{broken}{LINK.format('/a.xml')}".encode()
    named, _ = candidates(page, "https://outlet.example/")
    assert "https://outlet.example/a.xml" in named


def test_the_base_of_a_page_holds_for_its_links_and_not_for_the_usual_places() -> None:
    page = f"<base href='https://static.example/x/'>{LINK.format('a.xml')}".encode()
    named, guessed = candidates(page, "https://outlet.example/")
    assert named == ("https://static.example/x/a.xml",)
    assert guessed[0] == "https://outlet.example/feed"


@pytest.mark.parametrize("page", [b"", b"\0\0", b"plain text", b"<", b"\xff\xfe<\0"])
def test_a_page_that_is_hardly_one_has_the_usual_places(page: bytes) -> None:
    named, guessed = candidates(page, "https://outlet.example/news")
    assert named == ()
    assert "https://outlet.example/rss.xml" in guessed


def test_a_page_full_of_links_leaves_the_usual_places_their_turn() -> None:
    page = b"".join(b"<a href='/rss/%d'>x</a>" % n for n in range(50))
    _, guessed = candidates(page, "https://outlet.example/")
    assert "https://outlet.example/atom.xml" in guessed[:12]


def test_a_site_that_names_no_feed_is_asked_at_the_usual_places_until_one_is_there() -> None:
    async def scene() -> None:
        async with Site() as site:
            page = b"<html><body>Welcome to the harbour news</body></html>"
            for path in ("/", "/feed"):  # the second is a page that stands in for a 404
                site.pages[path] = answer(page)
            site.put("/rss.xml", rss(("1", "Bridge opens")))
            site.put("/atom.xml", rss(("1", "Bridge opens")))
            found = await _find(site)
            assert [f.url for f in found.feeds] == [site.url("/rss.xml")]
            assert _paths(site) == ["/", "/feed", "/rss", "/rss.xml"]

    asyncio.run(scene())


def test_two_addresses_that_lead_to_one_feed_are_one_and_an_empty_feed_is_none() -> None:
    async def scene() -> None:
        async with Site() as site:
            links = "".join(LINK.format(p) for p in ("/old", "/empty", "/rss", "/gone"))
            site.pages["/"] = answer(f"<html><head>{links}".encode())
            site.pages["/old"] = answer(b"", "301 Moved", "Location: /rss\r\n")
            site.put("/empty", rss())
            site.put("/rss", rss(("1", "Bridge opens")))
            found = await _find(site)
            assert [f.url for f in found.feeds] == [site.url("/rss")]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("status", "kept"), [("301 Moved", "/new"), ("308 Moved", "/new"), ("302 Found", "/rss")]
)
def test_a_feed_is_kept_where_it_has_moved_for_good_and_else_as_it_was_given(
    status: str, kept: str
) -> None:
    async def scene() -> None:
        async with Site() as site:
            site.pages["/rss"] = answer(b"", status, "Location: /new\r\n")
            site.pages["/"] = answer(LINK.format("/rss").encode())
            site.put("/new", rss(("1", "Bridge opens")))
            for url in (site.url("/"), site.url("/rss")):
                found = await _find(site, url=url)
                assert [f.url for f in found.feeds] == [site.url(kept)]

    asyncio.run(scene())


@pytest.mark.parametrize("path", ["/rss", "/old"])
def test_a_feed_that_wants_user_info_keeps_it(path: str) -> None:
    async def scene() -> None:
        async with Site() as site:
            site.pages["/old"] = answer(b"", "301 Moved", "Location: /rss\r\n")
            site.put("/rss", rss(("1", "Bridge opens")))
            url = site.url(path).replace("http://", "http://reader:secret@")
            found = await _find(site, url=url)
            assert [f.url for f in found.feeds] == [url]
            assert all("secret" not in text for text in (found.page.final_url, found.page.reason))

    asyncio.run(scene())


def test_a_strangers_host_is_asked_once_a_second_at_most() -> None:
    async def scene() -> None:
        async with Site() as site:
            site.pages["/"] = answer(b"<html>no feed here</html>")
            clock = FakeClock(NOW)
            found = await _find(site, own=False, clock=clock)
            assert found.feeds == ()
            asked = len(site.requests)
            assert 1 < asked <= 13
            assert (clock.now() - NOW).total_seconds() >= asked - 1

    asyncio.run(scene())


def test_a_search_that_lasts_too_long_gives_what_it_has() -> None:
    async def silent(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def scene() -> None:
        async with Site() as site:
            page = LINK.format("/rss") + LINK.format("/silent")
            site.pages |= {"/": answer(page.encode()), "/silent": silent}
            site.put("/rss", rss(("1", "Bridge opens")))
            found = await _find(site, longest=0.5)
            assert [f.url for f in found.feeds] == [site.url("/rss")]

    asyncio.run(scene())


def test_links_to_the_inside_are_refused_like_any_other() -> None:
    async def scene() -> None:
        async with Site() as site, Site() as inside:
            inside.put("/rss", rss(("1", "Secret")))
            site.pages["/"] = answer(LINK.format(inside.url("/rss")).encode())
            found = await _find(site)
            assert found.feeds == ()
            assert inside.requests == []

    asyncio.run(scene())
