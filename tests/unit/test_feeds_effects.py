"""What a poll does to a feed's next time and state: hints, orders, failures and recovery."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connectors.feeds import schedule
from connectors.feeds.accept import accept
from connectors.feeds.effects import Poll, after_poll, effect_of
from connectors.feeds.feed_list import Feed
from connectors.feeds.health import SILENT_UNKNOWN, health
from connectors.feeds.http import headers as http_headers
from connectors.feeds.http.fetch import FetchResult, Outcome
from connectors.feeds.parse.model import FeedFormat, FeedHints, ParsedEntry, ParsedFeed
from connectors.feeds.schedule import Pace
from connectors.feeds.state.records import FeedRow, State

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
T = NOW.timestamp()
DAY = 86_400.0
FEED = Feed("outlet-1", "https://outlet.example/rss", "The Outlet", group="en")
ROW = FeedRow(
    "outlet-1",
    FEED.url,
    "outlet.example",
    "en",
    first_polled_at=T - 30 * DAY,
    last_polled_at=T - 300,
    last_answer_at=T - 300,
    last_full_at=T - 300,
    last_new_at=T - 300,
    last_entries=9,
    gap_s=480.0,
    outcome="ok",
    state=State.HEALTHY,
    state_since=T - DAY,
)
PACE = Pace(120)


def _row(before: FeedRow, result: FetchResult, now: float = T, own: bool = False) -> FeedRow:
    """The feed's row after a poll that parsed nothing."""
    poll = Poll(FEED, before, result, None, None, before.body_digest, full=False)
    return replace(before, **effect_of(poll, now, PACE, own, random.Random(1)).changes)


def _failed(outcome: Outcome, status: int | None = None, retry: int | None = None) -> FetchResult:
    return FetchResult(outcome, FEED.url, "a reason", status, retry_after_s=retry)


OK = FetchResult(Outcome.NOT_MODIFIED, FEED.url, status=304)


@pytest.mark.parametrize(
    "result",
    [
        _failed(Outcome.HTTP_ERROR, 503, 5000),
        _failed(Outcome.HTTP_ERROR, 429, 5000),
        replace(OK, retry_after_s=5000),
    ],
)
@pytest.mark.parametrize("own", [False, True])
def test_retry_after_is_an_order_whatever_came_with_it(result: FetchResult, own: bool) -> None:
    assert _row(ROW, result, own=own).next_poll_at == T + 5000


def test_a_short_retry_after_does_not_make_us_hurry() -> None:
    assert _row(ROW, _failed(Outcome.HTTP_ERROR, 503, 1)).next_poll_at >= T + PACE.shortest


def _hinted(hints: FeedHints, max_age: int | None) -> float | None:
    entry = ParsedEntry("a", "a", "Bridge opens", "", None, NOW, None, (), ())
    parsed = ParsedFeed(FeedFormat.RSS, (entry,), hints=hints)
    result = FetchResult(Outcome.OK, FEED.url, status=200, max_age_s=max_age)
    accepted = accept(FEED, parsed, {}, NOW)
    return after_poll(Poll(FEED, ROW, result, parsed, accepted, "d", False), T).hint_s


def test_the_largest_of_a_feeds_wishes_is_heard() -> None:
    assert _hinted(FeedHints(ttl_seconds=300), None) == 300
    assert _hinted(FeedHints(update_seconds=600), None) == 600
    assert _hinted(FeedHints(), 450) == 450
    assert _hinted(FeedHints(ttl_seconds=300, update_seconds=600), 450) == 600
    assert _hinted(FeedHints(), 0) is None
    assert _hinted(FeedHints(), None) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("max-age=300", 300),
        ("public, Max-Age = 60, must-revalidate", 60),
        ('max-age="90"', 90),
        ("max-age=0", 0),
        ("no-cache", None),
        ("s-maxage=900", None),
        ("x-max-age=900", None),
        ("max-age=-1", None),
        ("max-age=" + "9" * 18, http_headers.MAX_AGE),
        (None, None),
    ],
)
def test_cache_control_is_read_as_a_bounded_wish(value: str | None, seconds: int | None) -> None:
    assert http_headers.max_age(value) == seconds


def test_a_feed_is_asked_without_validators_first_and_then_once_an_hour() -> None:
    assert schedule.is_full_due(replace(ROW, last_full_at=None), T)
    assert not schedule.is_full_due(replace(ROW, last_full_at=T - 3599), T)
    assert schedule.is_full_due(replace(ROW, last_full_at=T - 3600), T)
    # A 304 to a conditional poll leaves that hour running, a whole answer begins it anew.
    assert _row(ROW, OK).last_full_at == ROW.last_full_at
    assert _row(ROW, FetchResult(Outcome.OK, FEED.url, status=200)).last_full_at == T


def test_a_feed_that_fails_backs_off_says_why_and_recovers_at_once() -> None:
    row, now, pauses = ROW, T, []
    for _ in range(6):
        row = _row(row, _failed(Outcome.TIMEOUT), now)
        pauses.append(row.next_poll_at - now)
        now = row.next_poll_at
    assert pauses[0] < 300 < pauses[2] < pauses[4] <= 1.1 * schedule.HOUR
    assert (row.state, row.failures) == (State.FAILING, 6)
    assert "6 failures in a row, the last: a reason" in row.state_reason
    back = _row(row, OK, now)
    assert (back.state, back.failures) == (State.HEALTHY, 0)
    assert back.next_poll_at - now <= 1.1 * schedule.LONGEST
    assert back.state_since == now


def test_gone_is_believed_the_third_time_asked_daily_and_taken_back() -> None:
    row, now, states = ROW, T, []
    for _ in range(12):
        row = _row(row, _failed(Outcome.GONE, 410), now)
        states.append(row.state)
        now = row.next_poll_at
    assert states[:3] == [State.HEALTHY, State.HEALTHY, State.GONE]
    assert set(states[3:]) == {State.GONE}
    assert row.interval_s <= 1.1 * DAY
    assert _row(row, _failed(Outcome.TIMEOUT), now).state is State.FAILING
    assert _row(row, OK, now).state is not State.GONE


def test_a_feed_that_had_nothing_new_since_we_know_it_is_not_quiet_for_ever() -> None:
    row = replace(ROW, gap_s=None, last_new_at=T - SILENT_UNKNOWN + 60)
    assert health(row, T)[0] is State.QUIET
    state, reason = health(row, T + 120)
    assert state is State.SILENT_ZERO
    assert "since we know it" in reason


def test_silence_slows_the_polls_down_before_a_longer_gap_is_learned() -> None:
    busy = replace(ROW, gap_s=60.0, last_new_at=T)
    assert schedule.interval(busy, PACE, T, own=False) == 120
    assert schedule.interval(busy, PACE, T + 4000, own=False) == 500


def test_a_whole_answer_of_a_time_to_come_does_not_put_the_next_one_off() -> None:
    assert schedule.is_full_due(replace(ROW, last_full_at=T + 365 * DAY), T)


def test_no_chance_brings_a_poll_forward_of_the_shortest_interval() -> None:
    poll = Poll(FEED, ROW, OK, None, None, None, full=False)
    pauses = {
        effect_of(poll, T, PACE, True, random.Random(n)).changes["interval_s"] for n in range(20)
    }
    assert min(pauses) == PACE.shortest < max(pauses)


def test_a_feed_that_is_asked_twice_in_a_bucket_is_one_feed_asked() -> None:
    for last, polled in ((T - 1, 1), (T, 0), (T + 100, 0)):
        before = replace(ROW, last_polled_at=last, last_answer_at=T - 300)
        effect = effect_of(
            Poll(FEED, before, OK, None, None, None, full=False),
            T + 200,
            PACE,
            False,
            random.Random(1),
        )
        assert (effect.bucket, effect.polled, effect.answered) == (T, polled, 1)


def test_a_fetch_that_lasted_makes_a_feed_a_slow_one_until_the_next() -> None:
    slow = _row(ROW, replace(OK, seconds=schedule.SLOW_SECONDS + 0.1))
    assert slow.slow
    assert not _row(slow, replace(OK, seconds=schedule.SLOW_SECONDS)).slow
