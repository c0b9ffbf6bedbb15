"""`run`: the connector as a program, from its settings to a clean stop."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, start_http_server

from connectors.bus.base import Publisher
from connectors.bus.errors import BusError, Unavailable
from connectors.bus.kafka import KafkaPublisher
from connectors.feeds import full_text, robots
from connectors.feeds.article_pages import ArticlePages
from connectors.feeds.errors import FeedListError
from connectors.feeds.feed_list import FeedList, read_feed_list
from connectors.feeds.hosts import Hosts
from connectors.feeds.http.fetch import Fetcher, FetchLimits
from connectors.feeds.http.guard import Guard
from connectors.feeds.interpreter import settle
from connectors.feeds.journal import Journal
from connectors.feeds.metrics import FeedMetrics
from connectors.feeds.parse.limits import MAX_PAGE_BYTES
from connectors.feeds.parse.pool import FullTextPool, ParsePool
from connectors.feeds.poller import Poller, PollerSettings
from connectors.feeds.schedule import Pace
from connectors.feeds.state.database import open_database
from connectors.feeds.state.store import LEASE_SECONDS, FeedStore
from connectors.feeds.state.subscriptions import SubscriptionStore
from connectors.feeds.status import StatusReporter
from connectors.feeds.websub import WebSub, serve

_LOG: Final = logging.getLogger(__name__)
_LOOK_AT_LIST: Final = 2.0  # seconds between two looks at the feed list's file
_GAUGES: Final = 5.0  # seconds between two readings of states
_PAUSE: Final = 1.0  # seconds between two tries to reach Kafka or the database at the start
PAGE_SECONDS: Final = 10.0
"""Seconds for one article's page, redirects included."""
_WANTED_FILES: Final = 4096  # open files: two for each poll, and room


@dataclass(frozen=True, slots=True)
class FeedsConfig:
    """All that the connector is told."""

    database_url: str
    kafka_bootstrap: str
    feed_lists: tuple[Path, ...]
    """Where the feed list may be; the first that exists is used, and looked at again and again."""
    user_agent: str
    trust: ssl.SSLContext | None = None
    """Whose certificates feeds may have; None: the usual authorities."""
    allow_hosts: tuple[str, ...] = ()
    poll_seconds: float = 120.0
    metrics_port: int | None = None
    """None: no metrics."""
    metrics_address: str = "127.0.0.1"
    websub_url: str | None = None
    """Where hubs reach us from outside; None: feeds are polled only."""
    websub_port: int = 0
    owner: str = "feeds"
    """This connector's name: one for each that shares a database."""
    lease_seconds: float = LEASE_SECONDS
    """Without a sign of life for so long a connector is dead, and others take over."""
    workers: int = field(default_factory=lambda: max(1, min(4, os.cpu_count() or 1)))
    limits: FetchLimits = field(default_factory=FetchLimits)
    poller: PollerSettings = field(default_factory=PollerSettings)


async def run(config: FeedsConfig, connect: Callable[[], Publisher] | None = None) -> None:
    """Poll until SIGTERM or SIGINT.

    Raises:
        FeedListError: the list has faults at the start; later ones are logged and the old list
        kept. OSError: the port of the metrics is in use.
        sqlalchemy.exc.OperationalError: the state file cannot be opened.
    """
    _raise_file_limit()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    feeds = load_list(in_use(config.feed_lists))
    registry = CollectorRegistry()
    metrics = FeedMetrics(registry)
    async with AsyncExitStack() as stack:
        if config.metrics_port is not None:
            server, _ = start_http_server(
                config.metrics_port, config.metrics_address, registry=registry
            )
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
        database = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="database"))
        engine = await _opened(config.database_url, database, stop)
        if engine is None:
            return
        stack.callback(engine.dispose)
        store = FeedStore(engine, config.owner, config.lease_seconds)
        publisher = await _connected(connect or _kafka(config), stop)
        if publisher is None:
            return
        stack.push_async_callback(asyncio.to_thread, _let_go, publisher)
        parts = _Parts(config, store, publisher, metrics, database, stack)
        await parts.run(feeds, stop)
    _LOG.info("stopped")


def load_list(path: Path) -> FeedList:
    """The feed list in the file at ``path``.

    Raises:
        FeedListError: it has faults, or cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as e:
        raise FeedListError((f"{path}:1: cannot be read: {e.strerror or e}",)) from e
    except UnicodeDecodeError as e:
        raise FeedListError((f"{path}:1: not UTF-8; save it as UTF-8",)) from e
    return read_feed_list(text, str(path))


def in_use(places: tuple[Path, ...]) -> Path:
    """The first of ``places`` that exists, else the last."""
    return next((p for p in places if p.exists()), places[-1])


class _Parts:
    """The tasks of a running connector."""

    def __init__(
        self,
        config: FeedsConfig,
        store: FeedStore,
        publisher: Publisher,
        metrics: FeedMetrics,
        database: ThreadPoolExecutor,
        stack: AsyncExitStack,
    ) -> None:
        self._config = config
        self._store = store
        self._metrics = metrics
        self._stack = stack
        self._database = database
        self._journal = Journal(store, publisher, database, on_failure=metrics.publish_failed)
        stack.callback(self._journal.close)
        pool = ParsePool(config.workers, on_kill=metrics.parser_killed)
        stack.push_async_callback(pool.close)
        fetcher = _fetcher(config, config.limits)
        hosts = Hosts.of_allow_list(config.allow_hosts)
        self._poller = Poller(
            store,
            self._journal,
            fetcher,
            pool,
            hosts,
            database,
            metrics,
            _with_pace(config),
            pages=self._article_pages(hosts),
        )
        self._status = StatusReporter(store, publisher, database)
        self._websub: WebSub | None = None
        if config.websub_url is not None:
            self._websub = WebSub(
                SubscriptionStore(store.engine),
                fetcher,
                database,
                config.websub_url,
                self._poller.nudge,
            )

    def _article_pages(self, hosts: Hosts) -> ArticlePages | None:
        """None without the extra ``fulltext``. No process starts before a feed wants it."""
        if not full_text.is_installed():
            return None
        pool = FullTextPool(1, on_kill=self._metrics.parser_killed)
        self._stack.push_async_callback(pool.close)
        config = self._config
        limits = replace(config.limits, max_bytes=MAX_PAGE_BYTES, total=PAGE_SECONDS)
        fetcher = _fetcher(config, limits)
        rules = robots.Robots(_fetcher(config, replace(limits, max_bytes=robots.MAX_BYTES)), hosts)
        return ArticlePages(fetcher, pool, hosts, rules, on_page=self._metrics.page_ended)

    async def run(self, feeds: FeedList, stop: asyncio.Event) -> None:
        beginning = asyncio.create_task(self._begin(feeds))
        if not await _unless(stop, beginning):
            return
        beginning.result()
        settle()
        _LOG.info("ready: %d feeds", sum(f.enabled for f in feeds))
        if self._websub is not None:
            server = await serve(
                self._websub, self._config.metrics_address, self._config.websub_port
            )
            self._stack.callback(server.close)
        work: list[asyncio.Task[Any]] = [
            asyncio.create_task(part(stop), name=name)
            for name, part in (
                ("poller", self._poller.run),
                ("status", self._status.run),
                ("feed list", self._watch_list),
                ("gauges", self._gauges),
                *([("websub", self._websub.run)] if self._websub else []),
            )
        ]
        ended: asyncio.Task[Any] = asyncio.create_task(stop.wait())
        everything: list[asyncio.Task[Any]] = [*work, ended]
        done, _ = await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        for task in work:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
        for task in done - {ended}:
            task.result()  # a part that broke is a fault of ours: let it be seen

    async def _begin(self, feeds: FeedList) -> None:
        """Take up the work where it was left, as soon as the database is there."""
        while True:
            try:
                await self._in_database(self._store.start, time.time())
                if again := await self._journal.recover():
                    _LOG.info("sent %d articles again that a crash had left in the journal", again)
                await self._poller.use(feeds)
            except sa.exc.OperationalError as e:
                _LOG.warning("the state cannot be used: %s; waiting", e.orig)
                await asyncio.sleep(_PAUSE)
            else:
                return

    async def _watch_list(self, stop: asyncio.Event) -> None:
        places = self._config.feed_lists
        known = _stamp(in_use(places))
        while not stop.is_set():
            await asyncio.sleep(_LOOK_AT_LIST)
            if (stamp := _stamp(in_use(places))) == known:
                continue
            known = stamp
            try:
                # Not in the loop: a hundred thousand feeds take seconds to read.
                feeds = await asyncio.to_thread(load_list, in_use(places))
            except FeedListError as e:
                for fault in e.faults:
                    _LOG.error("%s; the list as it was is kept", fault)
                continue
            try:
                await self._poller.use(feeds)
            except sa.exc.OperationalError as e:
                _LOG.warning("the new feed list waits: %s", e.orig)
                known = None
                continue
            _LOG.info("the feed list was read anew: %d feeds", sum(f.enabled for f in feeds))

    async def _gauges(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(sa.exc.OperationalError):  # the poller says it, and waits
                self._metrics.set_states(await self._in_database(self._store.states))
                self._metrics.set_pending(await self._in_database(self._store.pending_articles))
            await asyncio.sleep(_GAUGES)

    async def _in_database(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._database, work, *arguments)


async def _unless(stop: asyncio.Event, task: asyncio.Task[Any]) -> bool:
    """Whether ``task`` ended before ``stop`` was set; it is given up otherwise."""
    ended = asyncio.create_task(stop.wait())
    await asyncio.wait([task, ended], return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if not task.done():
        task.cancel()
        return False
    return True


async def _connected(connect: Callable[[], Publisher], stop: asyncio.Event) -> Publisher | None:
    """A publisher as soon as Kafka is there; None when told to stop before."""
    said = False
    while not stop.is_set():
        try:
            return await asyncio.to_thread(connect)
        except Unavailable as e:
            if not said:
                _LOG.warning("waiting for Kafka: %s", e)
                said = True
            await _stopped_within(_PAUSE, stop)
    return None


async def _opened(url: str, database: ThreadPoolExecutor, stop: asyncio.Event) -> sa.Engine | None:
    """The database as soon as its server is there; None when told to stop before."""
    said = False
    while not stop.is_set():
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(database, open_database, url, True)
        except sa.exc.OperationalError as e:
            if sa.make_url(url).get_backend_name() == "sqlite":
                raise  # a file that cannot be opened does not mend by waiting
            if not said:
                _LOG.warning("waiting for the database: %s", str(e.orig).splitlines()[0])
                said = True
            await _stopped_within(_PAUSE, stop)
    return None


async def _stopped_within(seconds: float, stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _kafka(config: FeedsConfig) -> Callable[[], Publisher]:
    return lambda: KafkaPublisher(config.kafka_bootstrap, client_id=f"straitwatch-{config.owner}")


def _let_go(publisher: Publisher) -> None:
    try:
        publisher.close(timeout=5)
    except BusError as e:
        _LOG.info("left with deliveries open, which stand in the journal: %s", e)


def _fetcher(config: FeedsConfig, limits: FetchLimits) -> Fetcher:
    return Fetcher(Guard(config.allow_hosts), config.user_agent, limits, trust=config.trust)


def _with_pace(config: FeedsConfig) -> PollerSettings:
    return replace(config.poller, pace=Pace(config.poll_seconds))


def _stamp(path: Path) -> tuple[Path, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return path, found.st_mtime_ns, found.st_size


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(_WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
