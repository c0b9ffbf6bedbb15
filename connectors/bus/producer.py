"""One kafka-python producer with the deliveries it owes, from its making to its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from kafka import KafkaProducer
from kafka.errors import (
    InvalidRecordError,
    InvalidTopicError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from connectors.bus.base import Delivery

_AT_FAULT: Final = (
    InvalidRecordError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TypeError,
    ValueError,
)
_END_SECONDS: Final = 2.0
"""How long the end of a producer's thread is waited for: it may be asleep in a connection."""


def message_at_fault(cause: BaseException) -> bool:
    """Whether it lies in the message, so that every other try fails as well.

    All else may pass: a broker comes back, a lost sequence number is of one producer, a right can
    be given. An error that is not known here must not cost a message.
    """
    return isinstance(cause, _AT_FAULT)


class Producer:
    """A `KafkaProducer` that fails once: then another takes its place.

    kafka-python 3.0.12 does not survive a delivery that expires after it was sent at least once.
    Its sender forgets the producer id and never asks for another (`reset_producer_id` leaves the
    state at READY, where `init_producer_id` does nothing), so it sends nothing more and expires
    nothing more: what it holds is never answered.
    """

    def __init__(self, client: KafkaProducer) -> None:
        self.client = client
        self.failed = False
        """Nothing more is sent through it."""
        self._lock = threading.Lock()
        self._open: dict[Delivery, float] = {}  # in the order of sending, each with its time
        self._ended = False

    def owe(self, delivery: Delivery) -> bool:
        """Keep ``delivery`` until it is answered; False when this producer has ended before."""
        with self._lock:
            if self._ended:
                return False
            self._open[delivery] = time.monotonic()
        delivery.add_done_callback(self._answered)  # type: ignore[arg-type]
        return True

    def owes_for(self) -> float:
        """Seconds that the oldest delivery has been open; 0 when there is none."""
        with self._lock:
            return time.monotonic() - next(iter(self._open.values()), time.monotonic())

    def end(self, grace: float = 0) -> Sequence[Delivery]:
        """Close, after ``grace`` seconds in which open deliveries may still be answered.

        Returns those that are open after that: nobody else will answer them.
        """
        self.failed = True
        if grace > 0:
            with suppress(KafkaTimeoutError):
                self.client.close(grace)
        # `close` gives up before it ends the thread when something is not answered in time. The
        # thread would go on, and send old messages after newer ones of the next producer.
        # (`pipeline.io.kafka_sink` ends its own like this: neither may import the other, and what
        # both may import, the contracts, knows no Kafka.)
        sender = self.client._sender
        sender.force_close()
        sender.join(_END_SECONDS)
        with suppress(KafkaTimeoutError):
            self.client.close(0)
        with self._lock:
            self._ended = True
            return tuple(self._open)

    def _answered(self, delivery: Delivery) -> None:
        with self._lock:
            self._open.pop(delivery, None)
