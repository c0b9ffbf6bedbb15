"""Kafka silent for longer than a delivery may take: bus and sink go on when it is back."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest
from apache_beam.utils.shared import Shared
from kafka.errors import KafkaError

from connectors.bus.base import Start, drain
from connectors.bus.errors import DeliveryFailed
from connectors.bus.kafka import KafkaPublisher, KafkaSubscriber
from connectors.bus.topics import ensure_topics
from pipeline.contracts.topics import ALERTS, PRODUCER_OPTIONS, SERIES, topic_specs
from pipeline.io import kafka_sink
from tests.conftest import kafka_running, kafka_setup, wait_until

DELIVERY = 3.0
"""Seconds that a delivery may take here, for the 30 of the defaults."""
ANSWER = 15.0


@contextmanager
def _stopped(kafka: subprocess.Popen[bytes]) -> Iterator[None]:
    """It takes connections and answers nothing, as a machine does that hangs."""
    family = [psutil.Process(kafka.pid), *psutil.Process(kafka.pid).children(recursive=True)]
    os.killpg(kafka.pid, signal.SIGSTOP)
    try:
        # Else it might still take what is sent first.
        wait_until(lambda: all(p.status() == psutil.STATUS_STOPPED for p in family), "it stopped")
        yield
    finally:
        os.killpg(kafka.pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def broker(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """One of this module's own: nobody else's can be stopped."""
    with kafka_running(kafka_setup(tmp_path_factory.mktemp("kafka"))) as (bootstrap, kafka):
        ensure_topics(bootstrap, topic_specs())
        yield bootstrap, kafka


@pytest.mark.kafka
def test_the_bus_answers_all_while_kafka_is_silent_and_sends_when_it_is_back(
    broker: tuple[str, subprocess.Popen[bytes]],
) -> None:
    bootstrap, kafka = broker
    publisher = KafkaPublisher(bootstrap, client_id="test", delivery_timeout=DELIVERY)
    subscriber = KafkaSubscriber(bootstrap, [ALERTS], client_id="test", start=Start.EARLIEST)
    wait_until(lambda: _taken(publisher, b"before"), "a message is taken")

    with _stopped(kafka):
        lost = [publisher.send(ALERTS, b"k", b"lost")]
        while not lost[0].done():
            lost.append(publisher.send(ALERTS, b"k", b"lost"))
            with suppress(TimeoutError):
                lost[0].exception(0.2)
        # Those sent last had not used up their time.
        for delivery in lost:
            error = delivery.exception(ANSWER)
            assert isinstance(error, DeliveryFailed)
            assert error.retriable

    wait_until(lambda: _taken(publisher, b"after"), "a message is taken again")
    with pytest.raises(DeliveryFailed) as told:
        publisher.close()
    assert told.value.failed >= len(lost)
    values = [m.value for m in drain(subscriber)]
    subscriber.close()
    # What a failed delivery sent may have arrived all the same, but in its order.
    assert values == sorted(values, key=[b"before", b"lost", b"after"].index)
    assert {b"before", b"after"} <= set(values)


@pytest.mark.kafka
def test_the_pipelines_sink_fails_a_bundle_while_kafka_is_silent_and_not_when_it_is_back(
    broker: tuple[str, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap, kafka = broker
    limit = int(DELIVERY * 1000)
    options = {"delivery_timeout_ms": limit, "request_timeout_ms": limit // 2}
    monkeypatch.setattr(kafka_sink, "PRODUCER_OPTIONS", PRODUCER_OPTIONS | options)
    monkeypatch.setattr(kafka_sink, "_ANSWER_SECONDS", 2 * DELIVERY)
    sink = kafka_sink._Write(bootstrap, SERIES, Shared())
    sink.setup()
    wait_until(lambda: _done(sink), "a bundle is done")

    with _stopped(kafka), pytest.raises(KafkaError):
        _bundle(sink)

    wait_until(lambda: _done(sink), "a bundle is done again")
    sink._producer.drop(sink._client)


def _done(sink: kafka_sink._Write) -> bool:
    try:
        _bundle(sink)
    except KafkaError:
        return False
    return True


def _bundle(sink: kafka_sink._Write) -> None:
    sink.start_bundle()
    sink.process(("k", b"v"))
    sink.finish_bundle()


def _taken(publisher: KafkaPublisher, value: bytes) -> bool:
    return publisher.send(ALERTS, b"k", value).exception(ANSWER) is None
