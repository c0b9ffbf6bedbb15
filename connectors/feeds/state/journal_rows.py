"""The journal's statements, each in a transaction of the caller's.

A feed with an open row in the journal is nobody's to ask (`FeedStore.claim`): so polls of one feed
are written in the order in which they were made, whoever completes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from connectors.feeds.errors import UnreadablePollError
from connectors.feeds.state.effects import insert_for, write_effects
from connectors.feeds.state.records import Effect, FinishedPoll, Outgoing
from connectors.feeds.state.tables import FEEDS, JOURNAL, PENDING

CHUNK: Final = 500  # bound parameters a statement: SQLite's old limit is 999


def chunks(items: Sequence[Any], size: int = CHUNK) -> Iterator[Sequence[Any]]:
    """``items`` in parts of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def write_journal(
    c: sa.Connection, owner: str, polls: Sequence[FinishedPoll], lease_until: float
) -> set[str]:
    """Write ``polls`` down; the ids of those whose feeds ``owner`` has, which alone are written.

    Repeating a call whose answer was lost changes nothing.
    """
    held = _extended(c, owner, [p.effect.feed_id for p in polls if p.effect.changes], lease_until)
    taken = [p for p in polls if not p.effect.changes or p.effect.feed_id in held]
    if taken:
        insert = insert_for(c)
        c.execute(
            insert(JOURNAL).on_conflict_do_nothing(),
            [
                {
                    "poll_id": p.poll_id,
                    "owner": owner,
                    "feed_id": p.effect.feed_id,
                    "effect": p.effect.to_json(),
                }
                for p in taken
            ],
        )
        c.execute(
            insert(PENDING).on_conflict_do_nothing(),
            [
                {"poll_id": p.poll_id, "number": n, "key": m.key, "value": m.value}
                for p in taken
                for n, m in enumerate(p.messages)
            ],
        )
    return {p.poll_id for p in taken}


def read_journal(c: sa.Connection, owner: str, poll_ids: Sequence[str]) -> list[FinishedPoll]:
    """Those of ``poll_ids`` that are in the journal in ``owner``'s name, with their exact bytes.

    Raises:
        UnreadablePollError: one of them is not as we write them.
    """
    query = sa.select(JOURNAL.c.poll_id, JOURNAL.c.feed_id, JOURNAL.c.effect).where(
        JOURNAL.c.owner == owner, JOURNAL.c.poll_id.in_(poll_ids)
    )
    out = []
    for poll_id, feed_id, text in c.execute(query.order_by(JOURNAL.c.poll_id)).all():
        messages = c.execute(
            sa.select(PENDING.c.key, PENDING.c.value)
            .where(PENDING.c.poll_id == poll_id)
            .order_by(PENDING.c.number)
        )
        sent = tuple(Outgoing(m.key, m.value) for m in messages)
        try:
            effect = Effect.from_json(text)
        except (ValueError, TypeError, KeyError) as e:
            raise UnreadablePollError(poll_id, feed_id, repr(e)) from e
        out.append(FinishedPoll(poll_id, effect, sent))
    return out


def complete(c: sa.Connection, owner: str, polls: Sequence[FinishedPoll]) -> set[str]:
    """Write the effects of ``polls`` and clear their journal; the ids of those written.

    One with articles is written by whoever has its journal row, one without by whoever has the
    feed's lease: by one connector, once, and never over something newer.
    """
    held = _held(c, owner, [p.effect.feed_id for p in polls if p.effect.changes])
    ours: set[str] = set()
    for chunk in chunks([p.poll_id for p in polls if p.messages]):
        taken = (
            sa.delete(JOURNAL)
            .where(JOURNAL.c.poll_id.in_(chunk), JOURNAL.c.owner == owner)
            .returning(JOURNAL.c.poll_id)
        )
        cleared = list(c.execute(taken).scalars())
        c.execute(sa.delete(PENDING).where(PENDING.c.poll_id.in_(cleared)))
        ours.update(cleared)
    ours.update(
        p.poll_id
        for p in polls
        if not p.messages and (not p.effect.changes or p.effect.feed_id in held)
    )
    write_effects(c, owner, [p.effect for p in polls if p.poll_id in ours])
    return ours


def _extended(
    c: sa.Connection, owner: str, feed_ids: Sequence[str], lease_until: float
) -> set[str]:
    # Written, not only read: a claim that began before us sees another row and looks again.
    out: set[str] = set()
    for chunk in chunks(feed_ids):
        statement = (
            sa.update(FEEDS)
            .where(FEEDS.c.feed_id.in_(chunk), FEEDS.c.lease_owner == owner)
            .values(lease_until=lease_until)
            .returning(FEEDS.c.feed_id)
        )
        out.update(c.execute(statement).scalars())
    return out


def _held(c: sa.Connection, owner: str, feed_ids: Sequence[str]) -> set[str]:
    """Those of ``feed_ids`` that are leased to ``owner``, locked until the transaction ends."""
    out: set[str] = set()
    for chunk in chunks(sorted(feed_ids)):
        query = (
            sa.select(FEEDS.c.feed_id)
            .where(FEEDS.c.feed_id.in_(chunk), FEEDS.c.lease_owner == owner)
            .order_by(FEEDS.c.feed_id)
            .with_for_update()
        )
        out.update(c.execute(query).scalars())
    return out
