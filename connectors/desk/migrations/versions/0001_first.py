"""Persons, channels, revisions, decisions, outbox.

Revision 0001; 2026-11-25.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Bring the tables here."""
    op.create_table(
        "desk_person",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("created_at", _TIME, nullable=False),
    )
    op.create_table(
        "desk_channel",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("person_id", sa.Integer, sa.ForeignKey("desk_person.id"), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("retired_at", _TIME),
    )
    op.create_table(
        "desk_revision",
        sa.Column("alert_id", sa.String(200), primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("topic", sa.String(200), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("severity", sa.String(20), nullable=False),
        sa.Column("raised_at", _TIME, nullable=False),
        sa.Column("revised_at", _TIME, nullable=False),
        sa.Column("taken_at", _TIME, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_desk_revision_raised_at", "desk_revision", ["raised_at"])
    op.create_table(
        "desk_decision",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("alert_id", sa.String(200), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("channel_id", sa.String(80), sa.ForeignKey("desk_channel.id"), nullable=False),
        sa.Column("person_id", sa.Integer, sa.ForeignKey("desk_person.id"), nullable=False),
        sa.Column("action", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id", "revision"], ["desk_revision.alert_id", "desk_revision.revision"]
        ),
    )
    op.create_index("ix_desk_decision_revision", "desk_decision", ["alert_id", "revision"])
    op.create_table(
        "desk_outbox",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(300), nullable=False, unique=True),
        sa.Column("alert_id", sa.String(200), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("channel_id", sa.String(80), sa.ForeignKey("desk_channel.id"), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("repeats", sa.Integer, nullable=False),
        sa.Column("finished_at", _TIME),
        sa.Column("note", sa.Text),
        sa.ForeignKeyConstraint(
            ["alert_id", "revision"], ["desk_revision.alert_id", "desk_revision.revision"]
        ),
    )
    op.create_index("ix_desk_outbox_due", "desk_outbox", ["channel_id", "state", "due_at"])
    op.create_index("ix_desk_outbox_revision", "desk_outbox", ["alert_id", "revision"])


def downgrade() -> None:
    """Bring the tables back."""
    for table in ("desk_outbox", "desk_decision", "desk_revision", "desk_channel", "desk_person"):
        op.drop_table(table)
