"""The sink's producer: one for all sinks of a process, replaced once after an error."""

from __future__ import annotations

from typing import Any

import pytest
from kafka.errors import (
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
)

from pipeline.io import kafka_sink


class Client:
    """A producer that fails every delivery with what it was told."""

    def __init__(self) -> None:
        self.error: KafkaError | None = None
        self.silent = False
        self.closed = False
        self.waits = 0
        self._sender = self

    def send(self, topic: str, value: bytes, key: bytes) -> Any:
        if self.closed:
            raise IllegalStateError("closed")
        return self

    def get(self, timeout: float) -> None:
        self.waits += 1
        if self.error is not None:
            raise self.error

    def flush(self, timeout: float) -> None:
        if self.silent:
            raise KafkaTimeoutError

    def close(self, timeout: float) -> None: ...

    def force_close(self) -> None:
        self.closed = True

    def join(self, timeout: float) -> None: ...


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    made: list[Client] = []

    def make(**options: Any) -> Client:
        made.append(Client())
        return made[-1]

    monkeypatch.setattr(kafka_sink, "KafkaProducer", make)
    return made


def writer(topics: kafka_sink.KafkaTopics) -> Any:
    step = kafka_sink._Write(topics.bootstrap, "t", topics.shared)
    step.setup()
    return step


def bundle(step: Any) -> None:
    step.start_bundle()
    step.process(("k", b"v"))
    step.finish_bundle()


def test_a_producer_that_refuses_for_good_is_replaced_once_for_all_sinks(
    clients: list[Client],
) -> None:
    topics = kafka_sink.KafkaTopics.at("localhost:1")
    first, second = writer(topics), writer(topics)
    bundle(first)
    clients[0].error = MessageSizeTooLargeError()
    second.start_bundle()
    second.process(("k", b"v"))
    with pytest.raises(MessageSizeTooLargeError):
        bundle(first)
    with pytest.raises(MessageSizeTooLargeError):
        second.finish_bundle()

    bundle(first)
    bundle(second)

    assert [c.closed for c in clients] == [True, False]


def test_a_sink_that_notices_late_leaves_the_others_their_new_producer(
    clients: list[Client],
) -> None:
    topics = kafka_sink.KafkaTopics.at("localhost:1")
    first, second = writer(topics), writer(topics)
    second.start_bundle()
    second.process(("k", b"v"))
    clients[0].error = KafkaTimeoutError()
    with pytest.raises(KafkaTimeoutError):
        bundle(first)
    bundle(first)
    with pytest.raises(KafkaTimeoutError):
        second.finish_bundle()

    bundle(second)

    assert [c.closed for c in clients] == [True, False]


def test_a_large_bundle_has_no_more_than_so_many_records_on_their_way(
    clients: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_sink, "MAX_IN_FLIGHT", 3)
    step = writer(kafka_sink.KafkaTopics.at("localhost:1"))
    step.start_bundle()
    for _ in range(10):
        step.process(("k", b"v"))

    assert clients[0].waits == 7


@pytest.mark.parametrize("silent", [False, True])
def test_a_producer_with_a_delivery_that_expired_or_was_not_answered_is_replaced(
    clients: list[Client], silent: bool
) -> None:
    step = writer(kafka_sink.KafkaTopics.at("localhost:1"))
    bundle(step)
    clients[0].silent, clients[0].error = silent, KafkaTimeoutError()
    with pytest.raises(KafkaTimeoutError):
        bundle(step)

    bundle(step)

    assert [c.closed for c in clients] == [True, False]


def test_a_bundle_whose_producer_another_sink_has_closed_fails_and_the_next_one_does_not(
    clients: list[Client],
) -> None:
    topics = kafka_sink.KafkaTopics.at("localhost:1")
    first, second = writer(topics), writer(topics)
    second.start_bundle()
    second.process(("k", b"v"))
    clients[0].error = KafkaTimeoutError()
    with pytest.raises(KafkaTimeoutError):
        bundle(first)
    with pytest.raises(IllegalStateError):
        second.process(("k", b"v"))

    bundle(second)

    assert [c.closed for c in clients] == [True, False]


def test_a_broker_that_is_away_fails_the_bundle_and_not_those_after_it(
    clients: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = writer(kafka_sink.KafkaTopics.at("localhost:1"))
    make = kafka_sink.KafkaProducer

    def away(**options: Any) -> Client:
        raise KafkaConnectionError

    monkeypatch.setattr(kafka_sink, "KafkaProducer", away)
    with pytest.raises(KafkaConnectionError):
        bundle(step)
    monkeypatch.setattr(kafka_sink, "KafkaProducer", make)

    bundle(step)

    assert len(clients) == 1


def test_a_sink_without_records_has_no_producer(clients: list[Client]) -> None:
    topics = kafka_sink.KafkaTopics.at("localhost:1")
    busy, idle = writer(topics), writer(topics)
    idle.start_bundle()
    idle.finish_bundle()
    assert clients == []

    bundle(busy)
    bundle(busy)

    assert len(clients) == 1
