"""A Kafka topic as a sink for Beam: at least once, every failed delivery seen."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.utils.shared import Shared
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, RetriableError

from pipeline.contracts.raw import Keyed
from pipeline.contracts.topics import MAX_IN_FLIGHT, PRODUCER_OPTIONS

_FLUSH_SECONDS = 60


class _Producer:
    """The producer of a process, closed when the last sink lets go of it."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._lock = threading.Lock()
        self.client = self._connect()

    def replace(self, spoiled: Any) -> None:
        """Put a new client in the place of one that refuses everything from now on."""
        with self._lock:
            # Another sink may have seen the same fault and been here before.
            if self.client is spoiled:
                self.client = self._connect()
                with suppress(KafkaTimeoutError):
                    spoiled.close(timeout=1)

    def _connect(self) -> Any:
        return KafkaProducer(bootstrap_servers=self._bootstrap.split(","), **PRODUCER_OPTIONS)

    def __del__(self) -> None:
        if hasattr(self, "client"):
            self.client.close(timeout=1)


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
            self._client = self._connected().client
        key, value = record
        self._sent.append(self._client.send(self._topic, value, key=key.encode()))
        if len(self._sent) > MAX_IN_FLIGHT:
            self._await(self._sent.popleft())

    def finish_bundle(self) -> None:
        if not self._sent:
            return
        self._client.flush(timeout=_FLUSH_SECONDS)
        # The flush does not raise: only the futures know of a failed delivery.
        for future in self._sent:
            self._await(future)

    def _connected(self) -> _Producer:
        # At the first record: most sinks of dead letters never have one, and a producer is a
        # connection and a thread that never sleeps for long.
        if self._producer is None:
            self._producer = self._shared.acquire(lambda: _Producer(self._bootstrap))
        producer: _Producer = self._producer
        return producer

    def _await(self, future: Any) -> None:
        try:
            future.get(timeout=_FLUSH_SECONDS)
        except KafkaError as e:
            # After an error that trying again cannot mend, an idempotent kafka-python producer
            # fails all that follows with the same error: the engine's next attempt needs a new one.
            if not isinstance(e, RetriableError | KafkaTimeoutError):
                self._producer.replace(self._client)
            raise
