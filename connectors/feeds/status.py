"""Tells Kafka every five minutes what each group of feeds delivered: expected counts rest on it.

A bucket is told once it is over, also when nothing was asked in it: a dead connector is not a calm
world. What it counts is kept in the database with the polls themselves, so a restart changes
nothing. A report says all that is known of its bucket: one that is told twice, after a crash or
because a late poll adds to it, takes the place of the one before.
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
from connectors.feeds.state.records import StatusRow
from connectors.feeds.state.status_rows import StatusStore
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
        self._rows = StatusStore(store)
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
        rows, sizes = await loop.run_in_executor(self._database, self._due, over, now)
        if not rows:
            return 0
        try:
            await send_all(self._publisher, [_outgoing(r, sizes.get(r.group, 0)) for r in rows])
        except BusError as e:
            _LOG.warning("the feed status waits: %s", e)
            return 0
        await loop.run_in_executor(self._database, self._rows.told, over, rows)
        return len(rows)

    def _due(self, over: int, now: float) -> tuple[Sequence[StatusRow], dict[str, int]]:
        """What is to be told now, and the number of feeds of each group."""
        until = self._rows.until()
        sizes = self._rows.group_sizes()
        rows = self._rows.due(over, now)
        counted = {(r.bucket, r.group) for r in rows}
        # What was told of a time to come was told by a clock that was ahead.
        first = over - BUCKET_SECONDS if until is None or until > over else until
        first = max(first, over - CATCH_UP * BUCKET_SECONDS)
        silent = [
            StatusRow(bucket, group, self._rows.owner)
            for bucket in range(first, over, BUCKET_SECONDS)
            for group in sizes
            if (bucket, group) not in counted
        ]
        return sorted([*rows, *silent], key=lambda r: (r.bucket, r.group, r.owner)), sizes


def _outgoing(row: StatusRow, feeds: int) -> Outgoing:
    status = FeedStatus(
        datetime.fromtimestamp(row.bucket, UTC),
        row.group,
        row.polled,
        row.answered,
        row.articles,
        feeds,
        row.owner,
    )
    return Outgoing(FEEDS, row.group.encode(), encode(status))
