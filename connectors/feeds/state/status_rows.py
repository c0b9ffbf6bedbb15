"""`StatusStore`: what is known of each bucket and group, and what of it Kafka was told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from connectors.feeds.state.records import StatusRow
from connectors.feeds.state.store import FeedStore
from connectors.feeds.state.tables import CONNECTORS, FEEDS, STATUS

KEEP_TOLD: Final = 86_400
"""Seconds for which what was told of a bucket is kept: a poll that waited for Kafka adds to it."""


class StatusStore:
    """Every statement on status rows but the one that adds to them (`effects`). Blocking."""

    def __init__(self, store: FeedStore) -> None:
        self._store = store
        self._engine = store.engine
        self.owner = store.owner

    def group_sizes(self) -> dict[str, int]:
        """Listed feeds by group."""
        query = sa.select(FEEDS.c.group_name, sa.func.count()).where(FEEDS.c.listed)
        with self._engine.connect() as c:
            return {row[0]: row[1] for row in c.execute(query.group_by(FEEDS.c.group_name))}

    def due(self, before: int, now: float) -> Sequence[StatusRow]:
        """What is not told yet, or not all of it, of buckets before ``before``.

        Ours, and what connectors without a sign of life have left: who is back tells nothing twice
        by that, since a report says all that its connector knows of a bucket.
        """
        s = STATUS.c
        query = sa.select(s.bucket, s.group_name, s.owner, s.polled, s.answered, s.articles).where(
            ~s.told,
            s.bucket < before,
            sa.or_(s.owner == self.owner, s.owner.not_in(self._store.alive(now))),
        )
        with self._engine.connect() as c:
            return [StatusRow(*row) for row in c.execute(query)]

    def until(self) -> int | None:
        """End of the last bucket that we have told of; None when never."""
        query = sa.select(CONNECTORS.c.status_until).where(CONNECTORS.c.name == self.owner)
        with self._engine.connect() as c:
            return c.execute(query).scalar()

    def told(self, until: int, rows: Sequence[StatusRow]) -> None:
        """All buckets that end by ``until`` are on Kafka, as ``rows`` say."""
        s = STATUS.c
        with self._engine.connect().execution_options(write=True) as c, c.begin():
            for row in rows:
                # What was added meanwhile is still to be told.
                as_told = sa.and_(
                    s.bucket == row.bucket,
                    s.group_name == row.group,
                    s.owner == row.owner,
                    s.polled == row.polled,
                    s.answered == row.answered,
                    s.articles == row.articles,
                )
                c.execute(sa.update(STATUS).where(as_told).values(told=True))
            c.execute(sa.delete(STATUS).where(s.told, s.bucket < until - KEEP_TOLD))
            c.execute(
                sa.update(CONNECTORS)
                .where(CONNECTORS.c.name == self.owner)
                .values(status_until=until)
            )
