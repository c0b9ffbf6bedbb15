"""Every metric that Straitwatch exports: name, kind, labels, meaning. The one list.

Prefix ``straitwatch_``, base units. Label values come from enums, topic and feed-group names only:
never a URL, a title or a host. Dashboards, alert rules and documentation are held against this list
by a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """Prometheus' metric types that we use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; counters are named without the ``_total`` that exporters add."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, in the metric's unit."""


LATENCY_BUCKETS: Final = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
"""Seconds; 15 is the target from story to alert."""

FEEDS: Final[tuple[Metric, ...]] = (
    Metric("straitwatch_feeds_fetches", Kind.COUNTER, "Fetches, by how they ended.", ("outcome",)),
    Metric(
        "straitwatch_feeds_fetch_seconds",
        Kind.HISTOGRAM,
        "Length of one fetch.",
        (),
        (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    ),
    Metric("straitwatch_feeds_fetched_bytes", Kind.COUNTER, "Bytes on the wire."),
    Metric(
        "straitwatch_feeds_entries",
        Kind.COUNTER,
        "Entries of fetched documents: new, updated, duplicate or rejected.",
        ("outcome",),
    ),
    Metric(
        "straitwatch_feeds_rejects",
        Kind.COUNTER,
        "Rejected entries and documents, by reason.",
        ("reason",),
    ),
    Metric(
        "straitwatch_feeds_published",
        Kind.COUNTER,
        "Articles that Kafka acknowledged, by group.",
        ("group",),
    ),
    Metric(
        "straitwatch_feeds_publish_failures",
        Kind.COUNTER,
        "Failed deliveries to Kafka; each is tried again.",
    ),
    Metric(
        "straitwatch_feeds_first_sight_seconds",
        Kind.HISTOGRAM,
        "From publication to first sight of an article.",
        (),
        LATENCY_BUCKETS,
    ),
    Metric("straitwatch_feeds_feeds", Kind.GAUGE, "Feeds by state.", ("state",)),
    Metric(
        "straitwatch_feeds_pending_articles",
        Kind.GAUGE,
        "Articles in the journal that Kafka has not acknowledged.",
    ),
    Metric(
        "straitwatch_feeds_pages",
        Kind.COUNTER,
        "Pages of articles of full_text feeds: text, no_text, disallowed, failed, left_out.",
        ("outcome",),
    ),
    Metric(
        "straitwatch_feeds_parser_kills",
        Kind.COUNTER,
        "Parser processes ended for breaking a limit.",
        ("limit",),
    ),
)

PIPELINE: Final[tuple[Metric, ...]] = (
    Metric(
        "straitwatch_pipeline_articles",
        Kind.COUNTER,
        "Articles by outcome: tagged, off_topic, duplicate, dead_letter; redelivered apart.",
        ("outcome",),
    ),
    Metric(
        "straitwatch_pipeline_rule_failures",
        Kind.COUNTER,
        "Articles and feed reports that a rule failed on and that were set aside, by step.",
        ("step",),
    ),
    Metric(
        "straitwatch_pipeline_backlog_messages",
        Kind.GAUGE,
        "Messages on the articles topic that the pipeline has not taken yet.",
    ),
)

DESK: Final[tuple[Metric, ...]] = (
    Metric(
        "straitwatch_desk_alert_revisions",
        Kind.COUNTER,
        "Alert revisions taken from Kafka.",
        ("topic", "severity"),
    ),
    Metric(
        "straitwatch_desk_deliveries",
        Kind.COUNTER,
        "Attempts by kind of channel and outcome: sent, retry, refused, dead; repeat: sent again "
        "after a crash that left open whether it had arrived; overtaken: not sent to a person, as "
        "a later revision waited too.",
        ("channel", "outcome"),
    ),
    Metric(
        "straitwatch_desk_attempt_seconds",
        Kind.HISTOGRAM,
        "Length of one attempt, by kind of channel.",
        ("channel",),
        (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    ),
    Metric("straitwatch_desk_outbox_messages", Kind.GAUGE, "Messages that wait to be delivered."),
    Metric(
        "straitwatch_desk_undelivered_messages",
        Kind.GAUGE,
        "Messages that never will be delivered: refused, dead (given up) or dropped.",
        ("state",),
    ),
    Metric(
        "straitwatch_desk_open_alerts",
        Kind.GAUGE,
        "Episodes that are not closed, by topic and severity.",
        ("topic", "severity"),
    ),
    Metric(
        "straitwatch_desk_unreadable_records",
        Kind.COUNTER,
        "Records from Kafka that the desk could not read, by reason.",
        ("reason",),
    ),
    Metric(
        "straitwatch_desk_seen_to_delivered_seconds",
        Kind.HISTOGRAM,
        "From first sight of the newest article behind a revision to its delivery.",
        (),
        LATENCY_BUCKETS,
    ),
    Metric(
        "straitwatch_desk_seen_to_alert_seconds",
        Kind.HISTOGRAM,
        "From first sight of the newest article behind a revision to the revision.",
        (),
        LATENCY_BUCKETS,
    ),
    Metric(
        "straitwatch_desk_alert_to_delivered_seconds",
        Kind.HISTOGRAM,
        "From an alert's revision to its delivery.",
        (),
        LATENCY_BUCKETS,
    ),
    Metric(
        "straitwatch_desk_published_to_delivered_seconds",
        Kind.HISTOGRAM,
        "From publication of the newest article behind a revision to its delivery.",
        (),
        LATENCY_BUCKETS,
    ),
    Metric(
        "straitwatch_series_independent",
        Kind.GAUGE,
        "Independent stories in the newest bucket.",
        ("topic", "series"),
    ),
    Metric(
        "straitwatch_series_raw",
        Kind.GAUGE,
        "Articles in the newest bucket, reprints included.",
        ("topic", "series"),
    ),
    Metric(
        "straitwatch_series_expected",
        Kind.GAUGE,
        "Expected stories in the newest bucket.",
        ("topic", "series"),
    ),
    Metric(
        "straitwatch_series_upper",
        Kind.GAUGE,
        "Upper bound of the ordinary range in the newest bucket.",
        ("topic", "series"),
    ),
    Metric(
        "straitwatch_series_score",
        Kind.GAUGE,
        "How unlikely the windows that end now are: -log10 p.",
        ("topic", "series"),
    ),
    Metric(
        "straitwatch_series_exposure",
        Kind.GAUGE,
        "Share of the usual feed capacity that delivered.",
        ("topic", "series"),
    ),
    Metric(
        "straitwatch_series_warm", Kind.GAUGE, "1 when the baseline is warm.", ("topic", "series")
    ),
    Metric(
        "straitwatch_series_blind",
        Kind.GAUGE,
        "1 when the feeds were silent in the newest bucket: its count says nothing.",
        ("topic", "series"),
    ),
    Metric(
        "straitwatch_series_bucket_timestamp_seconds",
        Kind.GAUGE,
        "Start of the newest bucket, Unix time: when it stands still, the pipeline does.",
        ("topic", "series"),
    ),
    Metric(
        "straitwatch_series_by_language",
        Kind.GAUGE,
        "Stories in the newest bucket, by language.",
        ("topic", "series", "language"),
    ),
    Metric(
        "straitwatch_series_by_level",
        Kind.GAUGE,
        "Stories in the newest bucket, by level of escalation.",
        ("topic", "series", "level"),
    ),
)

SERVICE: Final[tuple[Metric, ...]] = (
    Metric("straitwatch_service_up", Kind.GAUGE, "1 while a part of the service is up.", ("part",)),
    Metric(
        "straitwatch_service_restarts",
        Kind.COUNTER,
        "Times that the supervisor started a part again.",
        ("part",),
    ),
    Metric(
        "straitwatch_service_disk_free_bytes",
        Kind.GAUGE,
        "Room on the disk of the home folder.",
    ),
)

METRICS: Final[tuple[Metric, ...]] = FEEDS + PIPELINE + DESK + SERVICE


def metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        KeyError: it is not in the list, so it must not be exported.
    """
    for candidate in METRICS:
        if candidate.name == name:
            return candidate
    raise KeyError(name)
