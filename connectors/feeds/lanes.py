"""Places for polls: fast ones, and a lane of their own for those that last.

A poll that has not ended in a few seconds gives its fast place back and goes on in the slow lane;
if that is full it is cut short and asked again, later, as a slow one. Feeds that have not proved
themselves have a part of the fast places only. So no number of slow, new or failing feeds takes
the places of the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from connectors.feeds.state.records import FeedRow

PATIENCE: Final = 2.0
"""Seconds in a fast place: nearly every healthy feed has answered by then."""
SLOW_SECONDS: Final = 20.0
"""What a poll in the slow lane lasts, roughly: the pace at which those who wait are looked at."""
UNPROVEN_SECONDS: Final = 0.25
"""What the poll of a new feed lasts, roughly: a list of new ones is met at hundreds a second."""
UNPROVEN_SHARE: Final = 0.25
"""Of the fast places, and of the room for large bodies."""


class NoPlaceError(Exception):
    """A poll lasted, and the slow lane was full."""


def is_proven(row: FeedRow) -> bool:
    """Whether a feed answered well the last time that it was asked."""
    return row.last_answer_at is not None and not row.failures and not row.slow


class Lanes:
    """Counts who is where. Belongs to one event loop. Times are seconds of `Clock.monotonic`."""

    def __init__(self, fast: int, slow: int, patience: float = PATIENCE) -> None:
        self._fast_places = fast
        self._unproven_places = max(1, int(UNPROVEN_SHARE * fast))
        self._slow_places = slow
        self._patience = patience
        self._fast: dict[asyncio.Task[Any], asyncio.TimerHandle] = {}
        self._unproven: set[asyncio.Task[Any]] = set()
        """Those of the fast ones."""
        self._slow: set[asyncio.Task[Any]] = set()
        self._fetching: dict[asyncio.Task[Any], asyncio.Timeout] = {}
        self._slow_queue = _Queue(SLOW_SECONDS / slow)
        self._unproven_queue = _Queue(UNPROVEN_SECONDS / self._unproven_places)

    @property
    def free(self) -> int:
        """Fast places that nobody has."""
        return self._fast_places - len(self._fast)

    @property
    def has_slow_place(self) -> bool:
        """Whether the slow lane takes one more."""
        return len(self._slow) < self._slow_places

    def wait(self, now: float, slow: bool, proven: bool) -> float:
        """Seconds until one of this kind may be looked at again; 0: it may `enter` now."""
        if slow:
            return 0.0 if self.has_slow_place else self._slow_queue.wait(now)
        if self.free <= 0:
            return self._unproven_queue.wait(now)
        if not proven and len(self._unproven) >= self._unproven_places:
            return self._unproven_queue.wait(now)
        return 0.0

    def enter(self, task: asyncio.Task[Any], slow: bool, proven: bool = True) -> None:
        """Give ``task`` a place; a feed that is known to be slow starts in the slow lane."""
        if slow:
            self._slow.add(task)
            return
        if not proven:
            self._unproven.add(task)
        self._watch(task)

    def leave(self, task: asyncio.Task[Any]) -> None:
        """``task`` is over."""
        if (timer := self._fast.pop(task, None)) is not None:
            timer.cancel()
        self._unproven.discard(task)
        self._slow.discard(task)

    @asynccontextmanager
    async def fetching(self) -> AsyncIterator[None]:
        """Around the part of the running task that may be cut short; its results are lost.

        Raises:
            NoPlaceError: it was.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("no task")
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._fetching[task] = limit
                try:
                    yield
                finally:
                    del self._fetching[task]
        except TimeoutError:
            if limit.expired():
                raise NoPlaceError from None
            raise

    def _watch(self, task: asyncio.Task[Any]) -> None:
        loop = asyncio.get_running_loop()
        self._fast[task] = loop.call_later(self._patience, self._move, task)

    def _move(self, task: asyncio.Task[Any]) -> None:
        if task not in self._fast:
            return
        if self.has_slow_place:
            del self._fast[task]
            self._unproven.discard(task)
            self._slow.add(task)
            return
        if (limit := self._fetching.get(task)) is not None and not limit.expired():
            limit.reschedule(asyncio.get_running_loop().time())
        # What waits for Kafka or the disk is ours, and keeps its place: that holds the poller.
        self._watch(task)


class _Queue:
    """Gives each who waits a time of its own, so that nobody is looked at at every turn."""

    LONGEST: Final = 900.0

    def __init__(self, spacing: float) -> None:
        self._spacing = spacing
        self._end = 0.0

    def wait(self, now: float) -> float:
        self._end = min(max(self._end, now) + self._spacing, now + self.LONGEST)
        return max(self._end - now, 1.0)
