"""The poller at work in a test: on a loopback site, a memory bus and a database of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from connectors.bus.memory import MemoryBus, MemoryPublisher
from connectors.feeds.feed_list import Feed, FeedList
from connectors.feeds.hosts import Hosts
from connectors.feeds.http.address import feed_id_of
from connectors.feeds.http.fetch import Fetcher, FetchLimits
from connectors.feeds.http.guard import Guard
from connectors.feeds.journal import Journal
from connectors.feeds.metrics import FeedMetrics
from connectors.feeds.parse.document import parse
from connectors.feeds.parse.model import ParsedFeed
from connectors.feeds.poller import Poller, PollerSettings
from connectors.feeds.schedule import Pace
from connectors.feeds.state.database import open_database, sqlite_url
from connectors.feeds.state.store import LEASE_SECONDS, FeedStore
from pipeline.contracts.clock import Clock, SystemClock
from pipeline.contracts.codec import decode
from pipeline.contracts.records import Article
from pipeline.contracts.topics import ARTICLES, topic_specs
from tests.integration.feeds_site import Site

LIMITS = FetchLimits(total=2, connect=1, headers=1, max_bytes=1_000_000)
FAST = PollerSettings(pace=Pace(0.05), spread=0.0)


class DirectParser:
    """The parser without its processes."""

    async def parse(
        self,
        data: bytes,
        content_type: str | None = None,
        url: str | None = None,
        feed_id: str = "",
        *,
        proven: bool = True,
    ) -> ParsedFeed:
        del proven
        return parse(
            data, content_type=content_type, url=url, feed_id=feed_id, now=SystemClock().now()
        )


@dataclass
class Connector:
    poller: Poller
    store: FeedStore
    journal: Journal
    registry: CollectorRegistry
    database: ThreadPoolExecutor
    task: asyncio.Task[None]

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"straitwatch_feeds_{name}", labels) or 0.0


def new_bus() -> MemoryBus:
    bus = MemoryBus()
    bus.ensure(topic_specs())
    return bus


@asynccontextmanager
async def running(
    folder: Path,
    bus: MemoryBus,
    site: Site,
    *paths: str,
    group: str = "en",
    hosts: Hosts | None = None,
    also: tuple[str, ...] = (),
    limits: FetchLimits = LIMITS,
    settings: PollerSettings = FAST,
    clock: Clock | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> AsyncIterator[Connector]:
    """The connector at work on ``paths`` of ``site``, as fast as it can.

    ``also``: more hosts with ports that may be asked.
    """
    clock = clock or SystemClock()
    engine = open_database(sqlite_url(folder))
    store = FeedStore(engine, lease_seconds=lease_seconds)
    registry = CollectorRegistry()
    metrics = FeedMetrics(registry)
    with ThreadPoolExecutor(1) as database:
        journal = Journal(store, MemoryPublisher(bus), database, on_failure=metrics.publish_failed)
        poller = Poller(
            store,
            journal,
            Fetcher(Guard([site.allowed, *also]), "test", limits),
            DirectParser(),
            hosts or Hosts(["127.0.0.1"]),
            database,
            metrics,
            settings,
            clock,
        )
        store.start(clock.now().timestamp())
        await journal.recover()
        await poller.use(
            FeedList(
                tuple(Feed(feed_id_of(u), u, "Outlet", group=group) for u in map(site.url, paths))
            )
        )
        stop = asyncio.Event()
        task = asyncio.create_task(poller.run(stop))
        try:
            yield Connector(poller, store, journal, registry, database, task)
        finally:
            stop.set()
            try:
                await task
            finally:
                journal.close()
                engine.dispose()


async def until(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not within {seconds} s: {what}")


def articles_on(bus: MemoryBus) -> list[Article]:
    return [decode(Article, value) for value in values_on(bus, ARTICLES)]


def values_on(bus: MemoryBus, topic: str) -> list[bytes]:
    return [m.value or b"" for p in bus.partitions([topic]) for m in bus.read(p, 0, 1_000_000)]
