"""The journal names its feed: a feed with news under way is nobody's to ask."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "feeds_journal",
        sa.Column("feed_id", sa.String(length=64), server_default="", nullable=False),
    )
    op.create_index(op.f("ix_feeds_journal_feed_id"), "feeds_journal", ["feed_id"], unique=False)
    journal = sa.table("feeds_journal", sa.column("poll_id"), sa.column("effect"), sa.column("feed_id"))
    connection = op.get_bind()
    for poll_id, effect in connection.execute(sa.select(journal.c.poll_id, journal.c.effect)).all():
        connection.execute(
            sa.update(journal)
            .where(journal.c.poll_id == poll_id)
            .values(feed_id=json.loads(effect)["feed_id"])
        )


def downgrade() -> None:
    op.drop_index(op.f("ix_feeds_journal_feed_id"), table_name="feeds_journal")
    with op.batch_alter_table("feeds_journal") as table:
        table.drop_column("feed_id")
