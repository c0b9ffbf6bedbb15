"""`SubscriptionStore`: which feeds have a hub, and how we stand with it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from connectors.feeds.state.tables import FEEDS, SUBSCRIPTIONS

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

    def due(self, now: float, ask_again: float, renew_before: float) -> list[tuple[str, str, str]]:
        """(feed id, hub, topic) of listed feeds that are to be subscribed or renewed now."""
        s = SUBSCRIPTIONS.c
        joined = sa.outerjoin(FEEDS, SUBSCRIPTIONS, FEEDS.c.feed_id == s.feed_id)
        patient = s.asked_at < now - ask_again
        query = (
            sa.select(FEEDS.c.feed_id, FEEDS.c.hub, FEEDS.c.hub_topic)
            .select_from(joined)
            .where(
                FEEDS.c.listed,
                FEEDS.c.hub.is_not(None),
                FEEDS.c.hub_topic.is_not(None),
                sa.or_(
                    s.feed_id.is_(None),
                    sa.and_(patient, s.state != ACTIVE),
                    sa.and_(patient, s.state == ACTIVE, s.expires_at < now + renew_before),
                ),
            )
            .limit(50)
        )
        with self._engine.connect() as c:
            return [(row[0], row[1], row[2]) for row in c.execute(query)]

    def asked(self, wanted: Subscription) -> Subscription:
        """Note that the hub is asked; an earlier token and secret of the same hub stay in use."""
        known = self._one(SUBSCRIPTIONS.c.feed_id == wanted.feed_id)
        with self._engine.connect().execution_options(write=True) as c, c.begin():
            if known is not None and (known.hub, known.topic) == (wanted.hub, wanted.topic):
                c.execute(
                    sa.update(SUBSCRIPTIONS)
                    .where(SUBSCRIPTIONS.c.feed_id == wanted.feed_id)
                    .values(asked_at=wanted.asked_at)
                )
                return known
            c.execute(sa.delete(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.feed_id == wanted.feed_id))
            c.execute(
                sa.insert(SUBSCRIPTIONS).values(
                    feed_id=wanted.feed_id,
                    token=wanted.token,
                    hub=wanted.hub,
                    topic=wanted.topic,
                    secret=wanted.secret,
                    state=ASKED,
                    asked_at=wanted.asked_at,
                )
            )
        return wanted

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
