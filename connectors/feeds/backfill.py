"""Publishes an archive as back-fill, through the journal like all that is published."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from connectors.bus.base import Publisher
from connectors.feeds.journal import Journal
from connectors.feeds.state.records import Effect, FinishedPoll, Outgoing
from connectors.feeds.state.store import ACCEPTED, BACKFILLED, FETCHED, FeedStore
from pipeline.contracts.clock import Clock, SystemClock
from pipeline.contracts.codec import encode
from pipeline.contracts.ids import stable_id
from pipeline.contracts.records import Article

BATCH: Final = 1000
"""Articles that share a transaction and a round trip."""
_ID_DIGITS: Final = frozenset("0123456789abcdef")
_OLDEST: Final = timedelta(days=3650)
"""A date so long before the first sight is an unset clock, as for the pipeline."""


async def publish_archive(
    articles: Iterable[Article],
    store: FeedStore,
    publisher: Publisher,
    clock: Clock | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Publish ``articles`` marked as back-fill, seen now; how many they were.

    They are counted in the totals as fetched and accepted. A crash in between leaves a journal
    that a running connector completes.

    Args:
        articles: in the order in which they were seen.
        store: of a connector of its own name, so that a running one is not disturbed.
        publisher: where they go.
        clock: tells ``seen_at``.
        on_progress: told how many are published, after each batch.
    """
    clock = clock or SystemClock()
    done = 0
    with ThreadPoolExecutor(1, thread_name_prefix="database") as database:
        journal = Journal(store, publisher, database, clock)
        try:
            for batch in _batches(articles):
                now = clock.now()
                store.show_life(now.timestamp())
                await journal.commit(_poll(batch, now))
                done += len(batch)
                on_progress(done)
        finally:
            journal.close()
    await asyncio.to_thread(store.leave)
    return done


def as_backfill(article: Article, now: datetime) -> Article:
    """The article as it is published from an archive, seen ``now``.

    An id of ours (this program wrote the archive) is kept; a foreign one is scoped to its source.
    The pipeline files an article without a usable date of publication under the time at which it
    was seen (design, section 4): for an old one that is the archive's and not ours.
    """
    known = len(article.article_id) == 32 and set(article.article_id) <= _ID_DIGITS
    name = article.article_id if known else stable_id(article.feed_id, "a", article.article_id)
    published, seen = article.published_at, article.seen_at
    if published is None or published > seen or seen - published > _OLDEST:
        published = seen
    return replace(article, article_id=name, published_at=published, seen_at=now, backfill=True)


def _poll(articles: list[Article], now: datetime) -> FinishedPoll:
    messages = []
    for article in articles:
        ready = as_backfill(article, now)
        messages.append(Outgoing(ready.article_id.encode(), encode(ready)))
    counts = tuple((name, len(articles)) for name in (FETCHED, ACCEPTED, BACKFILLED))
    return FinishedPoll(uuid.uuid4().hex, Effect("", {}, counts=counts), tuple(messages))


def _batches(articles: Iterable[Article]) -> Iterator[list[Article]]:
    source = iter(articles)
    while batch := list(islice(source, BATCH)):
        yield batch
