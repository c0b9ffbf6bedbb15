"""`FeedStore` keeps the same promises on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from connectors.feeds import migrations
from connectors.feeds.feed_list import FeedList
from connectors.feeds.state.database import open_database, sqlite_url
from connectors.feeds.state.records import (
    REFRESH_SEEN,
)
from connectors.feeds.state.store import (
    LEASE_SECONDS,
    LONGEST_PUT_OFF,
    NUDGE_SPACING,
    FeedStore,
)
from connectors.feeds.state.tables import METADATA
from tests.contract.feeds_stores import NOW
from tests.contract.feeds_stores import feeds as _feeds
from tests.contract.feeds_stores import poll as _poll


def test_the_migrated_tables_are_the_ones_in_the_code(engine: sa.Engine) -> None:
    found = sa.inspect(engine)
    for table in METADATA.sorted_tables:
        columns = {c["name"] for c in found.get_columns(table.name)}
        assert columns == {c.name for c in table.columns}, table.name
        assert found.get_pk_constraint(table.name)["constrained_columns"] == [
            c.name for c in table.primary_key.columns
        ]


def test_opening_a_database_again_changes_nothing(engine: sa.Engine, store: FeedStore) -> None:
    store.sync_list(_feeds(1), NOW, 0)
    url = engine.url.render_as_string(hide_password=False)
    again = open_database(url)
    assert [r.feed_id for r in FeedStore(again).feeds()] == ["f0"]
    again.dispose()


def test_user_info_of_a_feed_is_never_stored(store: FeedStore) -> None:
    store.sync_list(_feeds(3), NOW, 0)
    assert all("secret" not in r.url for r in store.feeds())


def test_due_feeds_are_claimed_once_and_in_the_order_of_their_times(store: FeedStore) -> None:
    store.sync_list(_feeds(5), NOW, 10)
    assert [r.feed_id for r in store.claim(NOW + 5, 10)] == ["f0", "f1", "f2"]
    assert store.claim(NOW + 5, 10) == []
    assert [r.feed_id for r in store.claim(NOW + 99, 1)] == ["f3"]


def test_two_connectors_never_have_the_same_feed(engine: sa.Engine, store: FeedStore) -> None:
    store.sync_list(_feeds(60), NOW, 0)
    stores = [FeedStore(engine, f"c{n}") for n in range(4)]
    claimed: list[str] = []
    lock = threading.Lock()

    def work(mine: FeedStore) -> None:
        while rows := mine.claim(NOW + 1, 4):
            with lock:
                claimed.extend(r.feed_id for r in rows)

    threads = [threading.Thread(target=work, args=(s,)) for s in stores]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    # A claim may come back empty while another one is under way: what is left is claimed now.
    claimed += [r.feed_id for r in stores[0].claim(NOW + 1, 60)]
    assert sorted(claimed) == sorted(f"f{n}" for n in range(60))


def test_a_lease_runs_out_unless_it_is_renewed(engine: sa.Engine, store: FeedStore) -> None:
    other = FeedStore(engine, "two")
    store.sync_list(_feeds(2), NOW, 0)
    assert len(store.claim(NOW, 2)) == 2
    store.renew(["f0"], NOW + 100)
    assert [r.feed_id for r in other.claim(NOW + LEASE_SECONDS + 1, 2)] == ["f1"]


def test_a_poll_whose_lease_was_lost_is_not_taken(engine: sa.Engine, store: FeedStore) -> None:
    other = FeedStore(engine, "two")
    store.sync_list(_feeds(1), NOW, 0)
    store.claim(NOW, 1)
    other.claim(NOW + LEASE_SECONDS + 1, 1)
    assert store.journal([_poll("f0", "p")], NOW) == set()
    assert other.journal([_poll("f0", "q")], NOW) == {"q"}


def test_a_poll_without_news_whose_lease_was_lost_changes_nothing(
    engine: sa.Engine, store: FeedStore
) -> None:
    other = FeedStore(engine, "two")
    store.sync_list(_feeds(1), NOW, 0)
    store.claim(NOW, 1)
    other.claim(NOW + LEASE_SECONDS + 1, 1)
    newer = replace(_poll("f0", "q", etag='"newer"'), messages=())
    assert other.complete([newer]) == {"q"}
    assert store.complete([replace(_poll("f0", "p"), messages=())]) == set()
    assert [r.etag for r in store.feeds()] == ['"newer"']
    assert store.totals().fetched == 3


def test_a_feed_with_an_open_journal_row_is_nobodys_until_it_is_completed(
    engine: sa.Engine, store: FeedStore
) -> None:
    other = FeedStore(engine, "two")
    store.sync_list(_feeds(2), NOW, 0)
    store.claim(NOW, 2)
    store.journal([_poll("f0", "p", etag='"of the dead"')], NOW)
    later = NOW + 2 * LEASE_SECONDS
    assert [r.feed_id for r in other.claim(later, 9)] == ["f1"]
    assert other.beat(later) == 1
    other.complete(other.pending())
    (row,) = other.claim(later, 9)
    assert (row.feed_id, row.etag) == ("f0", '"of the dead"')


def test_journalling_extends_the_lease_so_that_a_claim_looks_again(
    engine: sa.Engine, store: FeedStore
) -> None:
    store.sync_list(_feeds(1), NOW, 0)
    store.claim(NOW, 1)
    store.journal([_poll("f0", "p")], NOW + LEASE_SECONDS - 1)
    with engine.connect() as c:
        until = c.execute(sa.text("SELECT lease_until FROM feeds_feed")).scalar_one()
    assert until == NOW + 2 * LEASE_SECONDS - 1


def test_journalling_again_after_a_lost_answer_changes_nothing(store: FeedStore) -> None:
    store.sync_list(_feeds(2), NOW, 0)
    store.claim(NOW, 2)
    first, second = _poll("f0", "p", articles=2), _poll("f1", "q")
    store.journal([first], NOW)
    # The next try shares its transaction with others that were never written.
    assert store.journal([first, second], NOW) == {"p", "q"}
    assert store.pending() == [first, second]
    assert store.totals().pending == 3


def test_a_poll_without_news_is_counted_once_also_after_a_lost_answer(store: FeedStore) -> None:
    store.sync_list(_feeds(1), NOW, 0)
    store.claim(NOW, 1)
    quiet = replace(_poll("f0", "p"), messages=())
    store.complete([quiet])
    store.complete([quiet])
    assert store.totals().fetched == 3


def test_a_journalled_poll_comes_back_byte_for_byte_until_it_is_complete(store: FeedStore) -> None:
    store.sync_list(_feeds(1), NOW, 0)
    store.claim(NOW, 1)
    poll = _poll("f0", "p", articles=3)
    store.journal([poll], NOW)
    assert store.pending() == [poll]
    assert store.totals().pending == 3
    assert store.totals().fetched == 0
    store.complete(store.pending())
    assert store.pending() == []
    totals = store.totals()
    assert (totals.fetched, totals.accepted, totals.duplicates, totals.rejected) == (3, 3, 2, 1)
    assert totals.rejected_by_reason == (("no_text", 1),)
    assert store.seen(["f0"])["f0"]["a"].digest == "d"
    (row,) = store.feeds()
    assert (row.etag, row.next_poll_at) == ('"1"', NOW + 60)


def test_completing_a_poll_twice_counts_it_once(store: FeedStore) -> None:
    store.sync_list(_feeds(1), NOW, 0)
    store.claim(NOW, 1)
    poll = _poll("f0", "p")
    store.journal([poll], NOW)
    store.complete([poll])
    store.complete([poll])
    assert store.totals().fetched == 3


def test_completing_frees_the_feed_for_everybody(engine: sa.Engine, store: FeedStore) -> None:
    other = FeedStore(engine, "two")
    store.sync_list(_feeds(1), NOW, 0)
    store.claim(NOW, 1)
    store.complete([replace(_poll("f0", "p"), messages=())])
    assert [r.feed_id for r in other.claim(NOW + 61, 1)] == ["f0"]


def test_feeds_are_asked_again_after_a_clock_that_was_a_year_ahead(store: FeedStore) -> None:
    ahead = NOW + 365 * 86_400
    store.sync_list(_feeds(3), ahead, 0)
    store.claim(ahead, 1)
    store.defer({"f0": ahead + 900})
    store.sync_list(_feeds(4), NOW, 0)
    store.claim(NOW, 1)
    store.defer({"f3": NOW + LONGEST_PUT_OFF})
    store.start(NOW)
    store.beat(NOW)
    assert {r.feed_id for r in store.claim(NOW, 10)} == {"f0", "f1", "f2"}


def test_after_a_clock_that_was_an_hour_ahead_each_feed_waits_its_own_pause_and_no_more(
    store: FeedStore,
) -> None:
    ahead = NOW + 3_600
    store.sync_list(_feeds(2), ahead, 0)
    store.claim(ahead, 2)
    for feed_id, pause in (("f0", 120.0), ("f1", 86_400.0)):
        changes = {"next_poll_at": ahead + pause, "interval_s": pause}
        store.complete([replace(_poll(feed_id, feed_id, **changes), messages=())])
    store.beat(NOW)
    assert [r.feed_id for r in store.claim(NOW + 119, 10)] == []
    assert [r.feed_id for r in store.claim(NOW + 120, 10)] == ["f0"]
    assert [r.feed_id for r in store.claim(NOW + 86_400, 10)] == ["f0", "f1"]


def test_a_server_that_asked_for_a_day_of_patience_has_it_to_the_second(store: FeedStore) -> None:
    store.sync_list(_feeds(1), NOW, 0)
    store.claim(NOW, 1)
    changes = {"next_poll_at": NOW + 86_400, "interval_s": 86_400.0}
    store.complete([replace(_poll("f0", "p", **changes), messages=())])
    store.beat(NOW + 3_600)
    assert store.claim(NOW + 86_399, 1) == []
    assert len(store.claim(NOW + 86_400, 1)) == 1


def test_the_journal_of_a_dead_connector_is_taken_over(engine: sa.Engine, store: FeedStore) -> None:
    store.sync_list(_feeds(1), NOW, 0)
    store.claim(NOW, 1)
    store.journal([_poll("f0", "p")], NOW)
    other = FeedStore(engine, "two")
    assert other.beat(NOW + 10) == 0
    assert other.pending_ids() == []
    assert other.beat(NOW + LEASE_SECONDS + 1) == 1
    assert other.pending_ids() == ["p"]
    (poll,) = other.pending(["p"])
    assert other.complete([poll]) == {"p"}
    assert store.complete([poll]) == set()
    assert store.totals().fetched == 3


def test_the_journal_of_a_connector_that_nobody_remembers_is_taken_over(
    engine: sa.Engine, store: FeedStore
) -> None:
    store.sync_list(_feeds(1), NOW, 0)
    store.claim(NOW, 1)
    store.journal([_poll("f0", "p")], NOW)
    store.leave()
    assert FeedStore(engine, "two").beat(NOW + 1) == 1


def test_an_import_shows_life_and_takes_nothing_over(engine: sa.Engine, store: FeedStore) -> None:
    store.sync_list(_feeds(1), NOW, 0)
    store.claim(NOW, 1)
    store.journal([_poll("f0", "p")], NOW)
    importer = FeedStore(engine, "import-1")
    importer.show_life(NOW + 10 * LEASE_SECONDS)
    assert importer.pending_ids() == []


def test_a_start_ends_the_leases_of_the_time_before(store: FeedStore) -> None:
    store.sync_list(_feeds(2), NOW, 0)
    store.claim(NOW, 2)
    store.start(NOW + 1)
    assert len(store.claim(NOW + 1, 2)) == 2


def test_a_connector_that_stops_gives_its_leases_back(engine: sa.Engine, store: FeedStore) -> None:
    store.sync_list(_feeds(2), NOW, 0)
    store.claim(NOW, 2)
    store.release()
    assert len(FeedStore(engine, "two").claim(NOW, 2)) == 2


def test_a_feed_that_is_added_to_a_long_list_is_due_at_once(store: FeedStore) -> None:
    store.sync_list(_feeds(50), NOW, 60)
    store.claim(NOW + 60, 50)
    polled = [replace(_poll(f"f{n}", f"p{n}"), messages=()) for n in range(50)]
    store.complete(polled)
    store.sync_list(_feeds(51), NOW + 10, 60)
    assert [r.feed_id for r in store.claim(NOW + 10, 99)] == ["f50"]


def test_a_nudge_waits_for_a_server_that_asked_for_patience_and_a_little_for_any(
    store: FeedStore,
) -> None:
    store.sync_list(_feeds(3), NOW, 0)
    store.claim(NOW, 3)
    due = {"next_poll_at": NOW + 900, "last_polled_at": NOW}
    polls = [
        _poll("f0", "p0", **due),
        _poll("f1", "p1", **due, failures=1),
        _poll("f2", "p2", **due),
    ]
    store.complete([replace(p, messages=()) for p in polls])
    store.make_due(["f0", "f1"], NOW + 1)
    times = {r.feed_id: r.next_poll_at - NOW for r in store.feeds()}
    assert times == {"f0": NUDGE_SPACING, "f1": 900, "f2": 900}
    store.make_due(["f2"], NOW + 100)
    assert {r.feed_id: r.next_poll_at for r in store.feeds()}["f2"] == NOW + 100


def test_a_journal_of_the_version_before_learns_its_feeds(
    tmp_path: Path,
) -> None:
    url = sqlite_url(tmp_path)
    engine = open_database(url)
    store = FeedStore(engine)
    store.sync_list(_feeds(1), NOW, 0)
    store.claim(NOW, 1)
    store.journal([_poll("f0", "p")], NOW)
    store.release()
    with engine.connect().execution_options(write=True) as c, c.begin():
        config = Config()
        config.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
        config.attributes["connection"] = c
        command.downgrade(config, "0001")
    engine.dispose()
    again = open_database(url)
    assert FeedStore(again).claim(NOW, 1) == []
    again.dispose()


def test_a_feed_that_leaves_the_list_keeps_its_memory(store: FeedStore) -> None:
    store.sync_list(_feeds(2), NOW, 0)
    store.claim(NOW, 2)
    store.complete([replace(_poll("f1", "p"), messages=())])
    store.sync_list(_feeds(1), NOW + 100, 0)
    assert [r.feed_id for r in store.claim(NOW + 200, 5)] == ["f0"] or store.claim(
        NOW + 200 + LEASE_SECONDS, 5
    )
    assert "a" in store.seen(["f1"])["f1"]
    store.sync_list(_feeds(2), NOW + 300, 0)
    assert {r.feed_id for r in store.feeds()} == {"f0", "f1"}


def test_entries_that_left_their_feed_long_ago_are_forgotten(store: FeedStore) -> None:
    store.sync_list(_feeds(1), NOW, 0)
    store.claim(NOW, 1)
    news = NOW + REFRESH_SEEN + 1
    store.complete([replace(_poll("f0", "p", last_new_at=news), messages=())])
    assert store.prune(NOW - 1) == 0
    assert store.prune(NOW + 1) == 1


def test_entries_of_a_document_that_did_not_change_for_months_stay_known(store: FeedStore) -> None:
    store.sync_list(_feeds(1), NOW, 0)
    store.claim(NOW, 1)
    store.complete([replace(_poll("f0", "p", last_new_at=NOW), messages=())])
    assert store.prune(NOW + 90 * 86_400) == 0
    store.sync_list(FeedList(), NOW, 0)
    assert store.prune(NOW + 90 * 86_400) == 1
