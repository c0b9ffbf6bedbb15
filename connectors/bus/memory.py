"""A bus inside one process, with Kafka's promises: for tests, and for looking at a part alone."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from connectors.bus.base import Delivery, InFlight, Message, Partition, Receipt, Start
from connectors.bus.errors import Closed, DeliveryFailed
from pipeline.contracts.clock import Clock, SystemClock
from pipeline.contracts.topics import TopicSpec


class MemoryBus:
    """Topics, messages and committed offsets; publishers and subscribers share one."""

    def __init__(self, specs: Iterable[TopicSpec] = (), clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._specs: dict[str, TopicSpec] = {}
        self._logs: dict[Partition, list[Message]] = {}
        self._committed: dict[tuple[str, Partition], int] = {}
        self._spread = 0
        self.arrived = threading.Condition()
        self.down = False
        """Refuse every message, as a broker that is away."""
        self.ensure(specs)

    def ensure(self, specs: Iterable[TopicSpec]) -> None:
        """Create the topics that do not exist."""
        with self.arrived:
            for spec in specs:
                if self._specs.setdefault(spec.name, spec) is spec:
                    self._logs |= {(spec.name, n): [] for n in range(spec.partitions)}
            self.arrived.notify_all()

    def partitions(self, topics: Iterable[str]) -> tuple[Partition, ...]:
        """The partitions of those ``topics`` that exist."""
        return tuple(
            (t, n) for t in topics if (spec := self._specs.get(t)) for n in range(spec.partitions)
        )

    def append(self, topic: str, key: bytes | None, value: bytes) -> Receipt:
        """Put one message at the end of its partition.

        Raises:
            DeliveryFailed: the bus is down, the topic does not exist, or the message is too large.
        """
        with self.arrived:
            if self.down:
                raise DeliveryFailed("the broker is away")
            spec = self._specs.get(topic)
            if spec is None:
                raise DeliveryFailed(f"topic {topic} does not exist")
            if len(value) > spec.max_message_bytes:
                raise DeliveryFailed(
                    f"{len(value)} bytes are too large for {topic}", retriable=False
                )
            if key is None:
                self._spread += 1
            number = (zlib.crc32(key) if key is not None else self._spread) % spec.partitions
            log = self._logs[topic, number]
            log.append(Message(topic, number, len(log), self._clock.now(), key, value))
            self.arrived.notify_all()
            return Receipt(topic, number, len(log) - 1)

    def start(self, partition: Partition, start: Start | datetime, group: str | None) -> int:
        """The offset at which a subscriber begins."""
        log = self._logs[partition]
        if isinstance(start, datetime):
            return next((m.offset for m in log if m.timestamp >= start), len(log))
        if start is Start.LATEST:
            return len(log)
        if start is Start.COMMITTED:
            return self._committed.get((group or "", partition), 0)
        return 0

    def read(self, partition: Partition, offset: int, limit: int) -> Sequence[Message]:
        """Up to ``limit`` messages from ``offset``."""
        return self._logs[partition][offset : offset + limit]

    def end(self, partition: Partition) -> int:
        """The offset of the next message."""
        return len(self._logs[partition])

    def commit(self, group: str, positions: dict[Partition, int]) -> None:
        """Keep where ``group`` begins next time."""
        with self.arrived:
            self._committed |= {(group, p): offset for p, offset in positions.items()}


class MemoryPublisher:
    """`Publisher` on a `MemoryBus`; every delivery is done when `send` returns."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus
        self._in_flight = InFlight()
        self._closed = False

    def send(self, topic: str, key: bytes | None, value: bytes) -> Delivery:
        """As `Publisher.send`."""
        if self._closed:
            raise Closed("this publisher was closed")
        delivery = self._in_flight.enter(len(value), 0)
        try:
            receipt = self._bus.append(topic, key, value)
        except DeliveryFailed as e:
            self._in_flight.fail(delivery, e)
        else:
            self._in_flight.succeed(delivery, receipt)
        return delivery

    def flush(self, timeout: float) -> None:
        """As `Publisher.flush`."""
        self._in_flight.settle(timeout)

    def close(self, timeout: float = 10) -> None:
        """As `Publisher.close`."""
        if not self._closed:
            self._closed = True
            self._in_flight.settle(timeout)


class MemorySubscriber:
    """`Subscriber` on a `MemoryBus`."""

    def __init__(
        self,
        bus: MemoryBus,
        topics: Sequence[str],
        *,
        start: Start | datetime = Start.COMMITTED,
        group: str | None = None,
    ) -> None:
        if start is Start.COMMITTED and group is None:
            raise ValueError("Start.COMMITTED needs a group")
        self._bus = bus
        self._topics = tuple(topics)
        self._start = start
        self._group = group
        self._positions: dict[Partition, int] = {}
        self._closed = False
        self._assign(first=True)

    def poll(self, limit: int, timeout: float) -> Sequence[Message]:
        """As `Subscriber.poll`."""
        if self._closed:
            raise Closed("this subscriber was closed")
        deadline = time.monotonic() + timeout
        with self._bus.arrived:
            while True:
                self._assign()
                out: list[Message] = []
                for partition, offset in self._positions.items():
                    out += self._bus.read(partition, offset, limit - len(out))
                for m in out:
                    self._positions[m.topic, m.partition] = m.offset + 1
                left = deadline - time.monotonic()
                if out or left <= 0:
                    return out
                self._bus.arrived.wait(left)

    def commit(self) -> None:
        """As `Subscriber.commit`."""
        if self._group is None:
            raise ValueError("a commit needs a group")
        self._bus.commit(self._group, self._positions)

    def positions(self) -> dict[Partition, int]:
        """As `Subscriber.positions`."""
        return dict(self._positions)

    def ends(self, before: datetime | None = None) -> dict[Partition, int]:
        """As `Subscriber.ends`."""
        self._assign()
        start = Start.LATEST if before is None else before
        return {p: self._bus.start(p, start, None) for p in self._positions}

    def close(self) -> None:
        """As `Subscriber.close`."""
        self._closed = True

    def _assign(self, *, first: bool = False) -> None:
        for p in self._bus.partitions(self._topics):
            if p not in self._positions:
                # A partition that appears later is read from its beginning: all of it is new to us.
                late = Start.EARLIEST if self._start is Start.LATEST else self._start
                self._positions[p] = self._bus.start(p, self._start if first else late, self._group)
