"""What Kafka is told of each group of feeds, bucket by bucket: all of it, whatever happens."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.bus.memory import MemoryPublisher
from connectors.feeds.effects import BUCKET_SECONDS
from connectors.feeds.feed_list import Feed, FeedList
from connectors.feeds.state.database import open_database, sqlite_url
from connectors.feeds.state.status_rows import StatusStore
from connectors.feeds.state.store import FeedStore
from connectors.feeds.status import CATCH_UP, StatusReporter
from pipeline.contracts.clock import FakeClock, SystemClock
from pipeline.contracts.codec import decode
from pipeline.contracts.records import FeedStatus
from pipeline.contracts.topics import FEEDS
from tests.integration.feeds_rig import new_bus as _bus
from tests.integration.feeds_rig import running as _running
from tests.integration.feeds_rig import until as _until
from tests.integration.feeds_rig import values_on as _values
from tests.integration.feeds_site import Site, rss


def test_what_a_crash_left_untold_is_told_again_in_the_same_words(tmp_path: Path) -> None:
    async def scene() -> None:
        bus = _bus()
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens")))
            async with _running(tmp_path, bus, site, "/rss") as connector:
                await _until(lambda: connector.store.totals().accepted == 1, "one article")
            store = FeedStore(open_database(sqlite_url(tmp_path)))
            clock = FakeClock(SystemClock().now() + timedelta(seconds=BUCKET_SECONDS + 5))
            with ThreadPoolExecutor(1) as database:
                reporter = StatusReporter(store, MemoryPublisher(bus), database, clock)
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(StatusStore, "told", _crash)
                    with pytest.raises(RuntimeError):
                        await reporter.report()
                first = _values(bus, FEEDS)
                assert await reporter.report() == len(first)
                assert _values(bus, FEEDS) == first + first
                assert await reporter.report() == 0

    asyncio.run(scene())


def _crash(*_: object) -> None:
    raise RuntimeError("broken on purpose")


def test_a_connector_that_was_away_for_a_day_tells_of_its_last_hour(tmp_path: Path) -> None:
    async def scene() -> None:
        store = FeedStore(open_database(sqlite_url(tmp_path)))
        now = SystemClock().now()
        store.start(now.timestamp())
        store.sync_list(FeedList((Feed("f", "https://outlet.example/rss"),)), now.timestamp(), 0)
        StatusStore(store).told(int(now.timestamp()) // 300 * 300 - 86_400, ())
        with ThreadPoolExecutor(1) as database:
            reporter = StatusReporter(store, MemoryPublisher(_bus()), database, FakeClock(now))
            assert await reporter.report() == CATCH_UP

    asyncio.run(scene())


def test_buckets_are_told_again_after_a_clock_that_was_ahead(tmp_path: Path) -> None:
    async def scene() -> None:
        bus = _bus()
        store = FeedStore(open_database(sqlite_url(tmp_path)))
        now = SystemClock().now()
        store.start(now.timestamp())
        store.sync_list(FeedList((Feed("f", "https://outlet.example/rss"),)), now.timestamp(), 0)
        with ThreadPoolExecutor(1) as database:
            for ahead in (timedelta(days=1), timedelta(0)):
                clock = FakeClock(now + ahead)
                assert await StatusReporter(store, MemoryPublisher(bus), database, clock).report()

    asyncio.run(scene())


def test_every_group_is_told_of_every_five_minutes_also_when_nothing_was_asked(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        bus = _bus()
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens")))
            async with _running(tmp_path, bus, site, "/rss") as connector:
                await _until(lambda: connector.store.totals().accepted == 1, "one article")
                await _until(lambda: len(site.requests) > 3, "several polls")
            store = FeedStore(open_database(sqlite_url(tmp_path)))
            now = SystemClock().now()
            with ThreadPoolExecutor(1) as database:
                clock = FakeClock(now)
                reporter = StatusReporter(store, MemoryPublisher(bus), database, clock)
                await reporter.report()
                clock.advance(BUCKET_SECONDS + 5)
                await reporter.report()
                clock.advance(BUCKET_SECONDS)
                await reporter.report()
                assert await reporter.report() == 0
        told = [decode(FeedStatus, v) for v in _values(bus, FEEDS)]
        assert [s.bucket for s in told] == sorted({s.bucket for s in told})
        assert {(s.group, s.feeds) for s in told} == {("en", 1)}
        # What a feed published before we met it is its past.
        assert sum(s.articles for s in told) == 0
        # Many polls of one feed in a bucket are one feed asked.
        assert 1 <= sum(s.polled for s in told) <= 2
        assert (told[-1].polled, told[-1].answered, told[-1].articles) == (0, 0, 0)

    asyncio.run(scene())
