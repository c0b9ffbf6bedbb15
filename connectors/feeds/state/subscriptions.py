"""`SubscriptionStore`: which feeds have a hub, and how we stand with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from connectors.feeds.state.effects import insert_for
from connectors.feeds.state.tables import FEEDS, SUBSCRIPTIONS

_AT_ONCE: Final = 200
"""Subscriptions that are asked for in one round."""
ASKED, ACTIVE, REFUSED = "asked", "active", "refused"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One feed at its hub. Times are seconds since 1970."""

    feed_id: str
    token: str
    """The last part of the callback's path: nobody else can guess it."""
    hub: str
    topic: str
    secret: str
    asked_at: float
    state: str = ASKED
    expires_at: float | None = None


class SubscriptionStore:
    """Every statement on subscriptions. Blocking."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def due(self, now: float, ask_again: float, renew_left: float) -> list[tuple[str, str, str]]:
        """(feed id, hub, topic) of listed feeds to be subscribed or renewed now; new ones first.

        Args:
            now: seconds since 1970.
            ask_again: seconds until a hub that refused, or never verified, is asked again.
            renew_left: the part of a lease that is left when it is renewed.
        """
        s = SUBSCRIPTIONS.c
        joined = sa.outerjoin(FEEDS, SUBSCRIPTIONS, FEEDS.c.feed_id == s.feed_id)
        runs_out = s.expires_at - now < renew_left * (s.expires_at - s.asked_at)
        query = (
            sa.select(FEEDS.c.feed_id, FEEDS.c.hub, FEEDS.c.hub_topic)
            .select_from(joined)
            .where(
                FEEDS.c.listed,
                FEEDS.c.hub.is_not(None),
                FEEDS.c.hub_topic.is_not(None),
                sa.or_(
                    s.feed_id.is_(None),
                    s.hub != FEEDS.c.hub,
                    s.topic != FEEDS.c.hub_topic,
                    sa.and_(s.state != ACTIVE, s.asked_at < now - ask_again),
                    sa.and_(s.state == ACTIVE, runs_out),
                ),
            )
            .order_by(sa.func.coalesce(s.asked_at, 0.0), FEEDS.c.feed_id)
            .limit(_AT_ONCE)
        )
        with self._engine.connect() as c:
            return [(row[0], row[1], row[2]) for row in c.execute(query)]

    def asked(self, wanted: Subscription, pause: float) -> Subscription | None:
        """Note that the hub is asked; an earlier token and secret of the same hub stay in use.

        None when it was asked less than ``pause`` seconds ago, by another connector perhaps.
        """
        s = SUBSCRIPTIONS.c
        with self._engine.connect().execution_options(write=True) as c, c.begin():
            row = c.execute(
                sa.select(SUBSCRIPTIONS).where(s.feed_id == wanted.feed_id).with_for_update()
            ).first()
            known = None if row is None else Subscription(**row._mapping)
            if known is not None and known.asked_at > wanted.asked_at - pause:
                return None
            if known is not None and (known.hub, known.topic) == (wanted.hub, wanted.topic):
                c.execute(
                    sa.update(SUBSCRIPTIONS)
                    .where(s.feed_id == wanted.feed_id)
                    .values(asked_at=wanted.asked_at)
                )
                return known
            c.execute(sa.delete(SUBSCRIPTIONS).where(s.feed_id == wanted.feed_id))
            insert = insert_for(c)(SUBSCRIPTIONS).values(
                feed_id=wanted.feed_id,
                token=wanted.token,
                hub=wanted.hub,
                topic=wanted.topic,
                secret=wanted.secret,
                state=ASKED,
                asked_at=wanted.asked_at,
            )
            # Two connectors may do this at the same moment: the first one asks.
            first = c.execute(insert.on_conflict_do_nothing().returning(s.feed_id)).first()
            return None if first is None else wanted

    def verified(self, feed_id: str, expires_at: float) -> None:
        """The hub has confirmed."""
        self._set(feed_id, state=ACTIVE, expires_at=expires_at)

    def refused(self, feed_id: str) -> None:
        """The hub does not want us, or did not answer."""
        self._set(feed_id, state=REFUSED)

    def by_token(self, token: str) -> Subscription | None:
        """Whose callback ``token`` is."""
        return self._one(SUBSCRIPTIONS.c.token == token)

    def _set(self, feed_id: str, **values: str | float) -> None:
        with self._engine.connect().execution_options(write=True) as c, c.begin():
            c.execute(
                sa.update(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.feed_id == feed_id).values(**values)
            )

    def _one(self, condition: sa.ColumnElement[bool]) -> Subscription | None:
        with self._engine.connect() as c:
            row = c.execute(sa.select(SUBSCRIPTIONS).where(condition)).first()
        return None if row is None else Subscription(**row._mapping)
