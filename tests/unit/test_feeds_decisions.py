"""The connector's pure decisions: what is new, when to ask again, how a feed does."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.feeds import schedule
from connectors.feeds.accept import accept, is_met_anew
from connectors.feeds.effects import Poll, after_poll
from connectors.feeds.feed_list import Feed
from connectors.feeds.health import health, say_seconds
from connectors.feeds.hosts import Hosts
from connectors.feeds.http.fetch import FetchResult, Outcome
from connectors.feeds.lanes import Lanes, NoPlaceError, is_proven
from connectors.feeds.parse.model import (
    FeedFormat,
    ParsedEntry,
    ParsedFeed,
    RejectedEntry,
    RejectReason,
)
from connectors.feeds.schedule import Pace
from connectors.feeds.state.records import FeedRow, Seen, State
from pipeline.contracts.clock import FakeClock

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
T = NOW.timestamp()
DAY = 86_400.0
FEED = Feed("outlet-1", "https://outlet.example/rss", "The Outlet", group="en")


def _entry(name: str, title: str = "Bridge opens", published: datetime | None = NOW) -> ParsedEntry:
    link = f"https://outlet.example/{name}"
    return ParsedEntry(name, name, title, "A summary.", link, published, None, (), ())


def _document(*entries: ParsedEntry | RejectedEntry, unread: int = 0) -> ParsedFeed:
    return ParsedFeed(FeedFormat.RSS, entries, unread=unread)


def _known(*entries: ParsedEntry, at: float = T) -> dict[str, Seen]:
    first = accept(FEED, _document(*entries), {}, NOW)
    return {s.article_id: replace(s, last_seen_at=at) for s in first.seen}


# -- accept ---------------------------------------------------------------------------------------


def test_every_entry_ends_in_exactly_one_way() -> None:
    known = _known(_entry("a"), _entry("b"))
    document = _document(
        _entry("a"),
        _entry("b", "Bridge opens late"),
        _entry("c"),
        RejectedEntry(RejectReason.DUPLICATE),
        RejectedEntry(RejectReason.NO_TEXT),
        unread=3,
    )
    done = accept(FEED, document, known, NOW)
    assert (done.new, done.updated, done.duplicates, done.rejected) == (1, 1, 1, 5)
    assert done.fetched == 8
    assert dict(done.rejects) == {"duplicate": 1, "no_text": 1, "over_limit": 3}


def test_an_edit_keeps_its_id_and_gets_the_next_revision() -> None:
    known = _known(_entry("a"))
    (edit,) = accept(FEED, _document(_entry("a", "Bridge shut")), known, NOW).articles
    assert (edit.article_id, edit.revision) == ("a", 1)
    later = {"a": accept(FEED, _document(_entry("a", "Bridge shut")), known, NOW).seen[0]}
    (again,) = accept(FEED, _document(_entry("a", "Bridge open")), later, NOW).articles
    assert again.revision == 2


def test_another_stated_date_is_an_edit_unless_the_feed_dates_everything_anew() -> None:
    entries = [_entry(n) for n in "abcd"]
    moved_on = NOW + timedelta(minutes=5)
    known = _known(*entries)
    one = accept(FEED, _document(_entry("a", published=moved_on), *entries[1:]), known, NOW)
    assert one.updated == 1
    every = accept(FEED, _document(*(_entry(n, published=moved_on) for n in "abcd")), known, NOW)
    assert (every.updated, every.duplicates) == (0, 4)
    # Two entries are no crowd: both may have been edited.
    both = accept(FEED, _document(*(_entry(n, published=moved_on) for n in "ab")), known, NOW)
    assert (both.updated, both.duplicates) == (2, 0)


def test_an_entry_that_stays_is_noted_once_a_day_and_no_more() -> None:
    entry = _entry("a")
    assert accept(FEED, _document(entry), _known(entry, at=T - 100), NOW).seen == ()
    (seen,) = accept(FEED, _document(entry), _known(entry, at=T - 2 * DAY), NOW).seen
    assert (seen.last_seen_at, seen.revision) == (T, 0)


def test_the_past_of_a_feed_that_is_met_anew_is_back_fill_and_its_news_is_not() -> None:
    document = _document(
        _entry("old", published=NOW - timedelta(minutes=31)),
        _entry("undated", published=None),
        _entry("news", published=NOW - timedelta(minutes=29)),
    )
    met = accept(FEED, document, {}, NOW, anew=True)
    assert [a.backfill for a in met.articles] == [True, True, False]
    assert (met.new, met.live) == (3, 1)
    known = accept(FEED, document, {}, NOW)
    assert (known.live, any(a.backfill for a in known.articles)) == (3, False)


def test_a_feed_is_met_anew_at_first_and_after_long() -> None:
    assert is_met_anew(None, T)
    assert is_met_anew(T - 7 * 3600, T)
    assert not is_met_anew(T - 5 * 3600, T)


def test_without_a_publisher_in_the_list_the_links_domain_stands_in() -> None:
    feed = Feed("x", "https://feeds.host.example/rss")
    (article,) = accept(feed, _document(_entry("a")), {}, NOW).articles
    assert (article.publisher, article.owner) == ("outlet.example", "outlet.example")


# -- schedule -------------------------------------------------------------------------------------

ROW = FeedRow("f", "https://outlet.example/rss", "outlet.example", "en")


def test_a_busy_feed_is_asked_at_the_shortest_interval_and_a_slow_one_within_the_longest() -> None:
    pace = Pace(120)
    busy = replace(ROW, gap_s=60.0, last_new_at=T)
    calm = replace(ROW, gap_s=DAY, last_new_at=T - DAY)
    assert schedule.interval(busy, pace, T, own=False) == 120
    assert schedule.interval(calm, pace, T, own=False) == schedule.LONGEST
    assert schedule.interval(calm, Pace(1), T, own=True) == 1


def test_a_feeds_wish_is_heard_up_to_a_limit() -> None:
    row = replace(ROW, gap_s=60.0, last_new_at=T, hint_s=300.0)
    assert schedule.interval(row, Pace(120), T, own=False) == 300
    greedy = replace(row, hint_s=7 * DAY)
    assert schedule.interval(greedy, Pace(120), T, own=False) == schedule.LONGEST_WISH


@pytest.mark.parametrize("outcome", [o for o in Outcome if not o.answered])
def test_back_off_grows_and_never_stops_for_good(outcome: Outcome) -> None:
    pauses = [schedule.back_off(outcome, None, n, Pace(120), own=False) for n in range(1, 40)]
    assert pauses == sorted(pauses)
    assert pauses[0] <= 240
    assert 3600 <= pauses[-1] <= DAY


def test_an_own_host_that_was_away_is_tried_again_soon() -> None:
    assert schedule.back_off(Outcome.NETWORK_ERROR, None, 30, Pace(1), own=True) == 30


def test_the_rhythm_is_learned_from_new_articles_only() -> None:
    assert schedule.learned_gap(None, None, 5) is None
    assert schedule.learned_gap(None, 600.0, 2) == 300
    assert schedule.learned_gap(300.0, 700.0, 1) == 400
    assert schedule.learned_gap(300.0, 700.0, 0) == 300


def test_jitter_stays_within_a_tenth() -> None:
    rng = random.Random(1)
    assert all(90 <= schedule.with_jitter(100, rng) <= 110 for _ in range(200))


# -- health ---------------------------------------------------------------------------------------

POLLED = replace(ROW, first_polled_at=T - 30 * DAY, last_polled_at=T, last_entries=20, outcome="ok")


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (ROW, State.NEW),
        (replace(POLLED, last_new_at=T - 600, gap_s=900.0), State.HEALTHY),
        (replace(POLLED, last_new_at=T - 8 * 3600, gap_s=900.0), State.QUIET),
        (replace(POLLED, last_new_at=T - 3 * DAY, gap_s=900.0), State.SILENT_ZERO),
        (replace(POLLED, last_new_at=T - 3 * DAY, gap_s=DAY), State.HEALTHY),
        (replace(POLLED, last_new_at=T, last_entries=0), State.SILENT_ZERO),
        (replace(POLLED, failures=2, last_new_at=T), State.HEALTHY),
        (replace(POLLED, failures=3, outcome="timeout"), State.FAILING),
        (replace(POLLED, failures=3, outcome="gone"), State.GONE),
    ],
)
def test_a_feeds_state_says_what_a_person_would(row: FeedRow, state: State) -> None:
    found, reason = health(row, T)
    assert found is state
    assert reason or state is State.HEALTHY


def test_lengths_of_time_read_well() -> None:
    assert [say_seconds(s) for s in (5, 61, 7200, 3 * DAY)] == ["5 s", "1 min", "2 h", "3 days"]


# -- after a poll ---------------------------------------------------------------------------------


def test_validators_are_dropped_by_no_failure_and_replaced_by_a_whole_answer() -> None:
    row = replace(ROW, etag='"1"', failures=0)
    failed = after_poll(
        Poll(FEED, row, FetchResult(Outcome.TIMEOUT, ""), None, None, None, False), T
    )
    assert (failed.etag, failed.failures) == ('"1"', 1)
    fresh = FetchResult(Outcome.OK, "", body=b"x")
    after = after_poll(Poll(FEED, failed, fresh, None, None, "digest", False), T)
    assert (after.etag, after.failures, after.body_digest) == (None, 0, "digest")


# -- hosts and lanes ------------------------------------------------------------------------------


def test_feeds_of_one_host_get_a_time_each_and_all_have_their_turn() -> None:
    hosts = Hosts(spacing=1.0)
    hosts.enter("h", T)
    hosts.leave("h")
    times = [T + hosts.wait("h", T) for _ in range(50)]
    assert times == sorted(set(times))
    for at in times:
        assert hosts.wait("h", at) == 0
        hosts.enter("h", at)
        hosts.leave("h")


def test_a_host_that_does_not_answer_holds_two_requests_and_no_more() -> None:
    hosts = Hosts(spacing=0.0)
    hosts.enter("h", T)
    hosts.enter("h", T)
    assert hosts.wait("h", T + 1000) > 0
    hosts.leave("h")
    assert hosts.wait("h", T + 1000) == 0


def test_own_hosts_are_not_spaced() -> None:
    hosts = Hosts(["127.0.0.1"])
    hosts.enter("127.0.0.1", T)
    assert hosts.wait("127.0.0.1", T) == 0


def test_a_host_that_is_asked_no_more_is_forgotten() -> None:
    hosts = Hosts()
    for n in range(1000):
        hosts.enter(f"h{n}", T)
        hosts.leave(f"h{n}")
    hosts.enter("last", T + 3600)
    assert len(hosts._hosts) == 1


class SetBack(FakeClock):
    """A time of day that somebody sets back by an hour as time goes on."""

    def now(self) -> datetime:
        return super().now() - timedelta(hours=1 if self.monotonic() else 0)


def test_a_turn_at_a_host_comes_although_the_time_of_day_is_set_back() -> None:
    async def scene() -> None:
        clock, hosts = SetBack(NOW), Hosts()
        for _ in range(3):
            await hosts.turn("h", clock)
            hosts.leave("h")
        assert 2.0 <= clock.monotonic() < 3.0

    asyncio.run(scene())


def test_the_operators_hosts_are_known_however_the_allow_list_writes_them() -> None:
    hosts = Hosts.of_allow_list(["Outlet.Example:80", "[::1]:8080", "fd00::1:80"])
    assert hosts.is_own("outlet.example")
    assert hosts.is_own("::1")
    assert hosts.is_own("fd00::1")


def test_a_poll_that_lasts_gives_its_place_back() -> None:
    async def scene() -> None:
        lanes = Lanes(fast=2, slow=1, patience=0.01)
        tasks = [asyncio.create_task(asyncio.Event().wait()) for _ in range(2)]
        for task in tasks:
            lanes.enter(task, slow=False)
        assert lanes.free == 0
        async with asyncio.timeout(5):
            # One moves over, the other finds the lane full.
            while lanes.free != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert not lanes.has_slow_place
        for task in tasks:
            task.cancel()
            lanes.leave(task)
        assert (lanes.free, lanes.has_slow_place) == (2, True)

    asyncio.run(scene())


def test_a_fetch_that_lasts_is_cut_short_when_the_slow_lane_is_full_and_frees_its_place() -> None:
    async def scene() -> None:
        lanes = Lanes(fast=1, slow=1, patience=0.01)
        cut: list[str] = []

        async def poll(name: str) -> None:
            try:
                async with lanes.fetching():
                    await asyncio.Event().wait()
            except NoPlaceError:
                cut.append(name)

        slow, lasting = asyncio.create_task(poll("slow")), asyncio.create_task(poll("lasting"))
        lanes.enter(slow, slow=True)
        lanes.enter(lasting, slow=False)
        lasting.add_done_callback(lanes.leave)
        assert lanes.free == 0
        async with asyncio.timeout(5):
            await lasting
        assert (cut, lanes.free, slow.done()) == (["lasting"], 1, False)
        slow.cancel()

    asyncio.run(scene())


def test_what_waits_for_kafka_keeps_its_place_and_is_not_cut_short() -> None:
    async def scene() -> None:
        lanes = Lanes(fast=1, slow=1, patience=0.01)
        kafka = asyncio.Event()

        async def poll() -> str:
            async with lanes.fetching():
                pass
            await kafka.wait()
            return "lasting"

        slow, waiting = asyncio.create_task(kafka.wait()), asyncio.create_task(poll())
        lanes.enter(slow, slow=True)
        lanes.enter(waiting, slow=False)
        looked = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, looked.set)  # the lane looks five times
        await looked.wait()
        assert (lanes.free, waiting.done()) == (0, False)
        kafka.set()
        assert await waiting == "lasting"

    asyncio.run(scene())


def test_feeds_that_have_not_proved_themselves_have_a_quarter_of_the_places() -> None:
    async def scene() -> None:
        lanes = Lanes(fast=8, slow=1)
        tasks = [asyncio.create_task(asyncio.Event().wait()) for _ in range(2)]
        for task in tasks:
            assert lanes.wait(T, slow=False, proven=False) == 0
            lanes.enter(task, slow=False, proven=False)
        assert lanes.wait(T, slow=False, proven=False) > 0
        assert lanes.wait(T, slow=False, proven=True) == 0
        for task in tasks:
            task.cancel()
            lanes.leave(task)
        assert lanes.wait(T, slow=False, proven=False) == 0

    asyncio.run(scene())


def test_those_who_wait_for_a_slow_place_are_looked_at_one_after_the_other() -> None:
    async def scene() -> None:
        lanes = Lanes(fast=1, slow=1)
        task = asyncio.create_task(asyncio.Event().wait())
        assert lanes.wait(T, slow=True, proven=False) == 0
        lanes.enter(task, slow=True)
        waits = [lanes.wait(T, slow=True, proven=False) for _ in range(5)]
        assert waits == sorted(set(waits))
        assert all(lanes.wait(T, slow=True, proven=False) <= 900 for _ in range(1000))
        task.cancel()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("row", "proven"),
    [
        (ROW, False),
        (replace(ROW, last_answer_at=T), True),
        (replace(ROW, last_answer_at=T, failures=1), False),
        (replace(ROW, last_answer_at=T, slow=True), False),
    ],
)
def test_a_feed_is_proven_by_its_last_answer(row: FeedRow, proven: bool) -> None:
    assert is_proven(row) is proven
