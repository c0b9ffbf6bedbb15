"""What the desk has kept, to read: episodes, their revisions, what became of each message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Engine, Row, Select, and_, func, inspect, select

from connectors.desk.database import VERSION_TABLE
from connectors.desk.schema import CHANNEL, DECISION, OUTBOX, REVISION, UNDELIVERED
from pipeline.contracts import codec
from pipeline.contracts.records import Alert


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one revision on one channel."""

    revision: int
    channel: str
    """Its label."""
    state: str
    attempts: int
    repeats: int
    finished_at: datetime | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision to send or to hold one revision."""

    revision: int
    channel: str
    action: str
    reason: str
    at: datetime


class Archive:
    """Reads the desk's tables beside a desk at work; changes nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def is_ready(self) -> bool:
        """Whether a desk has ever made its tables here."""
        return all(inspect(self._engine).has_table(t) for t in (VERSION_TABLE, REVISION.name))

    def newest(self, topic: str | None = None, limit: int | None = None) -> tuple[Alert, ...]:
        """The newest revision of each episode, the latest episode first; ``limit`` at most."""
        last = (
            select(REVISION.c.alert_id, func.max(REVISION.c.revision).label("revision"))
            .group_by(REVISION.c.alert_id)
            .subquery()
        )
        query = (
            select(REVISION.c.record)
            .join(
                last,
                and_(
                    last.c.alert_id == REVISION.c.alert_id, last.c.revision == REVISION.c.revision
                ),
            )
            .order_by(REVISION.c.raised_at.desc(), REVISION.c.alert_id)
            .limit(limit)
        )
        if topic is not None:
            query = query.where(REVISION.c.topic == topic)
        return tuple(self._records(query))

    def revisions(self, alert_id: str) -> tuple[Alert, ...]:
        """Every revision of one episode, the first first; empty when there is none."""
        return tuple(
            self._records(
                select(REVISION.c.record)
                .where(REVISION.c.alert_id == alert_id)
                .order_by(REVISION.c.revision)
            )
        )

    def matching(self, start: str) -> tuple[str, ...]:
        """The ids of alerts that begin with ``start``; ten at most."""
        query = (
            select(REVISION.c.alert_id)
            .where(REVISION.c.alert_id.startswith(start, autoescape=True))
            .distinct()
            .order_by(REVISION.c.alert_id)
            .limit(10)
        )
        with self._engine.connect() as c:
            return tuple(row.alert_id for row in c.execute(query))

    def all_revisions(self) -> Iterator[Alert]:
        """Everything, in the order in which the episodes were raised."""
        return self._records(
            select(REVISION.c.record).order_by(
                REVISION.c.raised_at, REVISION.c.alert_id, REVISION.c.revision
            )
        )

    def fates(self, alert_id: str) -> tuple[Fate, ...]:
        """What became of each message of an episode."""
        query = (
            select(OUTBOX, CHANNEL.c.label)
            .join(CHANNEL, CHANNEL.c.id == OUTBOX.c.channel_id)
            .where(OUTBOX.c.alert_id == alert_id)
            .order_by(OUTBOX.c.revision, OUTBOX.c.id)
        )
        with self._engine.connect() as c:
            return tuple(_fate(row) for row in c.execute(query))

    def undelivered(self) -> dict[str, tuple[Fate, ...]]:
        """Messages that ended without reaching anybody, by the id of their alert."""
        query = (
            select(OUTBOX, CHANNEL.c.label)
            .join(CHANNEL, CHANNEL.c.id == OUTBOX.c.channel_id)
            .where(OUTBOX.c.state.in_(UNDELIVERED))
            .order_by(OUTBOX.c.alert_id, OUTBOX.c.revision, OUTBOX.c.id)
        )
        with self._engine.connect() as c:
            rows = groupby(c.execute(query), key=lambda row: str(row.alert_id))
            return {alert_id: tuple(_fate(row) for row in of_it) for alert_id, of_it in rows}

    def decisions(self, alert_id: str) -> tuple[Decided, ...]:
        """Each decision about an episode, in order."""
        query = (
            select(DECISION, CHANNEL.c.label)
            .join(CHANNEL, CHANNEL.c.id == DECISION.c.channel_id)
            .where(DECISION.c.alert_id == alert_id)
            .order_by(DECISION.c.id)
        )
        with self._engine.connect() as c:
            return tuple(
                Decided(r.revision, r.label, r.action, r.reason, r.at) for r in c.execute(query)
            )

    def _records(self, query: Select[Any]) -> Iterator[Alert]:
        with self._engine.connect() as c:
            for row in c.execution_options(yield_per=100).execute(query):
                yield codec.decode(Alert, bytes(row.record))


def _fate(r: Row[Any]) -> Fate:
    return Fate(r.revision, r.label, r.state, r.attempts, r.repeats, r.finished_at, r.note)
