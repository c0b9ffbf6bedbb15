"""The Kafka topics, and the client options that nobody may leave to defaults.

Both `pipeline.io` and `connectors.bus` use kafka-python; what must hold for both stands here once,
as plain data (design, section 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A Kafka topic as it must be created."""

    name: str
    partitions: int
    """At first; more may be added by an operator."""
    retention: timedelta | None
    """None: kept by key (compacted)."""
    max_message_bytes: int = 1 * MIB
    append_time: bool = False
    """The broker stamps records on arrival (LogAppendTime): a partition's times never go back."""

    def config(self) -> dict[str, str]:
        """The topic's settings for Kafka."""
        out = {
            "max.message.bytes": str(self.max_message_bytes),
            "message.timestamp.type": "LogAppendTime" if self.append_time else "CreateTime",
        }
        if self.retention is None:
            out |= {"cleanup.policy": "compact", "min.compaction.lag.ms": "3600000"}
        else:
            out |= {
                "cleanup.policy": "delete",
                # Only whole segments expire: a quiet topic would keep its one for a week or more.
                "segment.ms": str(24 * 3600 * 1000),
                "retention.ms": str(int(self.retention.total_seconds() * 1000)),
            }
        return out


ARTICLES: Final = "news.articles.v1"
FEEDS: Final = "news.feeds.v1"
TAGGED: Final = "news.tagged.v1"
SERIES: Final = "news.series.v1"
ALERTS: Final = "news.alerts.v1"
DEAD_LETTERS: Final = "news.dead-letters.v1"
LEDGER: Final = "news.ledger.v1"

MAX_ARTICLE_BYTES: Final = 16 * MIB
"""What Kafka takes on the articles topic: a poison message must get in to be named."""

LARGEST_ARTICLE_BYTES: Final = 1 * MIB
"""What the pipeline works on; a larger article is a dead letter.

The records made of an article must fit their topics, or their writer fails for ever. The largest
that a feed can give, 2,000 characters of title and 10,000 of summary, takes a tenth of this.
"""
LARGEST_ID: Final = 256
"""Characters of an article's id, which alerts repeat; ours have 64 or fewer."""


def topic_specs(retention_days: int = 60, article_partitions: int = 2) -> tuple[TopicSpec, ...]:
    """All topics, for ``retention_days`` of articles.

    Alerts and dead letters outlive articles: they are few, and what an analyst asks for later.
    """
    keep = timedelta(days=retention_days)
    long = max(keep, timedelta(days=365))
    return (
        # The pipeline's seen clock is the broker's, so a replay ticks as the live run did.
        TopicSpec(ARTICLES, article_partitions, keep, MAX_ARTICLE_BYTES, append_time=True),
        TopicSpec(FEEDS, 1, keep, append_time=True),
        TopicSpec(TAGGED, article_partitions, keep, MAX_ARTICLE_BYTES),
        TopicSpec(SERIES, 1, keep),
        TopicSpec(ALERTS, 1, long, 4 * MIB),
        # Base64 makes four bytes of three.
        TopicSpec(DEAD_LETTERS, 1, long, 2 * MAX_ARTICLE_BYTES),
        TopicSpec(LEDGER, 1, None),
    )


_RECONNECT: Final = {"reconnect_backoff_max_ms": 1_000}
"""A broker that restarts is found again within a second, not after the client's default of 30 s."""

PRODUCER_OPTIONS: Final[dict[str, Any]] = _RECONNECT | {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 5,
    "batch_size": 128 * 1024,
    "max_request_size": 2 * MAX_ARTICLE_BYTES + MIB,
    "compression_type": None,
    "delivery_timeout_ms": 30_000,
    "request_timeout_ms": 15_000,
}
"""For every producer. The client bounds no records in flight: callers do (`MAX_IN_FLIGHT`)."""

MAX_IN_FLIGHT: Final = 5_000
"""Records that a sender may have unacknowledged."""

CONSUMER_OPTIONS: Final[dict[str, Any]] = _RECONNECT | {
    "auto_offset_reset": "earliest",
    "enable_auto_commit": False,
    "check_crcs": True,
    "fetch_max_bytes": 8 * MIB,
    "max_partition_fetch_bytes": 2 * MIB,
    "max_poll_records": 1000,
    # How late a partition that was added is noticed.
    "metadata_max_age_ms": 60_000,
}
"""For every consumer. A message above the fetch size still comes, alone."""
