"""The desk's metrics, from the one list in `pipeline.contracts.metrics`."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pipeline.contracts.metrics import metric
from pipeline.contracts.records import Lang, SeriesPoint

_LANGUAGES: Final = frozenset(Lang)
_LEVELS: Final = frozenset("0123")
_OUTCOMES: Final = ("sent", "retry", "refused", "dead", "repeat", "overtaken")


class DeskMetrics:
    """Every metric of the desk, in one registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.revisions = self._counter("straitwatch_desk_alert_revisions")
        self.unreadable = self._counter("straitwatch_desk_unreadable_records")
        self.deliveries = self._counter("straitwatch_desk_deliveries")
        self.attempt_seconds = self._histogram("straitwatch_desk_attempt_seconds")
        self.outbox = self._gauge("straitwatch_desk_outbox_messages")
        self.undelivered = self._gauge("straitwatch_desk_undelivered_messages")
        self.open_alerts = self._gauge("straitwatch_desk_open_alerts")
        self.seen_to_delivered = self._histogram("straitwatch_desk_seen_to_delivered_seconds")
        self.seen_to_alert = self._histogram("straitwatch_desk_seen_to_alert_seconds")
        self.alert_to_delivered = self._histogram("straitwatch_desk_alert_to_delivered_seconds")
        self.published_to_delivered = self._histogram(
            "straitwatch_desk_published_to_delivered_seconds"
        )
        self._series = {
            name: self._gauge(f"straitwatch_series_{name}")
            for name in ("independent", "raw", "expected", "upper", "score", "exposure")
        }
        self._warm = self._gauge("straitwatch_series_warm")
        self._blind = self._gauge("straitwatch_series_blind")
        self._bucket = self._gauge("straitwatch_series_bucket_timestamp_seconds")
        self._by_language = self._gauge("straitwatch_series_by_language")
        self._by_level = self._gauge("straitwatch_series_by_level")

    def expect(self, kind: str) -> None:
        """Export the outcomes of a kind of channel as 0, so that a first one shows as a rise."""
        for outcome in _OUTCOMES:
            self.deliveries.labels(kind, outcome)

    def show(self, point: SeriesPoint) -> None:
        """Let the gauges of a series show its newest bucket."""
        labels = (point.topic, point.series.value)
        for name, gauge in self._series.items():
            gauge.labels(*labels).set(getattr(point, name))
        self._warm.labels(*labels).set(point.warm)
        self._blind.labels(*labels).set(point.blind)
        self._bucket.labels(*labels).set(point.bucket.timestamp())
        for gauge, known, counts in (
            (self._by_language, _LANGUAGES, dict(point.by_language)),
            (self._by_level, _LEVELS, dict(point.by_level)),
        ):
            # All of them each time: one that is absent counted nothing.
            for name in sorted(known):
                gauge.labels(*labels, name).set(counts.get(name, 0))

    def _counter(self, name: str) -> Counter:
        m = metric(name)
        return Counter(m.name, m.meaning, m.labels, registry=self.registry)

    def _gauge(self, name: str) -> Gauge:
        m = metric(name)
        return Gauge(m.name, m.meaning, m.labels, registry=self.registry)

    def _histogram(self, name: str) -> Histogram:
        m = metric(name)
        return Histogram(m.name, m.meaning, m.labels, registry=self.registry, buckets=m.buckets)
