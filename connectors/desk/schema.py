"""The desk's tables. Migrations bring a database to this; a test holds the two together."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, also on databases that keep no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To the database, in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From the database, aware."""
        if value is None:
            return None
        time: datetime = value
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


class OutboxState(StrEnum):
    """Where a message stands."""

    WAITING = "waiting"
    SENDING = "sending"
    """Handed to its channel: after a crash in this state nobody knows whether it arrived."""
    SENT = "sent"
    REFUSED = "refused"
    """The channel will never take it."""
    DEAD = "dead"
    """Given up after the time that the policy allows."""
    DROPPED = "dropped"
    """Its channel is no longer configured."""
    OVERTAKEN = "overtaken"
    """A later revision of its alert, which waited too, says it as well (`policy.overtaken`)."""


UNFINISHED: Final = (OutboxState.WAITING, OutboxState.SENDING)
UNDELIVERED: Final = (OutboxState.REFUSED, OutboxState.DEAD, OutboxState.DROPPED)
"""Ended without reaching anybody: what an engineer must see."""


class Action(StrEnum):
    """What was decided for one revision and one channel."""

    SEND = "send"
    HOLD = "hold"


METADATA: Final = MetaData()

PERSON: Final = Table(
    "desk_person",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("created_at", UtcTime, nullable=False),
)

CHANNEL: Final = Table(
    "desk_channel",
    METADATA,
    Column("id", String(80), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("label", String(200), nullable=False),
    Column("person_id", ForeignKey("desk_person.id"), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("retired_at", UtcTime),
)

REVISION: Final = Table(
    "desk_revision",
    METADATA,
    Column("alert_id", String(200), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("topic", String(200), nullable=False),
    Column("state", String(20), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("raised_at", UtcTime, nullable=False),
    Column("revised_at", UtcTime, nullable=False),
    Column("taken_at", UtcTime, nullable=False),
    # The record as the codec writes it: what a webhook gets. Never updated.
    Column("record", LargeBinary, nullable=False),
    Index("ix_desk_revision_raised_at", "raised_at"),
)

DECISION: Final = Table(
    "desk_decision",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("alert_id", String(200), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("channel_id", ForeignKey("desk_channel.id"), nullable=False),
    Column("person_id", ForeignKey("desk_person.id"), nullable=False),
    Column("action", String(10), nullable=False),
    Column("reason", String(200), nullable=False),
    Column("at", UtcTime, nullable=False),
    ForeignKeyConstraint(
        ["alert_id", "revision"], ["desk_revision.alert_id", "desk_revision.revision"]
    ),
    Index("ix_desk_decision_revision", "alert_id", "revision"),
)

OUTBOX: Final = Table(
    "desk_outbox",
    METADATA,
    Column("id", Integer, primary_key=True),
    # alert_id-revision-channel: a message exists once, however often Kafka tells of it.
    Column("key", String(300), nullable=False, unique=True),
    Column("alert_id", String(200), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("channel_id", ForeignKey("desk_channel.id"), nullable=False),
    Column("state", String(10), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    # Attempts after a crash between sending and noting it.
    Column("repeats", Integer, nullable=False),
    Column("finished_at", UtcTime),
    Column("note", Text),
    ForeignKeyConstraint(
        ["alert_id", "revision"], ["desk_revision.alert_id", "desk_revision.revision"]
    ),
    Index("ix_desk_outbox_due", "channel_id", "state", "due_at"),
    Index("ix_desk_outbox_revision", "alert_id", "revision"),
)
