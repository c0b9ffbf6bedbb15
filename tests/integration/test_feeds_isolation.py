"""Bad feeds at work beside good ones: the good ones get through."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.feeds.accept import Accepted, accept
from connectors.feeds.feed_list import Feed, FeedList
from connectors.feeds.http.address import feed_id_of
from connectors.feeds.http.fetch import FetchLimits
from connectors.feeds.parse.model import ParsedFeed
from tests.integration import feeds_rig
from tests.integration.feeds_rig import articles_on as _articles
from tests.integration.feeds_rig import new_bus as _bus
from tests.integration.feeds_rig import running as _running
from tests.integration.feeds_rig import until as _until
from tests.integration.feeds_site import Site, answer, rss


async def _large_and_hanging(writer: asyncio.StreamWriter) -> None:
    writer.write(answer(b"")[:15] + b"\r\n\r\n" + b"<rss>" * 10_000)
    await asyncio.sleep(60)


def test_feeds_that_hang_in_large_bodies_keep_no_proven_feed_from_its_room(tmp_path: Path) -> None:
    async def scene() -> None:
        bus = _bus()
        large = tuple((str(n), "Bridge times " * 10) for n in range(50))
        async with Site() as site:
            site.put("/rss", rss(*large))
            async with _running(
                tmp_path,
                bus,
                site,
                "/rss",
                limits=FetchLimits(total=60, connect=60, headers=60, large=5_000),
                settings=replace(feeds_rig.FAST, large_bodies=4),
            ) as connector:
                await _until(lambda: len(_articles(bus)) == 50, "it was met")
                new = tuple(f"/new-{n}" for n in range(12))
                for path in new:
                    site.pages[path] = _large_and_hanging
                await connector.poller.use(
                    FeedList(
                        tuple(
                            Feed(feed_id_of(u), u, "Outlet", group="en")
                            for u in map(site.url, ("/rss", *new))
                        )
                    )
                )
                await _until(lambda: all(site.asked(p) for p in new), "they hang")
                site.put("/rss", rss(*large, ("new", "Lock shut")))
                await _until(lambda: len(_articles(bus)) == 51, "the proven one is read")

    asyncio.run(scene())


def test_a_document_is_a_strangers_until_its_feed_has_answered_well_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proven: list[bool] = []
    original = feeds_rig.DirectParser.parse

    async def parse(self: Any, *document: Any, **known: Any) -> ParsedFeed:
        proven.append(known["proven"])
        feed: ParsedFeed = await original(self, *document, **known)
        return feed

    async def scene() -> None:
        monkeypatch.setattr(feeds_rig.DirectParser, "parse", parse)
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens")))
            async with _running(tmp_path, _bus(), site, "/rss"):
                await _until(lambda: len(proven) == 1, "it is met")
                site.put("/rss", rss(("1", "Bridge opens"), ("2", "Lock shut")))
                await _until(lambda: len(proven) == 2, "it is read again")
        assert proven == [False, True]

    asyncio.run(scene())


def test_a_document_of_very_many_entries_stops_no_other_feed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()

    def accept_when_done(feed: Feed, parsed: ParsedFeed, *rest: Any) -> Accepted:
        if len(parsed.entries) > 100:
            assert done.wait(30), "nobody else had a turn"
        return accept(feed, parsed, *rest)

    async def scene() -> None:
        bus = _bus()
        monkeypatch.setattr("connectors.feeds.asking.accept", accept_when_done)
        async with Site() as site:
            site.put("/many", rss(*((str(n), f"Bridge {n}") for n in range(300))))
            site.put("/rss", rss(("1", "Bridge opens")))
            async with _running(tmp_path, bus, site, "/many", "/rss"):
                await _until(lambda: len(site.asked("/rss")) > 3, "the other one goes on")
                done.set()
                await _until(lambda: len(_articles(bus)) == 301, "all of them arrive")

    asyncio.run(scene())
