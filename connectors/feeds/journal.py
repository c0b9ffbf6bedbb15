"""`Journal`: a finished poll becomes lasting, in three steps that survive a kill at any moment.

1. A transaction writes the encoded articles down, with all that completing the poll will change.
2. They go to Kafka; every one is acknowledged, or sent again.
3. A transaction writes the seen-state, the validators and the totals, and takes the articles out.

After a kill between 1 and 3 the next start sends the same bytes again and completes: Kafka may hold
an article twice, byte for byte, which the pipeline recognises; nothing is lost and nothing counted
twice. Many polls share a transaction and a round trip: each waits for its own end only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, Generic, TypeAlias, TypeVar

import sqlalchemy as sa

from connectors.bus.base import Publisher
from connectors.bus.errors import BusError, DeliveryFailed
from connectors.feeds.errors import LeaseLostError, UnreadablePollError
from connectors.feeds.state.database import damage_of
from connectors.feeds.state.journal_rows import chunks
from connectors.feeds.state.records import FinishedPoll, Outgoing
from connectors.feeds.state.store import ACCEPTED, REJECTED, FeedStore
from pipeline.contracts.clock import Clock, SystemClock
from pipeline.contracts.topics import ARTICLES

_LOG: Final = logging.getLogger(__name__)
UNDELIVERABLE: Final = "undeliverable"
"""The reason of an article that Kafka never takes: too large for the topic as it is set."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 15.0  # seconds: Kafka that is back is used within that time
_STUCK_PAUSE: Final = 3600.0
"""Seconds until a poll that could not be completed is tried again: each try sends its articles."""
_RECOVER_AT_ONCE: Final = 100  # polls whose bytes are read into memory together

T = TypeVar("T")
U = TypeVar("U")
_Batch: TypeAlias = list[tuple[T, asyncio.Future[U]]]


class Batcher(Generic[T, U]):
    """Collects what many coroutines want done and does it together, in a thread.

    While one batch is worked on the next one gathers, so the load itself sets the size.
    """

    def __init__(
        self,
        work: Callable[[Sequence[T]], Sequence[U]],
        executor: ThreadPoolExecutor,
        most: int = 500,
        weigh: Callable[[T], int] = lambda _: 1,
    ) -> None:
        """A batch ends with the item that brings its weight to ``most``."""
        self._work = work
        self._executor = executor
        self._most = most
        self._weigh = weigh
        self._waiting: _Batch[T, U] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, item: T) -> U:
        """The result for ``item``.

        When a batch fails, its items are done again one by one, so that one which nothing can be
        done with is an error of its own only. A database that is away fails them all.
        """
        future: asyncio.Future[U] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._next()
                if (error := await self._do(batch)) is None:
                    continue
                parts = [[one] for one in batch]
                if len(parts) == 1 or isinstance(error, sa.exc.OperationalError):
                    _fail(batch, error)
                    continue
                for part in parts:
                    if (error := await self._do(part)) is not None:
                        _fail(part, error)
        finally:
            self._task = None

    async def _do(self, batch: _Batch[T, U]) -> Exception | None:
        """Do a batch and give each its result; what went wrong with it, and none has one."""
        items = [item for item, _ in batch]
        try:
            loop = asyncio.get_running_loop()
            results = await loop.run_in_executor(self._executor, self._work, items)
        except Exception as e:  # noqa: BLE001 - handed on to those who asked
            return e
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
        return None

    def _next(self) -> _Batch[T, U]:
        weight = taken = 0
        while taken < len(self._waiting) and weight < self._most:
            weight += self._weigh(self._waiting[taken][0])
            taken += 1
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return batch


class Journal:
    """Writes finished polls: store and publisher behind one call."""

    def __init__(
        self,
        store: FeedStore,
        publisher: Publisher,
        database: ThreadPoolExecutor,
        clock: Clock | None = None,
        on_failure: Callable[[int], None] = lambda _: None,
    ) -> None:
        """On ``store`` and ``publisher``; ``database`` is the one thread that statements run in.

        ``on_failure`` is told how many deliveries failed and are sent again.
        """
        self._store = store
        self._publisher = publisher
        self._clock = clock or SystemClock()
        self._on_failure = on_failure
        self._bus_thread = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._write = Batcher(self._journal_all, database, weigh=_rows)
        self._complete = Batcher(self._complete_all, database, weigh=_rows)
        self._send = Batcher(self._send_all, self._bus_thread, most=50)
        self._open: set[str] = set()  # polls that somebody here brings to their end
        self._stuck: dict[str, float] = {}
        """Polls that could not be completed, and when it is tried again."""
        self.kafka_away = asyncio.Event()
        """Set while deliveries fail."""

    async def commit(self, poll: FinishedPoll) -> None:
        """Make ``poll`` lasting; returns once it is.

        Waits as long as Kafka or the disk need to come back: that is what holds the poller.

        Raises:
            LeaseLostError: the feed is another connector's by now; nothing of it was counted.
        """
        self._open.add(poll.poll_id)
        try:
            if poll.messages and not await self._insist(lambda: self._write(poll)):
                raise LeaseLostError(poll.effect.feed_id)
            if not await self._finish(poll) and not poll.messages:
                raise LeaseLostError(poll.effect.feed_id)
        finally:
            self._open.discard(poll.poll_id)

    async def recover(self) -> int:
        """Complete what stands in the journal in our name and is under way nowhere.

        That is what a crash left, what was taken over from another connector, and what a fault of
        ours dropped half-way. Returns how many articles were sent again.

        A poll that breaks our own code is logged and stays for an hour, or until the next start:
        its feed is not asked meanwhile, all others are.

        Raises:
            sqlalchemy.exc.DatabaseError: the database is away (OperationalError), or damaged.
        """
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(None, self._store.pending_ids)
        now = self._clock.monotonic()
        self._stuck = {i: at for i, at in self._stuck.items() if at > now}
        left = [i for i in found if i not in self._open and i not in self._stuck]
        self._open.update(left)
        again = 0
        try:
            for chunk in chunks(left, _RECOVER_AT_ONCE):
                polls = await self._read(chunk)
                ends = await asyncio.gather(
                    *(self._finish(p) for p in polls), return_exceptions=True
                )
                for poll, end in zip(polls, ends, strict=True):
                    if isinstance(end, BaseException):
                        self._stays(poll.poll_id, poll.effect.feed_id, end)
                    else:
                        again += len(poll.messages)
        finally:
            self._open.difference_update(left)
        return again

    async def _read(self, poll_ids: Sequence[str]) -> list[FinishedPoll]:
        """Those of the polls that can be read."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(None, self._store.pending, poll_ids)
        except UnreadablePollError as e:
            if len(poll_ids) == 1:
                self._stays(e.poll_id, e.feed_id, e)
                return []
        return [poll for i in poll_ids for poll in await self._read([i])]

    def _stays(self, poll_id: str, feed_id: str, error: BaseException) -> None:
        away = isinstance(error, sa.exc.OperationalError) or damage_of(error)
        if away or not isinstance(error, Exception):
            raise error  # nothing that one poll is to blame for
        self._stuck[poll_id] = self._clock.monotonic() + _STUCK_PAUSE
        _LOG.error(
            "a poll of %s stays in the journal (%s), and the feed is not asked before it is gone",
            feed_id,
            poll_id,
            exc_info=error,
        )

    async def _finish(self, poll: FinishedPoll) -> object:
        """Steps 2 and 3 of a poll that is in the journal, or has no articles; whether it counted.

        It does not when another connector has it by now, or when an earlier try was done already.
        """
        refused = await self._publish(poll.messages) if poll.messages else 0
        if refused:
            counts = dict(poll.effect.counts)
            counts[ACCEPTED] = counts.get(ACCEPTED, 0) - refused
            counts[REJECTED + UNDELIVERABLE] = refused
            poll = replace(poll, effect=replace(poll.effect, counts=tuple(counts.items())))
        return await self._insist(lambda: self._complete(poll))

    def close(self) -> None:
        """End the sending thread; the publisher is its owner's."""
        self._bus_thread.shutdown(wait=False, cancel_futures=True)

    async def _publish(self, messages: Sequence[Outgoing]) -> int:
        """Send until every message is acknowledged; how many Kafka refuses for good."""
        left = list(messages)
        refused = 0
        pause = _FIRST_PAUSE
        while left:
            outcomes = await self._send(left)
            failed = []
            for message, error in zip(left, outcomes, strict=True):
                if error is None:
                    continue
                if isinstance(error, DeliveryFailed) and not error.retriable:
                    refused += 1
                    _LOG.error("Kafka refuses an article for good: %s", error)
                    continue
                failed.append(message)
            if not failed:
                self.kafka_away.clear()
                break
            self._on_failure(len(failed))
            if not self.kafka_away.is_set():
                self.kafka_away.set()
                _LOG.warning("Kafka does not take articles; they wait in the journal")
            left = failed
            await self._clock.asleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return refused

    async def _insist(self, step: Callable[[], object]) -> object:
        """Do ``step`` until the database takes it: a full disk or a lost connection mend.

        A step may have been done although its answer was lost: each can be done twice.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                return await step()  # type: ignore[misc]
            except sa.exc.OperationalError as e:
                _LOG.warning("the state cannot be written: %s; trying again", _first_line(e))
                await self._clock.asleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _journal_all(self, polls: Sequence[FinishedPoll]) -> Sequence[bool]:
        taken = self._store.journal(polls, self._clock.now().timestamp())
        return [p.poll_id in taken for p in polls]

    def _complete_all(self, polls: Sequence[FinishedPoll]) -> Sequence[bool]:
        written = self._store.complete(polls)
        return [p.poll_id in written for p in polls]

    def _send_all(
        self, batches: Sequence[Sequence[Outgoing]]
    ) -> Sequence[Sequence[BaseException | None]]:
        """For each message of each batch: None, or why it was not acknowledged."""
        flat = [m for batch in batches for m in batch]
        deliveries = []
        error: BaseException | None = None
        for message in flat:
            try:
                deliveries.append(self._publisher.send(ARTICLES, message.key, message.value))
            except BusError as e:
                error = e
                break
        outcomes: list[BaseException | None] = [d.exception() for d in deliveries]
        outcomes += [error] * (len(flat) - len(outcomes))
        out, start = [], 0
        for batch in batches:
            out.append(outcomes[start : start + len(batch)])
            start += len(batch)
        return out


def _fail(batch: _Batch[T, U], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)


def _rows(poll: FinishedPoll) -> int:
    """So nobody's poll waits for a transaction of ten thousand articles of others."""
    return 1 + len(poll.messages)


def _first_line(error: Exception) -> str:
    return (str(getattr(error, "orig", error)).splitlines() or [""])[0]
