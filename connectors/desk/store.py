"""What the desk remembers: revisions, decisions, the outbox. Every method is one transaction."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, and_, exists, func, insert, select, update

from connectors.desk.database import READS
from connectors.desk.policy import Waiting, overtaken
from connectors.desk.schema import (
    CHANNEL,
    DECISION,
    OUTBOX,
    PERSON,
    REVISION,
    UNFINISHED,
    Action,
    OutboxState,
)
from pipeline.contracts import codec
from pipeline.contracts.records import Alert, AlertState, Severity

FIRST_PERSON: Final = "analyst"
"""Every channel belongs to somebody; until there are subscriptions, to this one."""
_OF_MESSAGE: Final = and_(
    REVISION.c.alert_id == OUTBOX.c.alert_id, REVISION.c.revision == OUTBOX.c.revision
)
"""The revision that a message tells."""


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel as the store knows it: never its URL, which holds secrets."""

    id: str
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A message on its way."""

    id: int
    key: str
    alert_id: str
    revision: int
    channel_id: str
    created_at: datetime
    attempts: int
    """This one included."""
    repeats: int
    record: bytes


class Store:
    """The desk's tables, for many threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**{READS: True})
        # SQLite has one writer. Ours queue here: waiting inside SQLite is sleeping in steps.
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else nullcontext()

    def start(self, channels: Sequence[ChannelRow], now: datetime) -> dict[str, int]:
        """Note the ``channels`` of this start and settle what the last one left.

        A message that was handed to its channel when the last desk died is due again: nobody knows
        whether it arrived. One whose channel is gone is dropped, with its reason.

        Returns:
            Channel id -> messages that are sent again and may be repeats.
        """
        with self._turn, self._engine.begin() as c:
            person = _first_person(c, now)
            known = {row.id for row in c.execute(select(CHANNEL.c.id))}
            for channel in channels:
                values = {"kind": channel.kind, "label": channel.label, "retired_at": None}
                if channel.id in known:
                    c.execute(update(CHANNEL).where(CHANNEL.c.id == channel.id).values(values))
                else:
                    c.execute(
                        insert(CHANNEL).values(
                            id=channel.id, person_id=person, created_at=now, **values
                        )
                    )
            ours = [channel.id for channel in channels]
            c.execute(
                update(CHANNEL)
                .where(CHANNEL.c.id.not_in(ours), CHANNEL.c.retired_at.is_(None))
                .values(retired_at=now)
            )
            self._drop_strays(c, ours, person, now)
            interrupted = OUTBOX.c.state == OutboxState.SENDING
            repeats = {
                row.channel_id: row.n
                for row in c.execute(
                    select(OUTBOX.c.channel_id, func.count().label("n"))
                    .where(interrupted)
                    .group_by(OUTBOX.c.channel_id)
                )
            }
            c.execute(
                update(OUTBOX)
                .where(interrupted)
                .values(state=OutboxState.WAITING, due_at=now, repeats=OUTBOX.c.repeats + 1)
            )
            return repeats

    def take(
        self, alerts: Sequence[Alert], channels: Sequence[ChannelRow], now: datetime
    ) -> tuple[Alert, ...]:
        """Keep the revisions that are new, with a decision and a message for each channel.

        One that is known already, from a replay or a second reading of Kafka, changes nothing.

        Returns:
            The new ones, in order.
        """
        with self._turn, self._engine.begin() as c:
            person = _first_person(c, now)
            new = []
            for alert in alerts:
                if _is_known(c, alert):
                    continue
                new.append(alert)
                c.execute(insert(REVISION).values(_revision(alert, now)))
                if channels:
                    c.execute(
                        insert(DECISION), [_decision(alert, ch, person, now) for ch in channels]
                    )
                    c.execute(insert(OUTBOX), [_message(alert, ch, now) for ch in channels])
            return tuple(new)

    def leave_out_overtaken(self, channel_id: str, now: datetime) -> int:
        """Settle the waiting messages of a channel that later ones make needless; how many."""
        waiting = and_(OUTBOX.c.channel_id == channel_id, OUTBOX.c.state == OutboxState.WAITING)
        with self._turn, self._engine.begin() as c:
            rows = c.execute(
                select(OUTBOX, REVISION.c.state.label("stands"), REVISION.c.severity)
                .join(REVISION, _OF_MESSAGE)
                .where(waiting)
            ).all()
            needless = overtaken(
                Waiting(
                    row.id,
                    row.alert_id,
                    row.revision,
                    AlertState(row.stands),
                    Severity(row.severity),
                )
                for row in rows
            )
            person = _first_person(c, now) if needless else 0
            for row in rows:
                if row.id in needless:
                    why = f"update {needless[row.id]} waited too, and says it as well"
                    _hold(c, row, person, why, OutboxState.OVERTAKEN, now)
        return len(needless)

    def claim(self, channel_id: str, now: datetime) -> OutboxRow | None:
        """The next message of a channel that is due, marked as being sent.

        A revision waits for the earlier ones of its alert.
        """
        earlier = OUTBOX.alias()
        blocked = exists().where(
            earlier.c.channel_id == OUTBOX.c.channel_id,
            earlier.c.alert_id == OUTBOX.c.alert_id,
            earlier.c.revision < OUTBOX.c.revision,
            earlier.c.state.in_(UNFINISHED),
        )
        with self._turn, self._engine.begin() as c:
            row = c.execute(
                select(OUTBOX, REVISION.c.record)
                .join(REVISION, _OF_MESSAGE)
                .where(
                    OUTBOX.c.channel_id == channel_id,
                    OUTBOX.c.state == OutboxState.WAITING,
                    OUTBOX.c.due_at <= now,
                    ~blocked,
                )
                .order_by(OUTBOX.c.id)
                .limit(1)
            ).first()
            if row is None:
                return None
            c.execute(
                update(OUTBOX)
                .where(OUTBOX.c.id == row.id)
                .values(state=OutboxState.SENDING, attempts=OUTBOX.c.attempts + 1)
            )
        return OutboxRow(
            row.id,
            row.key,
            row.alert_id,
            row.revision,
            row.channel_id,
            row.created_at,
            row.attempts + 1,
            row.repeats,
            bytes(row.record),
        )

    def finish(self, row_id: int, state: OutboxState, now: datetime, note: str | None) -> None:
        """Note how a message ended."""
        self._settle(row_id, state=state, finished_at=now, note=note)

    def postpone(self, row_id: int, due_at: datetime, note: str) -> None:
        """Let a message wait for its next attempt."""
        self._settle(row_id, state=OutboxState.WAITING, due_at=due_at, note=note)

    def hasten(self, channel_id: str, now: datetime) -> None:
        """The waiting messages of a channel are due: it works again, or the clock was set back."""
        with self._turn, self._engine.begin() as c:
            c.execute(
                update(OUTBOX)
                .where(
                    OUTBOX.c.channel_id == channel_id,
                    OUTBOX.c.state == OutboxState.WAITING,
                    OUTBOX.c.due_at > now,
                )
                .values(due_at=now)
            )

    def next_due(self, channel_id: str) -> datetime | None:
        """When the first waiting message of a channel is due; None when none waits."""
        with self._reader.begin() as c:
            due: datetime | None = c.scalar(
                select(OUTBOX.c.due_at)
                .where(OUTBOX.c.channel_id == channel_id, OUTBOX.c.state == OutboxState.WAITING)
                .order_by(OUTBOX.c.due_at)
                .limit(1)
            )
            return due

    def outbox_counts(self) -> dict[str, int]:
        """Messages by state."""
        with self._reader.begin() as c:
            rows = c.execute(
                select(OUTBOX.c.state, func.count().label("n")).group_by(OUTBOX.c.state)
            )
            return {row.state: row.n for row in rows}

    def open_alerts(self) -> dict[tuple[str, str], int]:
        """Episodes that are not closed, by topic and severity of their newest revision."""
        newest = (
            select(REVISION.c.alert_id, func.max(REVISION.c.revision).label("revision"))
            .group_by(REVISION.c.alert_id)
            .subquery()
        )
        with self._reader.begin() as c:
            rows = c.execute(
                select(REVISION.c.topic, REVISION.c.severity, func.count().label("n"))
                .join(
                    newest,
                    and_(
                        newest.c.alert_id == REVISION.c.alert_id,
                        newest.c.revision == REVISION.c.revision,
                    ),
                )
                .where(REVISION.c.state != AlertState.CLOSED)
                .group_by(REVISION.c.topic, REVISION.c.severity)
            )
            return {(row.topic, row.severity): row.n for row in rows}

    def _settle(self, row_id: int, **values: Any) -> None:
        with self._turn, self._engine.begin() as c:
            c.execute(update(OUTBOX).where(OUTBOX.c.id == row_id).values(values))

    def _drop_strays(self, c: Connection, ours: Sequence[str], person: int, now: datetime) -> None:
        strays = and_(OUTBOX.c.channel_id.not_in(ours), OUTBOX.c.state.in_(UNFINISHED))
        why = "the channel is no longer configured"
        for row in c.execute(select(OUTBOX).where(strays)).all():
            _hold(c, row, person, why, OutboxState.DROPPED, now)


def _hold(
    c: Connection, row: Row[Any], person: int, why: str, state: OutboxState, now: datetime
) -> None:
    """End a message that is not sent, with the decision."""
    c.execute(
        insert(DECISION).values(
            alert_id=row.alert_id,
            revision=row.revision,
            channel_id=row.channel_id,
            person_id=person,
            action=Action.HOLD,
            reason=why,
            at=now,
        )
    )
    c.execute(
        update(OUTBOX).where(OUTBOX.c.id == row.id).values(state=state, finished_at=now, note=why)
    )


def _first_person(c: Connection, now: datetime) -> int:
    query = select(PERSON.c.id).where(PERSON.c.name == FIRST_PERSON)
    found: int | None = c.scalar(query)
    if found is None:
        c.execute(insert(PERSON).values(name=FIRST_PERSON, created_at=now))
        found = c.execute(query).scalar_one()
    return found


def _is_known(c: Connection, alert: Alert) -> bool:
    return bool(
        c.scalar(
            select(
                exists().where(
                    REVISION.c.alert_id == alert.alert_id, REVISION.c.revision == alert.revision
                )
            )
        )
    )


def _revision(alert: Alert, now: datetime) -> dict[str, Any]:
    return {
        "alert_id": alert.alert_id,
        "revision": alert.revision,
        "topic": alert.topic,
        "state": alert.state,
        "severity": alert.severity,
        "raised_at": alert.raised_at,
        "revised_at": alert.revised_at,
        "taken_at": now,
        "record": codec.encode(alert),
    }


def _decision(alert: Alert, channel: ChannelRow, person: int, now: datetime) -> dict[str, Any]:
    return {
        "alert_id": alert.alert_id,
        "revision": alert.revision,
        "channel_id": channel.id,
        "person_id": person,
        "action": Action.SEND,
        "reason": "every revision goes to every channel",
        "at": now,
    }


def _message(alert: Alert, channel: ChannelRow, now: datetime) -> dict[str, Any]:
    return {
        "key": f"{alert.alert_id}-{alert.revision}-{channel.id}",
        "alert_id": alert.alert_id,
        "revision": alert.revision,
        "channel_id": channel.id,
        "state": OutboxState.WAITING,
        "created_at": now,
        "due_at": now,
        "attempts": 0,
        "repeats": 0,
    }
