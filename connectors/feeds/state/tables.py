"""The connector's tables. Times are seconds since 1970 (UTC) as floats: compared and added in SQL.

The names start with ``feeds_``: on PostgreSQL the desk may live in the same database.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData()
VERSION_TABLE: Final = "feeds_alembic_version"

FEEDS: Final = sa.Table(
    "feeds_feed",
    METADATA,
    sa.Column("feed_id", sa.String(64), primary_key=True),
    sa.Column("url", sa.String(2048), nullable=False),  # without user info
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("group_name", sa.String(64), nullable=False),
    sa.Column("listed", sa.Boolean, nullable=False),
    # schedule
    sa.Column("next_poll_at", sa.Float, nullable=False),
    sa.Column("lease_owner", sa.String(64)),
    sa.Column("lease_until", sa.Float, nullable=False, server_default="0"),
    sa.Column("interval_s", sa.Float, nullable=False, server_default="0"),
    sa.Column("gap_s", sa.Float),  # usual time between two new articles
    sa.Column("hint_s", sa.Float),  # what the feed asks for: ttl, sy:, max-age
    # what the last polls said
    sa.Column("first_polled_at", sa.Float),
    sa.Column("last_polled_at", sa.Float),
    sa.Column("last_answer_at", sa.Float),
    sa.Column("last_new_at", sa.Float),
    sa.Column("last_full_at", sa.Float),  # last unconditional poll that was answered
    sa.Column("last_entries", sa.Integer),
    sa.Column("outcome", sa.String(32)),
    sa.Column("status", sa.Integer),
    sa.Column("reason", sa.String(300), nullable=False, server_default=""),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("slow", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("articles", sa.BigInteger, nullable=False, server_default="0"),
    # validators
    sa.Column("etag", sa.String(4096)),
    sa.Column("last_modified", sa.String(4096)),
    sa.Column("validators_from", sa.String(2048)),  # the address that gave them
    sa.Column("body_digest", sa.String(32)),
    # where it has moved
    sa.Column("moved_to", sa.String(2048)),  # learned, in use
    sa.Column("moved_seen_to", sa.String(2048)),
    sa.Column("moved_seen", sa.Integer, nullable=False, server_default="0"),
    sa.Column("moved_since", sa.Float),
    # health
    sa.Column("state", sa.String(16), nullable=False, server_default="new"),
    sa.Column("state_reason", sa.String(300), nullable=False, server_default=""),
    sa.Column("state_since", sa.Float),
    # WebSub
    sa.Column("hub", sa.String(2048)),
    sa.Column("hub_topic", sa.String(2048)),
    sa.Index("feeds_feed_due", "listed", "next_poll_at"),
)

ENTRIES: Final = sa.Table(
    "feeds_entry",
    METADATA,
    sa.Column("feed_id", sa.String(64), primary_key=True),
    sa.Column("article_id", sa.String(256), primary_key=True),
    sa.Column("digest", sa.String(32), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("last_seen_at", sa.Float, nullable=False),
    sqlite_with_rowid=False,
)

JOURNAL: Final = sa.Table(
    "feeds_journal",
    METADATA,
    sa.Column("poll_id", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False, index=True),
    sa.Column("feed_id", sa.String(64), nullable=False, index=True, server_default=""),
    sa.Column("effect", sa.Text, nullable=False),  # JSON: what completing writes
)

PENDING: Final = sa.Table(
    "feeds_pending",
    METADATA,
    sa.Column("poll_id", sa.String(32), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("key", sa.LargeBinary, nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
)

TOTALS: Final = sa.Table(
    "feeds_total",
    METADATA,
    sa.Column("name", sa.String(64), primary_key=True),  # fetched, accepted, … , rejected:<reason>
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)

STATUS: Final = sa.Table(
    "feeds_status",
    METADATA,
    sa.Column("bucket", sa.BigInteger, primary_key=True),  # its start, seconds since 1970
    sa.Column("group_name", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("polled", sa.Integer, nullable=False),
    sa.Column("answered", sa.Integer, nullable=False),
    sa.Column("articles", sa.Integer, nullable=False),
    sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()),  # all of it
)

CONNECTORS: Final = sa.Table(
    "feeds_connector",
    METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("seen_at", sa.Float, nullable=False),
    sa.Column("status_until", sa.BigInteger),  # end of the last bucket it has told of
)

SUBSCRIPTIONS: Final = sa.Table(
    "feeds_subscription",
    METADATA,
    sa.Column("feed_id", sa.String(64), primary_key=True),
    sa.Column("token", sa.String(64), nullable=False, unique=True),  # the callback's path
    sa.Column("hub", sa.String(2048), nullable=False),
    sa.Column("topic", sa.String(2048), nullable=False),
    sa.Column("secret", sa.String(128), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # asked, active, refused
    sa.Column("asked_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float),
)
