"""The Kafka publisher's watch: a client that never answers is ended, and what it held fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from kafka.errors import (
    IllegalStateError,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumberError,
)
from kafka.future import Future
from kafka.producer.future import RecordMetadata

from connectors.bus import kafka as bus
from connectors.bus.base import Receipt
from connectors.bus.errors import DeliveryFailed, Unavailable

WAIT = 10.0
TAKEN = RecordMetadata("t", 0, None, 7, 0, None, 1, 1, -1)


class Client:
    """A kafka-python producer that answers only when it is told to."""

    def __init__(self) -> None:
        self.futures: list[Future] = []
        self.ended = False
        self._sender = self

    def send(self, topic: str, value: bytes, key: bytes | None) -> Future:
        if self.ended:
            raise IllegalStateError("closed")
        self.futures.append(Future())
        return self.futures[-1]

    def flush(self, timeout: float) -> None: ...

    def close(self, timeout: float) -> None: ...

    def force_close(self) -> None:
        self.ended = True

    def join(self, timeout: float) -> None: ...


class Broker:
    """Makes the clients, while it is there."""

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.looked = 0
        self.away = False

    def look(self, bootstrap: str) -> None:
        self.looked += 1
        if self.away:
            raise Unavailable("away")

    def client(self, **options: Any) -> Client:
        self.clients.append(Client())
        return self.clients[-1]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(bus, "KafkaProducer", broker.client)
    monkeypatch.setattr(bus, "look_for", broker.look)
    monkeypatch.setattr(bus, "_LOOK_SECONDS", 0.01)
    return broker


@pytest.fixture
def publisher(broker: Broker) -> Iterator[bus.KafkaPublisher]:
    publisher = bus.KafkaPublisher("b:1", client_id="watch", delivery_timeout=0.1)
    yield publisher
    for client in broker.clients:
        for future in client.futures:
            if not future.is_done:
                future.success(TAKEN)
    with suppress(DeliveryFailed):
        publisher.close(0)


def failure(delivery: Any) -> DeliveryFailed:
    error = delivery.exception(WAIT)
    assert isinstance(error, DeliveryFailed)
    return error


def test_what_a_client_never_answers_fails_and_the_next_message_has_another_client(
    broker: Broker, publisher: bus.KafkaPublisher
) -> None:
    forgotten = [publisher.send("t", b"k", b"v") for _ in range(3)]
    assert all(failure(d).retriable for d in forgotten)
    assert broker.clients[0].ended

    again = publisher.send("t", b"k", b"v")
    broker.clients[1].futures[0].success(TAKEN)

    assert again.result(WAIT) == Receipt("t", 0, 7)
    with pytest.raises(DeliveryFailed) as told:
        publisher.flush(WAIT)
    assert told.value.failed == 3


def test_an_answer_that_comes_too_late_changes_nothing(
    broker: Broker, publisher: bus.KafkaPublisher
) -> None:
    forgotten = publisher.send("t", b"k", b"v")
    error = failure(forgotten)
    broker.clients[0].futures[0].success(TAKEN)
    assert forgotten.exception(0) is error


def test_one_expired_delivery_ends_the_client_and_the_others_are_answered(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, publisher: bus.KafkaPublisher
) -> None:
    monkeypatch.setattr(bus, "_OVERDUE", float("inf"))
    first, second = publisher.send("t", b"k", b"1"), publisher.send("t", b"k", b"2")
    broker.clients[0].futures[0].failure(KafkaError("expired"))
    assert failure(first).retriable
    assert failure(second).retriable
    assert broker.clients[0].ended


@pytest.mark.parametrize(
    ("cause", "again"),
    [
        (MessageSizeTooLargeError(), False),
        (OutOfOrderSequenceNumberError(), True),
        (IllegalStateError("closed"), True),
        (KafkaError("of a kind that nobody has seen"), True),
    ],
)
def test_only_what_lies_in_the_message_is_refused_for_good(
    broker: Broker, publisher: bus.KafkaPublisher, cause: KafkaError, again: bool
) -> None:
    delivery = publisher.send("t", b"k", b"v")
    broker.clients[0].futures[0].failure(cause)
    assert failure(delivery).retriable is again


def test_while_the_broker_is_away_messages_fail_without_a_look_for_each(
    broker: Broker, publisher: bus.KafkaPublisher
) -> None:
    failure(publisher.send("t", b"k", b"v"))
    broker.away, broker.looked = True, 0
    assert all(failure(publisher.send("t", b"k", b"v")).retriable for _ in range(50))
    assert broker.looked < 5
