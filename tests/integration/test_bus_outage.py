"""A broker that is away for longer than a delivery may take, and comes back: the bus goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from connectors.bus.base import Start, drain
from connectors.bus.errors import DeliveryFailed
from connectors.bus.kafka import KafkaPublisher, KafkaSubscriber
from connectors.bus.topics import ensure_topics
from pipeline.contracts.topics import ALERTS, topic_specs
from tests.conftest import kafka_running, kafka_setup, wait_until

DELIVERY = 2.0
"""Seconds that a delivery may take here, for the 30 of the defaults."""
ANSWER = 20.0


@contextmanager
def _stopped(kafka: subprocess.Popen[bytes]) -> Iterator[None]:
    """It takes connections and answers nothing, as a machine does that hangs."""
    os.killpg(kafka.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(kafka.pid, signal.SIGCONT)


@pytest.mark.kafka
def test_a_broker_silent_for_longer_than_a_delivery_may_take_is_used_again(tmp_path: Path) -> None:
    with kafka_running(kafka_setup(tmp_path)) as (bootstrap, kafka):
        ensure_topics(bootstrap, topic_specs())
        publisher = KafkaPublisher(bootstrap, client_id="outage", delivery_timeout=DELIVERY)
        subscriber = KafkaSubscriber(bootstrap, [ALERTS], client_id="test", start=Start.EARLIEST)
        publisher.send(ALERTS, b"k", b"before").result(ANSWER)
        assert [m.value for m in drain(subscriber)] == [b"before"]

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
    # What a failed delivery sent may have arrived all the same.
    assert values[-1] == b"after"
    assert set(values) <= {b"lost", b"after"}
    assert not [t.name for t in threading.enumerate() if t.name.startswith("outage-")]


def _taken(publisher: KafkaPublisher, value: bytes) -> bool:
    return publisher.send(ALERTS, b"k", value).exception(ANSWER) is None
