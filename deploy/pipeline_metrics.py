"""The pipeline's metrics, from its own ledger (exact after every recovery) and dead letters."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from connectors.bus.base import Message, Start
from connectors.bus.errors import Unavailable
from connectors.bus.kafka import KafkaSubscriber
from pipeline.contracts import codec
from pipeline.contracts.errors import DecodeError
from pipeline.contracts.metrics import metric
from pipeline.contracts.records import DeadLetter, DeadReason, Ledger
from pipeline.contracts.topics import ARTICLES, DEAD_LETTERS, LEDGER

R = TypeVar("R")
_LOG: Final = logging.getLogger(__name__)
_RETRY_SECONDS: Final = 5.0
_NAME: Final = "straitwatch-pipeline-metrics"
_OUTCOMES: Final = {
    "tagged": "tagged",
    "off_topic": "off_topic",
    "duplicate": "duplicates",
    "dead_letter": "dead_letters",
    "redelivered": "redelivered",
}
"""Label value -> field of `Ledger`."""
_STEPS: Final = ("TagArticle", "GroupStories", "DetectSpikes")
"""Where a rule can fail; shown from the start, so that the first failure is an increase."""


class LedgerCollector(Collector):
    """The newest ledger record of each partition, as counters."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, int], Ledger] = {}
        self._ends: dict[tuple[str, int], int] = {}
        self._failures = dict.fromkeys(_STEPS, 0)
        self._lock = threading.Lock()

    def take(self, record: Ledger) -> None:
        """One more record, in the order of the topic."""
        with self._lock:
            if any(r.generation != record.generation for r in self._newest.values()):
                # A replay on purpose counts anew; Prometheus sees a counter reset, as it should.
                self._newest.clear()
            self._newest[record.source_topic, record.partition] = record

    def take_letter(self, letter: DeadLetter) -> None:
        """One more dead letter."""
        if letter.reason is DeadReason.RULE_FAILED and letter.step in _STEPS:
            with self._lock:
                self._failures[letter.step] += 1

    def collect(self) -> Iterator[Metric]:
        """Prometheus' samples."""
        listed = metric("straitwatch_pipeline_articles")
        family = CounterMetricFamily(listed.name, listed.meaning, labels=listed.labels)
        with self._lock:
            records, failures = tuple(self._newest.values()), dict(self._failures)
        for outcome, field in _OUTCOMES.items():
            family.add_metric([outcome], sum(getattr(r, field) for r in records))
        yield family
        listed = metric("straitwatch_pipeline_rule_failures")
        family = CounterMetricFamily(listed.name, listed.meaning, labels=listed.labels)
        for step, count in failures.items():
            family.add_metric([step], count)
        yield family
        listed = metric("straitwatch_pipeline_backlog_messages")
        yield GaugeMetricFamily(listed.name, listed.meaning, value=self._backlog(records))

    def log_ends(self, ends: dict[tuple[str, int], int]) -> None:
        """The offset that comes next on each partition of the articles topic."""
        with self._lock:
            self._ends = dict(ends)

    def _backlog(self, records: tuple[Ledger, ...]) -> int:
        taken = {(r.source_topic, r.partition): r.through_offset + 1 for r in records}
        return sum(max(0, end - taken.get(part, 0)) for part, end in self._ends.items())


def export_pipeline_metrics(kafka: str, port: int) -> None:
    """Serve the metrics page on ``port`` of the loopback address, from a thread of its own.

    Raises:
        OSError: the port is taken.
    """
    collector = LedgerCollector()
    registry = CollectorRegistry()
    registry.register(collector)
    start_http_server(port, "127.0.0.1", registry)
    threading.Thread(target=_follow, args=(kafka, collector), daemon=True).start()


def _follow(kafka: str, collector: LedgerCollector) -> None:
    pause = threading.Event()
    while True:
        try:
            with (
                closing(_subscriber(kafka, LEDGER, Start.EARLIEST)) as ledger,
                closing(_subscriber(kafka, DEAD_LETTERS, Start.LATEST)) as letters,
                closing(_subscriber(kafka, ARTICLES, Start.LATEST)) as articles,
            ):
                while True:
                    take_all(Ledger, collector.take, ledger.poll(1000, 5.0))
                    take_all(DeadLetter, collector.take_letter, letters.poll(100, 0.1))
                    collector.log_ends(articles.ends())
        except Unavailable:
            pass  # it comes back
        except Exception:  # noqa: BLE001
            # A thread that ends would leave a page that stands still, and nobody would know.
            _LOG.exception("the ledger cannot be followed; trying again")
        pause.wait(_RETRY_SECONDS)


def take_all(record: type[R], take: Callable[[R], None], messages: Iterable[Message]) -> None:
    """``take`` each record; a message that is none is logged and passed over."""
    for message in messages:
        try:
            decoded = codec.decode(record, message.value)
        except DecodeError as e:
            _LOG.warning(
                "%s, partition %d, offset %d is no %s record: %s",
                *(message.topic, message.partition, message.offset, record.__name__, e),
            )
        else:
            take(decoded)


def _subscriber(kafka: str, topic: str, start: Start) -> KafkaSubscriber:
    return KafkaSubscriber(kafka, [topic], client_id=_NAME, start=start)
