"""`Poller`: asks every feed that is due, each in a task of its own, and hands on what came.

A slow, huge or malicious feed costs a place in the slow lane and nothing else; a feed that breaks
our own code costs its poll. Who is due stands in the database, so a hundred thousand feeds cost no
memory here, and several connectors share them by leases.
"""

from __future__ import annotations

import asyncio
import logging
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from connectors.feeds.article_pages import ArticlePages
from connectors.feeds.asking import Asking, Request
from connectors.feeds.errors import LeaseLostError
from connectors.feeds.feed_list import Feed, FeedList
from connectors.feeds.hosts import Hosts
from connectors.feeds.http.fetch import Fetcher
from connectors.feeds.journal import Journal
from connectors.feeds.lanes import Lanes, NoPlaceError, is_proven
from connectors.feeds.parse.pool import WorkerStartError
from connectors.feeds.polling import Observer, Parser
from connectors.feeds.schedule import Pace
from connectors.feeds.state.database import damage_of
from connectors.feeds.state.records import FeedRow
from connectors.feeds.state.store import FeedStore
from pipeline.contracts.clock import Clock, SystemClock

_LOG: Final = logging.getLogger(__name__)
_TICK: Final = 0.25  # seconds between two looks at who is due
_KEEP_SEEN: Final = 60 * 86_400.0
"""Seconds after which an entry that left its feed is forgotten: as long as Kafka keeps articles."""

_DATABASE_PAUSE: Final = 2.0  # seconds
_LATER: Final = 60.0  # seconds until a feed is asked again whose poll we broke ourselves


@dataclass(frozen=True, slots=True)
class PollerSettings:
    """How the poller works."""

    pace: Pace = field(default_factory=Pace)
    places: int = 256
    """Polls at a time, slow ones aside."""
    slow_places: int = 256
    """Fetches that last, at a time."""
    large_bodies: int = 12
    """Bodies of more than `FetchLimits.large` in memory at a time, from the fetch to Kafka; feeds
    that have not proved themselves have a quarter of this room."""
    spread: float = 60.0
    """Seconds over which feeds that are new fall due."""


class Poller:
    """Polls what is due until it is told to stop."""

    def __init__(
        self,
        store: FeedStore,
        journal: Journal,
        fetcher: Fetcher,
        parser: Parser,
        hosts: Hosts,
        database: ThreadPoolExecutor,
        observer: Observer,
        settings: PollerSettings = PollerSettings(),
        clock: Clock | None = None,
        rng: random.Random | None = None,
        pages: ArticlePages | None = None,
    ) -> None:
        self._store = store
        self._journal = journal
        self._hosts = hosts
        self._database = database
        self._settings = settings
        self._clock = clock or SystemClock()
        self._feeds: dict[str, Feed] = {}
        self._active: dict[str, asyncio.Task[None]] = {}
        self._recovery: asyncio.Task[None] | None = None
        self._lanes = Lanes(settings.places, settings.slow_places)
        self._asking = Asking(
            store,
            journal,
            fetcher,
            parser,
            hosts,
            self._lanes,
            database,
            observer,
            settings.pace,
            settings.large_bodies,
            self._clock,
            rng or random.Random(),  # noqa: S311 - jitter
            pages,
        )
        self._overstayed: set[str] = set()
        """Feeds that were cut short: slow ones until they answer in time."""
        self._nudged: set[str] = set()
        self._damage: sa.exc.DatabaseError | None = None
        """What a poll met in the state file: the connector ends with it, its next start mends."""

    async def use(self, feeds: FeedList) -> None:
        """Poll ``feeds`` from now on."""
        self._feeds = {f.feed_id: f for f in feeds if f.enabled}
        self._overstayed &= self._feeds.keys()
        # A few feeds may all be asked at once; an hour's worth of them may not.
        spread = min(self._settings.spread, self._settings.pace.shortest / 2, 0.1 * len(feeds))
        await self._in_database(self._store.sync_list, feeds, self._now(), spread)

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until ``stop``; polls under way are given up then, and lose nothing.

        Raises:
            sqlalchemy.exc.DatabaseError: the state file is damaged.
        """
        beat_at = self._clock.monotonic()
        prune_at = beat_at + 3600
        try:
            while not stop.is_set():
                if self._damage is not None:
                    raise self._damage
                now, turn = self._now(), self._clock.monotonic()
                try:
                    if turn >= beat_at:
                        beat_at = turn + self._store.lease_seconds / 4
                        await self._stay(now)
                    if turn >= prune_at:
                        prune_at = turn + 86_400
                        await self._in_database(self._store.prune, now - _KEEP_SEEN)
                    await self._start_due(now, turn, stop)
                except sa.exc.OperationalError as e:
                    # A full disk, a database that is away: nobody is asked until it is back.
                    _LOG.warning("the state cannot be used: %s; waiting", e.orig)
                    await self._clock.asleep(_DATABASE_PAUSE)
                await self._pause(turn + self._tick, stop)
        finally:
            tasks: list[asyncio.Task[Any]] = [*self._active.values()]
            if self._recovery is not None:
                tasks.append(self._recovery)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._asking.close()
            with suppress(sa.exc.OperationalError):  # they run out by themselves
                await self._in_database(self._store.release)

    @property
    def active(self) -> int:
        """Polls under way."""
        return len(self._active)

    async def _stay(self, now: float) -> None:
        """Keep our leases, and complete what dead connectors left."""
        if taken := await self._in_database(self._beat, now):
            _LOG.info("took over %d polls of a connector that shows no sign of life", taken)
        if self._recovery is None or self._recovery.done():
            self._recovery = asyncio.create_task(self._recover(), name="recover the journal")

    async def _recover(self) -> None:
        try:
            if again := await self._journal.recover():
                _LOG.info("sent %d articles again that were left in the journal", again)
        except sa.exc.OperationalError as e:
            _LOG.warning("what is left in the journal waits: %s", e.orig)
        except Exception as e:  # noqa: BLE001
            if (damage := damage_of(e)) is not None:
                self._damage = damage
            else:
                _LOG.exception("what is left in the journal waits")

    def nudge(self, feed_id: str) -> None:
        """Ask this feed as soon as its host allows: something says that it has news (WebSub)."""
        self._nudged.add(feed_id)

    # -- who is due -------------------------------------------------------------------------------

    async def _start_due(self, now: float, turn: float, stop: asyncio.Event) -> None:
        if self._nudged:
            nudged, self._nudged = self._nudged, set()
            try:
                await self._in_database(self._store.make_due, tuple(nudged), now)
            except sa.exc.OperationalError:
                self._nudged |= nudged  # the database will be back
                raise
        free = self._lanes.free
        if free <= 0:
            return
        rows: list[FeedRow] = await self._in_database(self._store.claim, now, free)
        deferred: dict[str, float] = {}
        for n, row in enumerate(rows):
            # One after the other over the whole tick: many at once would wait for each other.
            await self._pause(turn + n * self._tick / len(rows), stop)
            if stop.is_set():
                break  # those left are released at the end
            feed = self._feeds.get(row.feed_id)
            if feed is None or row.feed_id in self._active:
                deferred[row.feed_id] = self._now() + 60
                continue
            request = Request.of(row, feed, now)
            if (wait := self._wait(row, request.host)) > 0:
                deferred[row.feed_id] = self._now() + wait
            else:
                self._start(row, feed, request)
        if deferred:
            await self._in_database(self._store.defer, deferred)

    def _wait(self, row: FeedRow, host: str) -> float:
        """Seconds until this feed may be looked at again; 0: it may be asked now."""
        now = self._clock.monotonic()
        wait = self._hosts.wait(host, now)
        return wait or self._lanes.wait(now, self._is_slow(row), is_proven(row))

    def _is_slow(self, row: FeedRow) -> bool:
        return row.slow or row.feed_id in self._overstayed

    def _start(self, row: FeedRow, feed: Feed, request: Request) -> None:
        self._hosts.enter(request.host, self._clock.monotonic())
        task = asyncio.create_task(self._guarded(row, feed, request), name=f"poll {row.feed_id}")
        self._active[row.feed_id] = task
        self._lanes.enter(task, self._is_slow(row), is_proven(row))
        task.add_done_callback(lambda t: self._ended(row, request.host, t))

    def _ended(self, row: FeedRow, host: str, task: asyncio.Task[None]) -> None:
        self._active.pop(row.feed_id, None)
        self._lanes.leave(task)
        self._hosts.leave(host)

    async def _guarded(self, row: FeedRow, feed: Feed, request: Request) -> None:
        try:
            await self._asking.ask(row, feed, request)
            self._overstayed.discard(row.feed_id)
        except NoPlaceError:
            _LOG.debug("%s is asked again as a slow feed: it lasts, and they are many", row.feed_id)
            self._overstayed.add(row.feed_id)
            await self._later(row)
        except LeaseLostError:
            _LOG.info(
                "a poll of %s was dropped: the feed is not leased to us any more", row.feed_id
            )
        except sa.exc.OperationalError as e:
            # The lease runs out by itself; `run` waits for the database.
            _LOG.warning("a poll of %s was given up: %s", row.feed_id, e.orig)
        except WorkerStartError as e:
            _LOG.error("%s waits: %s", row.feed_id, e)
            await self._later(row)
        except Exception as e:  # noqa: BLE001
            if (damage := damage_of(e)) is not None:
                self._damage = damage
                return
            # The boundary of one feed: a fault of ours met there must not stop the others.
            _LOG.exception("a poll of %s broke our own code; it is tried again", row.feed_id)
            await self._later(row)

    async def _later(self, row: FeedRow) -> None:
        later = self._now() + max(_LATER, self._settings.pace.shortest)
        with suppress(sa.exc.OperationalError):
            await self._in_database(self._store.defer, {row.feed_id: later})

    @property
    def _tick(self) -> float:
        return min(_TICK, self._settings.pace.shortest / 10)

    async def _pause(self, until: float, stop: asyncio.Event) -> None:
        """Wait until the clock's ``monotonic`` says ``until``, or ``stop``."""
        try:
            async with asyncio.timeout(max(0.0, until - self._clock.monotonic())):
                await stop.wait()
        except TimeoutError:
            pass

    # -- inside -----------------------------------------------------------------------------------

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _beat(self, now: float) -> int:
        self._store.renew(tuple(self._active), now)
        return self._store.beat(now)

    async def _in_database(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._database, work, *arguments)
