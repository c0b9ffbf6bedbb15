"""The first tables: feeds, entries seen, journal, totals, status, connectors, subscriptions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feeds_connector",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("status_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "feeds_entry",
        sa.Column("feed_id", sa.String(length=64), nullable=False),
        sa.Column("article_id", sa.String(length=256), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("last_seen_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "article_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "feeds_feed",
        sa.Column("feed_id", sa.String(length=64), nullable=False),
        sa.Column("url", sa.String(length=2048), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("group_name", sa.String(length=64), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("next_poll_at", sa.Float(), nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.Float(), server_default="0", nullable=False),
        sa.Column("interval_s", sa.Float(), server_default="0", nullable=False),
        sa.Column("gap_s", sa.Float(), nullable=True),
        sa.Column("hint_s", sa.Float(), nullable=True),
        sa.Column("first_polled_at", sa.Float(), nullable=True),
        sa.Column("last_polled_at", sa.Float(), nullable=True),
        sa.Column("last_answer_at", sa.Float(), nullable=True),
        sa.Column("last_new_at", sa.Float(), nullable=True),
        sa.Column("last_full_at", sa.Float(), nullable=True),
        sa.Column("last_entries", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=300), server_default="", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("slow", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("articles", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("etag", sa.String(length=4096), nullable=True),
        sa.Column("last_modified", sa.String(length=4096), nullable=True),
        sa.Column("body_digest", sa.String(length=32), nullable=True),
        sa.Column("moved_to", sa.String(length=2048), nullable=True),
        sa.Column("moved_seen_to", sa.String(length=2048), nullable=True),
        sa.Column("moved_seen", sa.Integer(), server_default="0", nullable=False),
        sa.Column("moved_since", sa.Float(), nullable=True),
        sa.Column("state", sa.String(length=16), server_default="new", nullable=False),
        sa.Column("state_reason", sa.String(length=300), server_default="", nullable=False),
        sa.Column("state_since", sa.Float(), nullable=True),
        sa.Column("hub", sa.String(length=2048), nullable=True),
        sa.Column("hub_topic", sa.String(length=2048), nullable=True),
        sa.PrimaryKeyConstraint("feed_id"),
    )
    op.create_index("feeds_feed_due", "feeds_feed", ["listed", "next_poll_at"], unique=False)
    op.create_table(
        "feeds_journal",
        sa.Column("poll_id", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("poll_id"),
    )
    op.create_index(op.f("ix_feeds_journal_owner"), "feeds_journal", ["owner"], unique=False)
    op.create_table(
        "feeds_pending",
        sa.Column("poll_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("poll_id", "number"),
    )
    op.create_table(
        "feeds_status",
        sa.Column("bucket", sa.BigInteger(), nullable=False),
        sa.Column("group_name", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("polled", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.Column("articles", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "group_name", "owner"),
    )
    op.create_table(
        "feeds_subscription",
        sa.Column("feed_id", sa.String(length=64), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("hub", sa.String(length=2048), nullable=False),
        sa.Column("topic", sa.String(length=2048), nullable=False),
        sa.Column("secret", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("feed_id"),
        sa.UniqueConstraint("token"),
    )
    op.create_table(
        "feeds_total",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "owner"),
    )


def downgrade() -> None:
    op.drop_table("feeds_total")
    op.drop_table("feeds_subscription")
    op.drop_table("feeds_status")
    op.drop_table("feeds_pending")
    op.drop_index(op.f("ix_feeds_journal_owner"), table_name="feeds_journal")
    op.drop_table("feeds_journal")
    op.drop_index("feeds_feed_due", table_name="feeds_feed")
    op.drop_table("feeds_feed")
    op.drop_table("feeds_entry")
    op.drop_table("feeds_connector")
