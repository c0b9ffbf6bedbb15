"""The sink's producer: replaced once after an error that spoils it, kept after one that passes."""

from __future__ import annotations

from typing import Any

import pytest
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from pipeline.io import kafka_sink


class Client:
    """A producer that fails every delivery with what it was told."""

    def __init__(self) -> None:
        self.error: KafkaError | None = None
        self.closed = False

    def send(self, topic: str, value: bytes, key: bytes) -> Any:
        return self

    def get(self, timeout: float) -> None:
        if self.error is not None:
            raise self.error

    def flush(self, timeout: float) -> None: ...

    def close(self, timeout: float) -> None:
        self.closed = True


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


def test_a_producer_whose_broker_is_away_is_kept(clients: list[Client]) -> None:
    step = writer(kafka_sink.KafkaTopics.at("localhost:1"))
    bundle(step)
    clients[0].error = KafkaTimeoutError()
    with pytest.raises(KafkaTimeoutError):
        bundle(step)
    clients[0].error = None
    bundle(step)
    assert len(clients) == 1
    assert not clients[0].closed


def test_a_sink_without_records_has_no_producer(clients: list[Client]) -> None:
    topics = kafka_sink.KafkaTopics.at("localhost:1")
    busy, idle = writer(topics), writer(topics)
    idle.start_bundle()
    idle.finish_bundle()
    assert clients == []

    bundle(busy)
    bundle(busy)

    assert len(clients) == 1
