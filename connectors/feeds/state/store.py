"""`FeedStore`: every statement that the connector sends to its database. Blocking.

The exact accounting (promise 1) rests on `journal` and `complete`: articles are written down before
Kafka gets them and taken out in the transaction that counts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa

from connectors.feeds.feed_list import FeedList
from connectors.feeds.http.address import parse_address
from connectors.feeds.state.effects import insert_for
from connectors.feeds.state.journal_rows import CHUNK, chunks, complete, read_journal, write_journal
from connectors.feeds.state.records import (
    FEED_COLUMNS,
    REFRESH_SEEN,
    FeedRow,
    FeedTotals,
    FinishedPoll,
    Seen,
)
from connectors.feeds.state.tables import (
    CONNECTORS,
    ENTRIES,
    FEEDS,
    JOURNAL,
    PENDING,
    TOTALS,
)

LEASE_SECONDS: Final = 120.0
"""Longer than a poll; renewed while one lasts. A connector without a sign of life for so long is
dead: another one takes over its feeds and its journal."""
NUDGE_SPACING: Final = 15.0
"""Seconds from a poll to one that a hub makes fall due: a hub that shouts burdens no feed."""
LONGEST_PUT_OFF: Final = 1800.0
"""Seconds beyond its pause for which a feed waits for its host or a place. What falls due later was
written by a clock that was ahead."""


FETCHED, ACCEPTED, DUPLICATES = "fetched", "accepted", "duplicates"
BACKFILLED = "backfilled"
REJECTED = "rejected:"


class FeedStore:
    """The connector's memory, as seen by the connector called ``owner``."""

    def __init__(
        self, engine: sa.Engine, owner: str = "feeds", lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self.engine = engine
        self.owner = owner
        self.lease_seconds = lease_seconds
        self._insert = insert_for(engine)

    # -- the list ---------------------------------------------------------------------------------

    def sync_list(self, feeds: FeedList, now: float, spread: float) -> None:
        """Make the feeds that are polled those of ``feeds``.

        New ones fall due over ``spread`` seconds, and so do those that are due already.

        A feed that left the list keeps its memory: when it returns, nothing is new twice.
        """
        wanted = {f.feed_id: f for f in feeds if f.enabled}
        known = sa.select(FEEDS.c.feed_id, FEEDS.c.group_name, FEEDS.c.next_poll_at)
        with self._writing() as c:
            listed = {row[0]: row for row in c.execute(known.where(FEEDS.c.listed))}
            for chunk in chunks(sorted(listed.keys() - wanted.keys())):
                leaving = sa.update(FEEDS).where(FEEDS.c.feed_id.in_(chunk)).values(listed=False)
                c.execute(leaving)
            # Nearly all of a list stays as it was: a feed that is added is asked at once.
            touched = [
                f
                for f in wanted.values()
                if (row := listed.get(f.feed_id)) is None
                or row.group_name != f.group
                or row.next_poll_at < now
            ]
            rows = []
            for n, feed in enumerate(touched):
                address = parse_address(feed.url)
                rows.append(
                    {
                        "feed_id": feed.feed_id,
                        "url": address.url,
                        "host": address.host,
                        "group_name": feed.group,
                        "listed": True,
                        "next_poll_at": now + spread * n / len(wanted),
                    }
                )
            for chunk in chunks(rows, CHUNK // 6):
                insert = self._insert(FEEDS).values(chunk)
                c.execute(
                    insert.on_conflict_do_update(
                        index_elements=[FEEDS.c.feed_id],
                        set_={
                            "listed": True,
                            "group_name": insert.excluded.group_name,
                            # A feed that was off for long is due now, not in the past.
                            "next_poll_at": sa.case(
                                (FEEDS.c.next_poll_at < now, insert.excluded.next_poll_at),
                                else_=FEEDS.c.next_poll_at,
                            ),
                        },
                    )
                )

    def feeds(self) -> Iterator[FeedRow]:
        """Every listed feed, by id."""
        with self.engine.connect() as c:
            query = sa.select(*(FEEDS.c[n] for n in FEED_COLUMNS)).where(FEEDS.c.listed)
            for row in c.execute(query.order_by(FEEDS.c.feed_id)).yield_per(1000):
                yield FeedRow(**row._mapping)

    def states(self) -> dict[str, int]:
        """Listed feeds by state."""
        query = sa.select(FEEDS.c.state, sa.func.count()).where(FEEDS.c.listed)
        with self.engine.connect() as c:
            return {row[0]: row[1] for row in c.execute(query.group_by(FEEDS.c.state))}

    # -- leases -----------------------------------------------------------------------------------

    def claim(self, now: float, limit: int) -> list[FeedRow]:
        """Up to ``limit`` feeds that are due and nobody's, leased to us; the longest due first.

        A feed with an open journal row waits: what is under way goes first, whoever completes it.
        """
        due = (
            sa.select(FEEDS.c.feed_id)
            .where(FEEDS.c.listed, FEEDS.c.next_poll_at <= now, FEEDS.c.lease_until <= now)
            .where(~sa.exists().where(JOURNAL.c.feed_id == FEEDS.c.feed_id))
            .order_by(FEEDS.c.next_poll_at)
            .limit(limit)
        )
        with self.engine.connect() as c:
            # Most looks find nothing: no write lock for those.
            if c.execute(due.limit(1)).first() is None:
                return []
        with self._writing() as c:
            lease = (
                sa.update(FEEDS)
                .where(FEEDS.c.feed_id.in_(due.with_for_update(skip_locked=True)))
                .values(lease_owner=self.owner, lease_until=now + self.lease_seconds)
                .returning(*(FEEDS.c[n] for n in FEED_COLUMNS))
            )
            rows = [FeedRow(**row._mapping) for row in c.execute(lease)]
        return sorted(rows, key=lambda r: r.next_poll_at)

    def defer(self, times: Mapping[str, float]) -> None:
        """Give leases back; each feed falls due at its time."""
        self._update_feeds([{"id_": k, "next_poll_at": at} for k, at in times.items()])

    def make_due(self, feed_ids: Sequence[str], now: float) -> None:
        """Let these feeds fall due now, or `NUDGE_SPACING` after they were asked last.

        One that fails keeps its pause: Retry-After is its server's order.
        """
        earliest = FEEDS.c.last_polled_at + NUDGE_SPACING
        at = sa.case((earliest > now, earliest), else_=now)
        with self._writing() as c:
            for chunk in chunks(feed_ids):
                c.execute(
                    sa.update(FEEDS)
                    .where(
                        FEEDS.c.feed_id.in_(chunk), FEEDS.c.failures == 0, FEEDS.c.next_poll_at > at
                    )
                    .values(next_poll_at=at)
                )

    def renew(self, feed_ids: Sequence[str], now: float) -> None:
        """Keep the leases of polls that last."""
        with self._writing() as c:
            for chunk in chunks(feed_ids):
                c.execute(
                    sa.update(FEEDS)
                    .where(FEEDS.c.feed_id.in_(chunk), FEEDS.c.lease_owner == self.owner)
                    .values(lease_until=now + self.lease_seconds)
                )

    def start(self, now: float) -> None:
        """Begin anew after a stop or a crash: our leases end."""
        self.release()
        self.show_life(now)

    def release(self) -> None:
        """Give all our leases back: we ask nobody."""
        with self._writing() as c:
            c.execute(
                sa.update(FEEDS)
                .where(FEEDS.c.lease_owner == self.owner)
                .values(lease_owner=None, lease_until=0.0)
            )

    def show_life(self, now: float) -> None:
        """Show that we live: what we have in the journal stays ours."""
        with self._writing() as c:
            self._show_life(c, now)

    def beat(self, now: float) -> int:
        """Show a sign of life, and take over the journals of connectors that show none.

        A feed that falls due at no possible time gets its pause from now on: a machine whose clock
        was ahead, by an hour or a year, would else ask nobody until then.

        Returns:
            How many polls were taken over: they are ours to complete.
        """
        with self._writing() as c:
            self._show_life(c, now)
            c.execute(
                sa.update(FEEDS)
                .where(
                    FEEDS.c.listed,
                    FEEDS.c.next_poll_at > now + LONGEST_PUT_OFF,  # few: the index is used
                    FEEDS.c.next_poll_at > now + LONGEST_PUT_OFF + FEEDS.c.interval_s,
                )
                .values(next_poll_at=now + FEEDS.c.interval_s)
            )
            dead = JOURNAL.c.owner.not_in(self.alive(now))
            return c.execute(sa.update(JOURNAL).where(dead).values(owner=self.owner)).rowcount

    def alive(self, now: float) -> sa.Select[tuple[str]]:
        """The names of connectors that show a sign of life."""
        return sa.select(CONNECTORS.c.name).where(CONNECTORS.c.seen_at >= now - self.lease_seconds)

    def leave(self) -> None:
        """This connector is done for good and leaves nothing behind."""
        with self._writing() as c:
            c.execute(sa.delete(CONNECTORS).where(CONNECTORS.c.name == self.owner))

    # -- entries ----------------------------------------------------------------------------------

    def seen(self, feed_ids: Iterable[str]) -> dict[str, dict[str, Seen]]:
        """For each feed: article id -> what we know of it."""
        out: dict[str, dict[str, Seen]] = {feed_id: {} for feed_id in feed_ids}
        columns = (
            ENTRIES.c.feed_id,
            ENTRIES.c.article_id,
            ENTRIES.c.digest,
            ENTRIES.c.revision,
            ENTRIES.c.last_seen_at,
        )
        with self.engine.connect() as c:
            for chunk in chunks(tuple(out)):
                for row in c.execute(sa.select(*columns).where(ENTRIES.c.feed_id.in_(chunk))):
                    out[row[0]][row[1]] = Seen(row[1], row[2], row[3], row[4])
        return out

    def prune(self, before: float) -> int:
        """Forget entries that left their feed before ``before``; how many they were.

        A document that does not change is not read again, so an entry of old sight may stand in
        it still: it has left when the feed has had news since, in a document without it.
        """
        stays = sa.exists().where(
            FEEDS.c.feed_id == ENTRIES.c.feed_id,
            FEEDS.c.listed,
            sa.func.coalesce(FEEDS.c.last_new_at, 0.0) <= ENTRIES.c.last_seen_at + REFRESH_SEEN,
        )
        with self._writing() as c:
            left = sa.delete(ENTRIES).where(ENTRIES.c.last_seen_at < before, ~stays)
            return c.execute(left).rowcount

    # -- the journal ------------------------------------------------------------------------------

    def journal(self, polls: Sequence[FinishedPoll], now: float) -> set[str]:
        """Write down what is going to be published; once this returns it will be, whatever happens.

        Returns:
            The poll ids that were taken: one whose feed has another connector's lease by now is
            not.
        """
        with self._writing() as c:
            return write_journal(c, self.owner, polls, now + self.lease_seconds)

    def pending(self, poll_ids: Sequence[str] | None = None) -> list[FinishedPoll]:
        """Journalled polls of ours that were not completed, with their exact bytes."""
        with self.engine.connect() as c:
            wanted = self._pending_ids(c) if poll_ids is None else poll_ids
            return [p for chunk in chunks(wanted) for p in read_journal(c, self.owner, chunk)]

    def pending_ids(self) -> list[str]:
        """The journalled polls of ours that were not completed, the oldest of each run first."""
        with self.engine.connect() as c:
            return self._pending_ids(c)

    def pending_articles(self) -> int:
        """Articles in the journals of all connectors."""
        with self.engine.connect() as c:
            return int(c.execute(sa.select(sa.func.count()).select_from(PENDING)).scalar_one())

    def complete(self, polls: Sequence[FinishedPoll]) -> set[str]:
        """Write the effects of polls that Kafka has all of, and clear their journal.

        Returns:
            The poll ids that were written: not one that another connector took over meanwhile.
        """
        with self._writing() as c:
            return complete(c, self.owner, polls)

    def totals(self) -> FeedTotals:
        """How every entry ended, over all connectors, in one consistent reading."""
        with self.engine.connect() as c:
            query = sa.select(TOTALS.c.name, sa.func.sum(TOTALS.c.count)).group_by(TOTALS.c.name)
            counts = {name: int(n) for name, n in c.execute(query)}
            pending = c.execute(sa.select(sa.func.count()).select_from(PENDING)).scalar_one()
        rejected = sorted(
            (name.removeprefix(REJECTED), n)
            for name, n in counts.items()
            if name.startswith(REJECTED)
        )
        return FeedTotals(
            fetched=counts.get(FETCHED, 0),
            accepted=counts.get(ACCEPTED, 0),
            duplicates=counts.get(DUPLICATES, 0),
            rejected=sum(n for _, n in rejected),
            rejected_by_reason=tuple(rejected),
            backfilled=counts.get(BACKFILLED, 0),
            pending=pending,
        )

    # -- inside -----------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self.engine.connect().execution_options(write=True) as c, c.begin():
            yield c

    def _show_life(self, c: sa.Connection, now: float) -> None:
        insert = self._insert(CONNECTORS).values(name=self.owner, seen_at=now)
        c.execute(
            insert.on_conflict_do_update(index_elements=[CONNECTORS.c.name], set_={"seen_at": now})
        )

    def _pending_ids(self, c: sa.Connection) -> list[str]:
        query = sa.select(JOURNAL.c.poll_id).where(JOURNAL.c.owner == self.owner)
        return list(c.execute(query.order_by(JOURNAL.c.poll_id)).scalars())

    def _update_feeds(self, changes: Sequence[dict[str, Any]]) -> None:
        if not changes:
            return
        statement = (
            sa.update(FEEDS)
            .where(FEEDS.c.feed_id == sa.bindparam("id_"), FEEDS.c.lease_owner == self.owner)
            .values(
                next_poll_at=sa.bindparam("next_poll_at"),
                lease_until=0.0,
                lease_owner=None,
            )
        )
        with self._writing() as c:
            c.execute(statement, changes)
