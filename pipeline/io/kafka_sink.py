"""A Kafka topic as a sink for Beam: at least once, every failed delivery seen."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.utils.shared import Shared
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from pipeline.contracts.raw import Keyed
from pipeline.contracts.topics import MAX_IN_FLIGHT, PRODUCER_OPTIONS

_ANSWER_SECONDS = 4 / 3 * PRODUCER_OPTIONS["delivery_timeout_ms"] / 1000
"""An answer that has not come by then never will: the client has forgotten the delivery."""


class _Producer:
    """The producer of a process, closed when the last sink lets go of it."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._lock = threading.Lock()
        self._client: Any = None

    def client(self) -> Any:
        """One that has not failed.

        Raises:
            KafkaError: the broker does not answer.
        """
        with self._lock:
            if self._client is None:
                self._client = KafkaProducer(
                    bootstrap_servers=self._bootstrap.split(","), **PRODUCER_OPTIONS
                )
            return self._client

    def drop(self, failed: Any) -> None:
        """Let the next bundle have a new client."""
        with self._lock:
            # Another sink may have seen the same fault and been here before.
            if self._client is not failed:
                return
            self._client = None
        _end(failed)

    def __del__(self) -> None:
        # Perhaps at the interpreter's end, when this module has no names any more.
        if self._client is not None:
            self._client._sender.force_close()


def _end(client: Any) -> None:
    # Its `close` raises, and leaves its thread running, when something is not answered in time. A
    # bundle that ended has no open deliveries, and those of one that failed are sent again.
    client._sender.force_close()
    client._sender.join(2)
    with suppress(KafkaTimeoutError):
        client.close(timeout=0)


@dataclass(frozen=True)
class KafkaTopics:
    """Makes sinks that share one producer in each process."""

    bootstrap: str
    shared: Any

    @classmethod
    def at(cls, bootstrap: str) -> KafkaTopics:
        """Sinks for the Kafka at ``bootstrap``."""
        return cls(bootstrap, Shared())

    def sink(self, topic: str) -> WriteKafka:
        """The sink of one topic."""
        return WriteKafka(self.bootstrap, topic, self.shared)


@dataclass
class WriteKafka(beam.PTransform[Any, Any]):
    """Writes `Keyed` records to a topic.

    A bundle is done when the broker acknowledged all of it; a failed delivery fails the bundle, and
    the engine tries it again. So a record may come twice after a failure: ids make that harmless.
    """

    bootstrap: str
    topic: str
    shared: Any

    def expand(self, records: PCollection[Any]) -> Any:
        """Nothing comes out."""
        return records | "Write" >> beam.ParDo(_Write(self.bootstrap, self.topic, self.shared))


class _Write(beam.DoFn):
    def __init__(self, bootstrap: str, topic: str, shared: Any) -> None:
        self._bootstrap, self._topic, self._shared = bootstrap, topic, shared

    def setup(self) -> None:
        self._producer: Any = None

    def start_bundle(self) -> None:
        self._sent: deque[Any] = deque()
        self._client: Any = None

    def process(self, record: Keyed) -> None:
        if self._client is None:
            self._client = self._connected().client()
        key, value = record
        with self._replacing():
            self._sent.append(self._client.send(self._topic, value, key=key.encode()))
            if len(self._sent) > MAX_IN_FLIGHT:
                self._sent.popleft().get(timeout=_ANSWER_SECONDS)

    def finish_bundle(self) -> None:
        if not self._sent:
            return
        with self._replacing():
            self._client.flush(timeout=_ANSWER_SECONDS)
            # The flush does not raise for a failed delivery: only the futures know of it.
            for future in self._sent:
                future.get(timeout=_ANSWER_SECONDS)

    def _connected(self) -> _Producer:
        # At the first record: most sinks of dead letters never have one, and a producer is a
        # connection and a thread that never sleeps for long.
        if self._producer is None:
            self._producer = self._shared.acquire(lambda: _Producer(self._bootstrap))
        producer: _Producer = self._producer
        return producer

    @contextmanager
    def _replacing(self) -> Iterator[None]:
        # After an error that trying again cannot mend, an idempotent kafka-python producer fails
        # all that follows with the same error; after a delivery that expired, it may send nothing
        # and answer nothing any more. So the engine's next attempt has a new one after any error.
        try:
            yield
        except KafkaError:
            self._producer.drop(self._client)
            raise
