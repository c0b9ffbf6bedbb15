"""`StatusStore`: what is told of a bucket is all that is known of it, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from connectors.feeds.state.records import (
    FinishedPoll,
    StatusRow,
)
from connectors.feeds.state.status_rows import KEEP_TOLD, StatusStore
from connectors.feeds.state.store import (
    LEASE_SECONDS,
    FeedStore,
)
from connectors.feeds.state.tables import STATUS
from tests.contract.feeds_stores import NOW
from tests.contract.feeds_stores import feeds as _feeds
from tests.contract.feeds_stores import poll as _poll


def test_the_status_adds_up_over_polls_and_is_told_once(store: FeedStore) -> None:
    status = StatusStore(store)
    store.sync_list(_feeds(2), NOW, 0)
    store.claim(NOW, 2)
    store.complete([replace(_poll("f0", "p"), messages=()), replace(_poll("f1", "q"), messages=())])
    rows = status.due(301, NOW)
    assert rows == [StatusRow(300, "g0", "one", 2, 2, 2)]
    status.told(600, rows)
    assert status.due(10**9, NOW) == []
    assert status.until() == 600


@pytest.mark.parametrize("between", [True, False], ids=["before it is noted", "afterwards"])
@pytest.mark.parametrize("more", ["polled", "answered", "articles"])
def test_what_a_late_poll_adds_to_a_bucket_is_told_with_all_that_was_told_before(
    store: FeedStore, more: str, between: bool
) -> None:
    status = StatusStore(store)
    store.sync_list(_feeds(2), NOW, 0)
    store.claim(NOW, 2)
    store.complete([replace(_poll("f0", "p"), messages=())])
    rows = status.due(600, NOW)
    nothing = {"polled": 0, "answered": 0, "articles": 0}
    effect = replace(_poll("f1", "q").effect, **nothing | {more: 1})
    if between:
        store.complete([FinishedPoll("q", effect)])
    status.told(600, rows)
    if not between:
        assert status.due(600, NOW) == []
        store.complete([FinishedPoll("q", effect)])
    (row,) = status.due(600, NOW)
    assert row == replace(StatusRow(300, "g0", "one", 1, 1, 1), **{more: 2})


def test_what_was_told_is_forgotten_after_a_day(engine: sa.Engine, store: FeedStore) -> None:
    status = StatusStore(store)
    store.sync_list(_feeds(1), NOW, 0)
    store.claim(NOW, 1)
    store.complete([replace(_poll("f0", "p"), messages=())])
    status.told(600, status.due(600, NOW))
    for until, left in ((300 + KEEP_TOLD, 1), (301 + KEEP_TOLD, 0)):
        status.told(until, ())
        with engine.connect() as c:
            assert c.execute(sa.select(sa.func.count()).select_from(STATUS)).scalar() == left


def test_what_a_dead_connector_did_not_tell_is_told_in_its_name_by_one_that_lives(
    engine: sa.Engine, store: FeedStore
) -> None:
    other = FeedStore(engine, "two")
    other.start(NOW)
    store.sync_list(_feeds(3), NOW, 0)
    store.claim(NOW, 3)
    polls = [replace(_poll(f"f{n}", f"p{n}"), messages=()) for n in range(3)]
    store.complete(polls[:2])
    store.release()
    other.claim(NOW, 3)
    other.complete(polls[2:])
    own, left = StatusRow(300, "g0", "two", 1, 1, 1), StatusRow(300, "g0", "one", 2, 2, 2)
    status = StatusStore(other)
    other.beat(NOW + LEASE_SECONDS + 1)
    assert status.due(301, NOW + LEASE_SECONDS - 1) == [own]
    rows = status.due(301, NOW + LEASE_SECONDS + 1)
    assert sorted(rows, key=lambda r: r.owner) == [left, own]
    status.told(600, rows)
    assert StatusStore(store).due(301, NOW) == []
