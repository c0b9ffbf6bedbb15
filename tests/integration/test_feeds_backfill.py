"""An archive is published as back-fill: what becomes of its articles, and how they are counted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.bus.memory import MemoryBus, MemoryPublisher
from connectors.feeds import backfill
from connectors.feeds.backfill import as_backfill, publish_archive
from connectors.feeds.state.database import open_database, sqlite_url
from connectors.feeds.state.store import FeedStore
from pipeline.contracts.codec import decode
from pipeline.contracts.records import Article
from pipeline.contracts.topics import ARTICLES, topic_specs

SEEN = datetime(2025, 3, 4, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 25, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _article(article_id: str = "a1", published_at: datetime | None = SEEN - HOUR) -> Article:
    return Article(
        article_id=article_id,
        feed_id="Harbour Post",
        group="en",
        publisher="Harbour Post",
        owner="Harbour Post",
        title="Bridge opens",
        summary="",
        link=None,
        authors=(),
        guid=None,
        published_at=published_at,
        seen_at=SEEN,
    )


def test_an_old_article_is_seen_now_and_keeps_its_date() -> None:
    ready = as_backfill(_article(), NOW)
    assert (ready.seen_at, ready.published_at, ready.backfill) == (NOW, SEEN - HOUR, True)


@pytest.mark.parametrize(
    "unusable", [None, SEEN + HOUR, NOW, datetime(1970, 1, 1, tzinfo=UTC)], ids=str
)
def test_an_article_without_a_usable_date_is_filed_when_it_was_seen_then(
    unusable: datetime | None,
) -> None:
    """Filed under today, a month of such articles would be this evening's news."""
    assert as_backfill(_article(published_at=unusable), NOW).published_at == SEEN


def test_an_id_of_ours_is_kept_and_a_foreign_one_is_its_sources() -> None:
    ours = "0123456789abcdef" * 2
    assert as_backfill(_article(ours), NOW).article_id == ours
    foreign = as_backfill(_article("17"), NOW).article_id
    other = as_backfill(replace(_article("17"), feed_id="Lighthouse"), NOW).article_id
    assert len({foreign, other, "17"}) == 3
    assert as_backfill(_article("17"), NOW).article_id == foreign


def test_all_of_an_archive_is_published_counted_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "BATCH", 3)
    bus = MemoryBus(topic_specs())
    engine = open_database(sqlite_url(tmp_path))
    told: list[int] = []
    try:
        store = FeedStore(engine, "import-1")
        articles = [_article(str(n)) for n in range(7)]
        count = asyncio.run(
            publish_archive(articles, store, MemoryPublisher(bus), on_progress=told.append)
        )
        totals = store.totals()
    finally:
        engine.dispose()
    sent = [
        decode(Article, m.value) for p in bus.partitions([ARTICLES]) for m in bus.read(p, 0, 100)
    ]
    assert count == len(sent) == 7
    assert all(a.backfill for a in sent)
    assert told == [3, 6, 7]
    assert (totals.fetched, totals.accepted, totals.backfilled, totals.pending) == (7, 7, 7, 0)
