"""What a bus promises: `Publisher` and `Subscriber`, and the values they exchange.

`kafka` and `memory` keep the same promises; one contract suite holds both to them.

A publisher's deliveries are futures, so a thread and a coroutine use the same object::

    delivery = publisher.send(topic, key, value)
    delivery.result(timeout=30)          # in a thread
    await send_all(publisher, outgoing)  # in a coroutine: nothing blocks the loop
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, Protocol

from connectors.bus.errors import DeliveryFailed, Unavailable
from pipeline.contracts.topics import MAX_IN_FLIGHT, MIB

MAX_IN_FLIGHT_BYTES: Final = 64 * MIB
"""Bytes that a sender may have unacknowledged; one larger message still goes, alone."""

Partition = tuple[str, int]
"""Topic and number."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message before it has a place."""

    topic: str
    key: bytes | None
    value: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an acknowledged message stands."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it stands on its topic."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime
    """The broker's, UTC: arrival or creation, as the topic is set."""
    key: bytes | None
    value: bytes | None
    """None: a tombstone of a compacted topic."""


class Delivery(Future[Receipt]):
    """The outcome of one `Publisher.send`: a `Receipt`, or `DeliveryFailed`.

    ``result(timeout)`` waits in a thread; ``await`` waits in a coroutine.
    """

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Lock()

    def claim(self) -> bool:
        """Whether the caller is the first to have an answer: only that one may give it."""
        return self._turn.acquire(blocking=False)

    def __await__(self) -> Generator[Any, None, Receipt]:
        return asyncio.wrap_future(self).__await__()


class Start(Enum):
    """Where a subscriber begins in a partition."""

    EARLIEST = "earliest"
    """At the oldest message kept."""
    LATEST = "latest"
    """After the newest message."""
    COMMITTED = "committed"
    """After what the group committed; at the oldest where it never did."""


class Publisher(Protocol):
    """Sends messages. Safe for many threads."""

    def send(self, topic: str, key: bytes | None, value: bytes) -> Delivery:
        """Send one message; messages of one key keep their order.

        Blocks while `MAX_IN_FLIGHT` messages or `MAX_IN_FLIGHT_BYTES` are unacknowledged, and while
        the topic's partitions are not known yet (seconds). A failure is told by the delivery, never
        raised here. A message that fails for good may take those in flight beside it along: their
        failures say that they may be tried again.

        Raises:
            Unavailable: no room came free in time.
            Closed: after `close`.
        """
        ...

    def flush(self, timeout: float) -> None:
        """Wait until everything sent is acknowledged.

        Raises:
            DeliveryFailed: deliveries failed since the last flush, even if nobody looked at them.
            Unavailable: not all were answered within ``timeout`` seconds.
        """
        ...

    def close(self, timeout: float = 10) -> None:
        """Flush, then let go of the broker; errors as in `flush`. Again: does nothing."""
        ...


class Subscriber(Protocol):
    """Reads topics. For one thread."""

    def poll(self, limit: int, timeout: float) -> Sequence[Message]:
        """Up to ``limit`` messages, as soon as there are any; none after ``timeout`` seconds.

        In order within a partition. A topic that does not exist yet is waited for.
        """
        ...

    def commit(self) -> None:
        """Let the group begin after all that `poll` has returned: call it after their effect.

        Raises:
            Unavailable: not confirmed; the messages may come again.
        """
        ...

    def positions(self) -> dict[Partition, int]:
        """The offset that comes next in each partition that is read."""
        ...

    def ends(self, before: datetime | None = None) -> dict[Partition, int]:
        """The offset that the next message sent to each partition will get.

        With ``before``: that of the first message that is not older, where there is one.

        Raises:
            Unavailable: the broker does not say.
        """
        ...

    def close(self) -> None:
        """Let go of the broker, without a commit."""
        ...


async def send_all(publisher: Publisher, outgoing: Iterable[Outgoing]) -> list[Receipt]:
    """Send from a coroutine and wait for every acknowledgement, in the order given.

    Raises:
        DeliveryFailed: at least one failed; every delivery has been waited for by then.
    """
    messages = tuple(outgoing)
    deliveries = await asyncio.to_thread(
        lambda: [publisher.send(m.topic, m.key, m.value) for m in messages]
    )
    outcomes = await asyncio.gather(
        *(asyncio.wrap_future(d) for d in deliveries), return_exceptions=True
    )
    failures = [o for o in outcomes if isinstance(o, BaseException)]
    if failures:
        raise summed(failures)
    return [o for o in outcomes if isinstance(o, Receipt)]


def drain(
    subscriber: Subscriber,
    limit: int = 1000,
    patience: float = 30,
    before: datetime | None = None,
) -> Iterator[Message]:
    """Every message up to the ends as they stand now; then stops.

    With ``before``: up to the first message of each partition that is not older. Only where the
    broker stamps arrival do a partition's times never go back.

    Raises:
        Unavailable: nothing came for ``patience`` seconds although more is there.
    """
    ends = subscriber.ends(before)
    quiet = 0.0
    while any(subscriber.positions().get(p, 0) < end for p, end in ends.items()):
        messages = subscriber.poll(limit, 0.5)
        quiet = 0.0 if messages else quiet + 0.5
        if quiet >= patience:
            raise Unavailable("the broker stopped answering before the end was reached")
        for m in messages:
            if m.offset < ends.get((m.topic, m.partition), 0):
                yield m


def summed(failures: Sequence[BaseException]) -> DeliveryFailed:
    """One error for several failed deliveries: their number and the first cause."""
    first = failures[0]
    retriable = all(getattr(f, "retriable", True) for f in failures)
    if len(failures) == 1 and isinstance(first, DeliveryFailed):
        return first
    error = DeliveryFailed(
        f"{len(failures)} deliveries failed, the first: {first}",
        retriable=retriable,
        failed=len(failures),
    )
    error.__cause__ = first
    return error


class InFlight:
    """Counts what is unacknowledged, makes senders wait for room, and remembers failures.

    Shared by the implementations, so that a failure nobody looked at is never lost.
    """

    def __init__(self, records: int = MAX_IN_FLIGHT, size: int = MAX_IN_FLIGHT_BYTES) -> None:
        self._most_records = records
        self._most_bytes = size
        self._records = 0
        self._bytes = 0
        self._failures: list[DeliveryFailed] = []
        self._failed = 0
        self._changed = threading.Condition()

    def enter(self, size: int, timeout: float) -> Delivery:
        """A delivery that counts until it is done.

        Raises:
            Unavailable: no room within ``timeout`` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(size), timeout):
                raise Unavailable(
                    f"{self._records} messages wait for the broker, which is too slow or away"
                )
            self._records += 1
            self._bytes += size
        delivery = Delivery()
        delivery.add_done_callback(lambda _: self._leave(size))
        return delivery

    def succeed(self, delivery: Delivery, receipt: Receipt) -> None:
        """End ``delivery`` with ``receipt``; does nothing when it was answered before."""
        if delivery.claim():
            with suppress(InvalidStateError):  # whoever waited has cancelled it
                delivery.set_result(receipt)

    def fail(self, delivery: Delivery, error: DeliveryFailed) -> None:
        """End ``delivery`` with ``error``, and keep it for the next `settle`.

        Does nothing when it was answered before.
        """
        if not delivery.claim():
            return
        with self._changed:
            self._failed += 1
            if len(self._failures) < 10:
                self._failures.append(error)
        with suppress(InvalidStateError):
            delivery.set_exception(error)

    def settle(self, timeout: float) -> None:
        """Wait until nothing is unacknowledged, then raise what failed since the last time.

        Raises:
            Unavailable: something still is after ``timeout`` seconds.
            DeliveryFailed: something failed.
        """
        with self._changed:
            settled = self._changed.wait_for(lambda: self._records == 0, max(0.0, timeout))
            failures, self._failures = self._failures, []
            failed, self._failed = self._failed, 0
            left = self._records
        if failed:
            error = summed(failures)
            error.failed = failed
            raise error
        if not settled:
            raise Unavailable(f"{left} messages were not acknowledged in {timeout:g} s")

    def _has_room(self, size: int) -> bool:
        if self._records == 0:
            return True
        return self._records < self._most_records and self._bytes + size <= self._most_bytes

    def _leave(self, size: int) -> None:
        with self._changed:
            self._records -= 1
            self._bytes -= size
            self._changed.notify_all()
