"""What the connector exports to Prometheus: the list in the contracts, nothing else."""

from __future__ import annotations

from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from connectors.feeds.accept import Accepted
from connectors.feeds.article_pages import Page
from connectors.feeds.feed_list import Feed
from connectors.feeds.http.fetch import FetchResult, Outcome
from connectors.feeds.parse.model import DocumentReason
from connectors.feeds.state.records import State
from pipeline.contracts import metrics as names

_LIMITS: Final = {
    DocumentReason.TOO_SLOW: "time",
    DocumentReason.TOO_MUCH_MEMORY: "memory",
    DocumentReason.CRASHED: "crash",
}
_FROM_THE_START: Final = {
    "fetches": tuple(Outcome),
    "entries": ("new", "updated", "duplicate", "rejected"),
    "pages": tuple(Page),
    "parser_kills": tuple(_LIMITS.values()),
    "feeds": tuple(State),
}
"""Series that are there, and 0, before anything happens: the rate of an absent one is not 0 but
nothing, and a connector that has never asked a feed would be missed by nobody."""


class FeedMetrics:
    """The connector's metrics on one registry; an `Observer` of polls."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._by_name: dict[str, Any] = {m.name: _make(m, registry) for m in names.FEEDS}
        for name, values in _FROM_THE_START.items():
            for value in values:
                self._of(name).labels(value)

    def polled(self, feed: Feed, result: FetchResult, accepted: Accepted | None) -> None:
        """A poll is over and lasting."""
        self._of("fetches").labels(result.outcome).inc()
        self._of("fetch_seconds").observe(result.seconds)
        self._of("fetched_bytes").inc(result.wire_bytes)
        if accepted is None:
            return
        entries = self._of("entries")
        for outcome, n in (
            ("new", accepted.new),
            ("updated", accepted.updated),
            ("duplicate", accepted.duplicates),
            ("rejected", accepted.rejected),
        ):
            entries.labels(outcome).inc(n)
        for reason, n in accepted.rejects:
            self._of("rejects").labels(reason).inc(n)
        self._of("published").labels(feed.group).inc(len(accepted.articles))
        for article in accepted.articles:
            is_live = article.revision == 0 and not article.backfill
            if is_live and article.published_at is not None:
                age = (article.seen_at - article.published_at).total_seconds()
                self._of("first_sight_seconds").observe(max(age, 0.0))

    def document_rejected(self, reason: str) -> None:
        """A document was no feed."""
        self._of("rejects").labels(reason).inc()

    def parser_killed(self, reason: DocumentReason) -> None:
        """A parser process was ended for breaking a limit."""
        self._of("parser_kills").labels(_LIMITS.get(reason, "crash")).inc()

    def page_ended(self, page: Page) -> None:
        """The page of an article of a ``full_text`` feed was fetched, or not."""
        self._of("pages").labels(page).inc()

    def publish_failed(self, deliveries: int) -> None:
        """Deliveries to Kafka failed; they are tried again."""
        self._of("publish_failures").inc(deliveries)

    def set_states(self, feeds_by_state: dict[str, int]) -> None:
        """The feeds by state as they stand."""
        for state in State:
            self._of("feeds").labels(state).set(feeds_by_state.get(state, 0))

    def set_pending(self, articles: int) -> None:
        """Articles that wait in the journal."""
        self._of("pending_articles").set(articles)

    def _of(self, name: str) -> Any:
        return self._by_name[f"straitwatch_feeds_{name}"]


def _make(metric: names.Metric, registry: CollectorRegistry) -> Any:
    if metric.kind is names.Kind.COUNTER:
        return Counter(metric.name, metric.meaning, metric.labels, registry=registry)
    if metric.kind is names.Kind.GAUGE:
        return Gauge(metric.name, metric.meaning, metric.labels, registry=registry)
    return Histogram(
        metric.name, metric.meaning, metric.labels, registry=registry, buckets=metric.buckets
    )
