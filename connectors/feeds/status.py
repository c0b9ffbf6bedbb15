"""Tells Kafka every five minutes what each group of feeds delivered: expected counts rest on it.

A bucket is told once it is over, also when nothing was asked in it: a dead connector is not a calm
world. What it counts is kept in the database with the polls themselves, so a restart changes
nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa

from connectors.bus.base import Outgoing, Publisher, send_all
from connectors.bus.errors import BusError
from connectors.feeds.effects import BUCKET_SECONDS
from connectors.feeds.state.store import FeedStore
from pipeline.contracts.clock import Clock, SystemClock
from pipeline.contracts.codec import encode
from pipeline.contracts.records import FeedStatus
from pipeline.contracts.topics import FEEDS

_LOG: Final = logging.getLogger(__name__)
GRACE: Final = 3.0
"""Seconds after a bucket's end: polls of its last moment are written by then."""
CATCH_UP: Final = 12
"""Buckets: how far back a connector that was away tells that it asked nobody."""


class StatusReporter:
    """Publishes `FeedStatus` records."""

    def __init__(
        self,
        store: FeedStore,
        publisher: Publisher,
        database: ThreadPoolExecutor,
        clock: Clock | None = None,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._database = database
        self._clock = clock or SystemClock()

    async def run(self, stop: asyncio.Event) -> None:
        """Report after each bucket until ``stop``."""
        while not stop.is_set():
            try:
                await self.report()
            except sa.exc.OperationalError as e:
                _LOG.warning("the feed status waits: %s", e.orig)
            now = self._clock.now().timestamp()
            wait = BUCKET_SECONDS - (now - GRACE) % BUCKET_SECONDS
            try:
                async with asyncio.timeout(wait + 0.1):
                    await stop.wait()
            except TimeoutError:
                continue

    async def report(self) -> int:
        """Tell of every bucket that is over and was not told of; how many records went out.

        A failure is logged; the buckets are told of next time.
        """
        now = self._clock.now().timestamp()
        over = int((now - GRACE) // BUCKET_SECONDS) * BUCKET_SECONDS
        loop = asyncio.get_running_loop()
        records = await loop.run_in_executor(self._database, self._due, over)
        if not records:
            return 0
        try:
            await send_all(
                self._publisher, [Outgoing(FEEDS, r.group.encode(), encode(r)) for r in records]
            )
        except BusError as e:
            _LOG.warning("the feed status waits: %s", e)
            return 0
        await loop.run_in_executor(self._database, self._store.status_told, over)
        return len(records)

    def _due(self, over: int) -> Sequence[FeedStatus]:
        until = self._store.status_until()
        counted = self._store.status_buckets(over)
        # What was told of a time to come was told by a clock that was ahead.
        first = over - BUCKET_SECONDS if until is None or until > over else until
        first = max(first, over - CATCH_UP * BUCKET_SECONDS)
        starts = {bucket for bucket, _ in counted} | set(range(first, over, BUCKET_SECONDS))
        sizes = self._store.group_sizes()
        groups = sorted(set(sizes) | {group for _, group in counted})
        out = []
        for start in sorted(starts):
            for group in groups:
                polled, answered, articles = counted.get((start, group), (0, 0, 0))
                out.append(
                    FeedStatus(
                        datetime.fromtimestamp(start, UTC),
                        group,
                        polled,
                        answered,
                        articles,
                        sizes.get(group, 0),
                        self._store.owner,
                    )
                )
        return out
