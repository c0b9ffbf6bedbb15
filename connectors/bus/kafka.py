"""The bus on Kafka, through kafka-python, with the options of `pipeline.contracts.topics`.

Partitions are assigned, not balanced among a group: each of our readers reads all of its topics, a
restart begins at once (no session to expire), and a rebalance can never move a partition away
between an effect and its commit.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from connectors.bus.base import Delivery, InFlight, Message, Partition, Receipt, Start
from connectors.bus.errors import Closed, DeliveryFailed, Unavailable
from connectors.bus.producer import Producer, message_at_fault
from pipeline.contracts.topics import CONSUMER_OPTIONS, PRODUCER_OPTIONS

T = TypeVar("T")

_CLIENT_OPTIONS: Final[dict[str, Any]] = {
    # A topic comes from `ensure_topics` with its settings, never from a client's first touch.
    # kafka-python 3.0.12 does not pass this on everywhere: the broker must forbid it as well.
    "allow_auto_create_topics": False,
    "bootstrap_timeout_ms": 10_000,
    "metrics_enabled": False,
}
_NEW_PARTITIONS_SECONDS: Final = 10.0
"""How often a subscriber looks for topics and partitions that did not exist before."""
_OVERDUE: Final = 4 / 3
"""Of the delivery timeout: a delivery still open then is one that the client has forgotten."""
_LOOK_SECONDS: Final = 0.5
_RECONNECT_SECONDS: Final = 1.0
_CALL_MS: Final = 20_000
"""How long a question to the broker may take."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class KafkaPublisher:
    """`Publisher` on a Kafka cluster: idempotent, acknowledged by all replicas in sync.

    Every delivery is answered, whatever becomes of the client below: one that fails, or that leaves
    a delivery open for too long, is ended with all that it holds, and the next `send` has another.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str,
        patience: float = 30,
        delivery_timeout: float = PRODUCER_OPTIONS["delivery_timeout_ms"] / 1000,
    ) -> None:
        """Connect.

        Args:
            bootstrap: ``host:port[,host:port]``.
            client_id: our name in the broker's logs.
            patience: seconds that `send` waits for room among the unacknowledged, and for a topic's
                partitions to be known.
            delivery_timeout: seconds after which an unacknowledged message has failed.

        Raises:
            Unavailable: no broker answers.
        """
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._patience = patience
        self._delivery_timeout = delivery_timeout
        self._in_flight = InFlight()
        self._lock = threading.Lock()
        self._closed = False
        self._away: Unavailable | None = None
        self._away_until = 0.0
        self._producer = self._connect()
        self._look = threading.Event()
        self._watch = threading.Thread(
            target=self._watching, name=f"{client_id}-watch", daemon=True
        )
        self._watch.start()

    def send(self, topic: str, key: bytes | None, value: bytes) -> Delivery:
        """As `Publisher.send`."""
        if self._closed:
            raise Closed("this publisher was closed")
        delivery = self._in_flight.enter(len(value), self._patience)
        try:
            producer = self._healthy()
            future = producer.client.send(topic, value=value, key=key)
        except Unavailable as e:
            self._in_flight.fail(delivery, DeliveryFailed(str(e)))
        except (KafkaError, ValueError) as e:
            # Refused before it went to the broker: no harm to the others.
            self._fail(delivery, topic, e, retriable=not message_at_fault(e))
        else:
            future.add_callback(
                lambda r: self._in_flight.succeed(delivery, Receipt(r.topic, r.partition, r.offset))
            )
            future.add_errback(lambda e: self._failed(producer, delivery, topic, e))
            if not producer.owe(delivery):
                self._in_flight.fail(delivery, _given_up())
        return delivery

    def flush(self, timeout: float) -> None:
        """As `Publisher.flush`."""
        deadline = time.monotonic() + timeout
        # The client's flush ends its wait for the linger time, but tells no failure: `settle` does.
        with suppress(KafkaTimeoutError):
            self._producer.client.flush(timeout)
        self._in_flight.settle(deadline - time.monotonic())

    def close(self, timeout: float = 10) -> None:
        """As `Publisher.close`."""
        if self._closed:
            return
        self._closed = True
        try:
            self.flush(timeout)
        finally:
            self._look.set()
            self._watch.join()
            self._end(self._producer, grace=1)

    def _connect(self) -> Producer:
        look_for(self._bootstrap)
        options = {
            "max_block_ms": int(self._patience * 1000),
            "bootstrap_servers": self._bootstrap.split(","),
            "client_id": self._client_id,
            "delivery_timeout_ms": int(self._delivery_timeout * 1000),
            # Two tries, as the options for all have it.
            "request_timeout_ms": int(self._delivery_timeout * 500),
        }
        return asked(
            lambda: Producer(KafkaProducer(**PRODUCER_OPTIONS | _CLIENT_OPTIONS | options)),
            f"Kafka at {self._bootstrap}",
        )

    def _healthy(self) -> Producer:
        with self._lock:
            if not self._producer.failed:
                return self._producer
            if self._away is not None and time.monotonic() < self._away_until:
                # A thousand messages in a row must not wait for a connection one by one.
                raise self._away
            self._end(self._producer, grace=1)
            try:
                self._producer = self._connect()
            except Unavailable as e:
                self._away, self._away_until = e, time.monotonic() + _RECONNECT_SECONDS
                raise
            return self._producer

    def _failed(
        self, producer: Producer, delivery: Delivery, topic: str, cause: BaseException
    ) -> None:
        # In the client's thread. After an error that trying again cannot mend, an idempotent
        # kafka-python producer refuses all that follows with the same error, for ever. So the first
        # one is the message at fault; those after it may be tried again, on a new client.
        culprit = message_at_fault(cause) and not producer.failed
        producer.failed = True
        self._fail(delivery, topic, cause, retriable=not culprit)
        self._look.set()

    def _fail(
        self, delivery: Delivery, topic: str, cause: BaseException, *, retriable: bool
    ) -> None:
        error = DeliveryFailed(f"{topic}: {_say(cause)}", retriable=retriable)
        error.__cause__ = cause
        self._in_flight.fail(delivery, error)

    def _watching(self) -> None:
        """End a producer that failed, or that does not answer although its time is over.

        A thread of its own: whoever sent waits for the answer, and sends nothing before it comes.
        """
        while not self._closed:
            self._look.wait(_LOOK_SECONDS)
            self._look.clear()
            producer = self._producer
            if producer.owes_for() > (1 if producer.failed else _OVERDUE * self._delivery_timeout):
                self._end(producer)

    def _end(self, producer: Producer, grace: float = 0) -> None:
        for delivery in producer.end(grace):
            self._in_flight.fail(delivery, _given_up())


def _given_up() -> DeliveryFailed:
    return DeliveryFailed("the broker did not answer in time")


class KafkaSubscriber:
    """`Subscriber` on a Kafka cluster: reads every partition of its topics."""

    def __init__(
        self,
        bootstrap: str,
        topics: Sequence[str],
        *,
        client_id: str,
        start: Start | datetime = Start.COMMITTED,
        group: str | None = None,
    ) -> None:
        """Connect and find where to begin.

        Args:
            bootstrap: ``host:port[,host:port]``.
            topics: all of their partitions are read; one that does not exist yet is waited for.
            client_id: our name in the broker's logs.
            start: where to begin in a partition; a time: at the first message not older.
            group: whose commits to begin after and to write; needed for `Start.COMMITTED`.

        Raises:
            Unavailable: no broker answers.
        """
        if start is Start.COMMITTED and group is None:
            raise ValueError("Start.COMMITTED needs a group")
        self._topics = tuple(topics)
        self._start = start
        self._group = group
        self._closed = False
        self._positions: dict[Partition, int] = {}
        self._looked_at = time.monotonic()
        look_for(bootstrap)
        self._consumer = asked(
            lambda: KafkaConsumer(
                bootstrap_servers=bootstrap.split(","),
                client_id=client_id,
                group_id=group,
                **CONSUMER_OPTIONS | _CLIENT_OPTIONS,
            ),
            f"Kafka at {bootstrap}",
        )
        try:
            self._assign(first=True)
        except BaseException:
            self.close()
            raise

    def poll(self, limit: int, timeout: float) -> Sequence[Message]:
        """As `Subscriber.poll`."""
        if self._closed:
            raise Closed("this subscriber was closed")
        deadline = time.monotonic() + timeout
        while not self._positions:
            self._assign()
            left = deadline - time.monotonic()
            if self._positions:
                break
            if left <= 0:
                return ()
            time.sleep(min(0.2, left))
        if time.monotonic() - self._looked_at > _NEW_PARTITIONS_SECONDS:
            with suppress(Unavailable):
                self._assign()
        left = max(0.0, deadline - time.monotonic())
        batches = asked(lambda: self._consumer.poll(int(left * 1000), limit), "Kafka")
        out = [_message(record) for records in batches.values() for record in records]
        for m in out:
            self._positions[m.topic, m.partition] = m.offset + 1
        return out

    def commit(self) -> None:
        """As `Subscriber.commit`."""
        if self._group is None:
            raise ValueError("a commit needs a group")
        offsets = {
            TopicPartition(*p): OffsetAndMetadata(offset, "", -1)
            for p, offset in self._positions.items()
        }
        asked(lambda: self._consumer.commit(offsets, timeout_ms=_CALL_MS), "the commit to Kafka")

    def positions(self) -> dict[Partition, int]:
        """As `Subscriber.positions`."""
        return dict(self._positions)

    def ends(self, before: datetime | None = None) -> dict[Partition, int]:
        """As `Subscriber.ends`."""
        self._assign()
        partitions = [TopicPartition(*p) for p in self._positions]
        if before is not None:
            found = self._starts(partitions, before)
        else:
            found = asked(
                lambda: self._consumer.end_offsets(partitions, timeout_ms=_CALL_MS), "Kafka"
            )
        return {(p.topic, p.partition): end for p, end in found.items()}

    def close(self) -> None:
        """As `Subscriber.close`."""
        self._closed = True
        with suppress(KafkaError):
            self._consumer.close(autocommit=False, timeout_ms=2_000)

    def _assign(self, *, first: bool = False) -> None:
        self._looked_at = time.monotonic()
        found = [
            (topic, number)
            for topic in self._topics
            for number in sorted(
                asked(lambda t=topic: self._consumer.partitions_for_topic(t), "Kafka")  # type: ignore[misc]
            )
        ]
        new = [TopicPartition(*p) for p in found if p not in self._positions]
        if not new:
            return
        # A partition that appears later is read from its beginning: all of it is new to us.
        start = Start.EARLIEST if self._start is Start.LATEST and not first else self._start
        starts = self._starts(new, start)
        self._consumer.assign([TopicPartition(*p) for p in found])
        self._positions |= {(p.topic, p.partition): offset for p, offset in starts.items()}
        for p, offset in self._positions.items():
            self._consumer.seek(TopicPartition(*p), offset)

    def _starts(
        self, partitions: list[TopicPartition], start: Start | datetime
    ) -> dict[TopicPartition, int]:
        def ask(call: Callable[[], T]) -> T:
            return asked(call, "Kafka")

        consumer = self._consumer
        first = ask(lambda: consumer.beginning_offsets(partitions, timeout_ms=_CALL_MS))
        end = ask(lambda: consumer.end_offsets(partitions, timeout_ms=_CALL_MS))
        if start is Start.EARLIEST:
            return dict(first)
        if start is Start.LATEST:
            return dict(end)
        if isinstance(start, datetime):
            at = int((start - _EPOCH) / timedelta(milliseconds=1))
            times = dict.fromkeys(partitions, at)
            hits = ask(lambda: consumer.offsets_for_times(times, timeout_ms=_CALL_MS))
            return {p: end[p] if hits.get(p) is None else hits[p].offset for p in partitions}
        out = {}
        for p in partitions:
            done = ask(lambda p=p: consumer.committed(p, timeout_ms=_CALL_MS))  # type: ignore[misc]
            # A commit beyond the end is of another cluster's life: the log here is all new.
            out[p] = first[p] if done is None or not first[p] <= done <= end[p] else done
        return out


def look_for(bootstrap: str, timeout: float = 3) -> None:
    """Return when somebody listens at one of the addresses of ``bootstrap``.

    Asked before a client is made: it waits long for a broker that is away, and leaves its sockets
    behind when it gives up.

    Raises:
        Unavailable: nobody listens.
    """
    faults = []
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout):
                return
        except (OSError, ValueError) as e:
            faults.append(f"{address.strip()} ({e})")
    raise Unavailable(f"Kafka does not answer at {', '.join(faults)}")


def asked(call: Callable[[], T], who: str) -> T:
    """The answer to ``call``.

    Raises:
        Unavailable: ``who`` does not answer.
    """
    try:
        return call()
    except KafkaError as e:
        raise Unavailable(f"{who} does not answer: {_say(e)}") from e


def _message(record: Any) -> Message:
    at = _EPOCH + timedelta(milliseconds=record.timestamp)
    return Message(record.topic, record.partition, record.offset, at, record.key, record.value)


def _say(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
