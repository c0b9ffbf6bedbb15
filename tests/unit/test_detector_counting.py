"""What counts as a report of its own, as news, and as a word of the feeds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.contracts.records import Alert, FeedStatus
from pipeline.rules.alerts import detector
from tests.unit.detector_rig import MINUTE, START, Replay, burst, ordinary, state, tagged


@pytest.mark.parametrize(("others", "raised"), [(4, True), (14, False)])
def test_a_rush_of_all_news_counts_when_a_third_of_it_is_grave(others: int, raised: bool) -> None:
    replay = Replay()
    start = START + timedelta(days=6)
    grave = [
        tagged(f"g{i}", start + (i + 15) * MINUTE, owner=f"grave{i}", level=2) for i in range(2)
    ]
    plain = [tagged(f"p{i}", start + i * MINUTE, owner=f"plain{i}", level=0) for i in range(others)]
    replay.until(start + timedelta(hours=1), ordinary(6, a_day=2) + grave + plain)
    assert bool(replay.alerts) is raised


def test_an_owners_further_texts_on_one_event_are_the_same_voice() -> None:
    def alerts(events: int) -> list[Alert]:
        replay = Replay()
        start = START + timedelta(days=6)
        texts = [
            replace(tagged(f"v{i}", start + i * MINUTE, owner=f"outlet{i % 3}"), event_id=event)
            for i in range(12)
            for event in [f"e{i % events}"]
        ]
        replay.until(start + timedelta(hours=1), ordinary(6, a_day=2) + texts)
        return replay.alerts

    assert alerts(12)
    assert not alerts(1), "three owners, each heard once"


def test_friction_must_stand_out_more_than_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "_FRICTION_PENALTY", 100.0)
    start = START + timedelta(days=6)
    for level in (1, 2):
        replay = Replay()
        replay.until(start + timedelta(hours=2), ordinary(6) + burst(start, level=level))
        assert bool(replay.alerts) is (level == 2)


@pytest.mark.parametrize("heap", [False, True])
def test_of_a_group_that_brings_a_heap_only_the_last_half_hour_is_news(heap: bool) -> None:
    replay = Replay()
    start = START + timedelta(days=6)
    old = burst(start, level=2, age=40 * MINUTE)
    replay.until(start, ordinary(6))
    if heap:
        report = FeedStatus(start - 5 * MINUTE, "g", 4, 4, articles=2000, connector="other")
        replay.detector.exposure(report, start)
    replay.until(start + 35 * MINUTE, old)
    assert bool(replay.alerts) is not heap


def test_a_reprint_of_three_days_later_is_no_new_story() -> None:
    replay = Replay()
    again = START + timedelta(days=3)
    first = tagged("a", START + MINUTE, owner="outlet0", story="s")
    reprint = tagged("b", again, owner="outlet1", story="s")
    other = tagged("c", again, owner="outlet2")
    replay.until(again + 10 * MINUTE, [first, reprint, other])
    counted = [p.independent for p in replay.points if p.bucket == again - 5 * MINUTE]
    assert max(counted) == 1


def test_a_report_from_a_clock_that_is_ahead_counts_as_of_its_arrival() -> None:
    replays = Replay(), Replay()
    arrival = START + timedelta(hours=30)
    for replay, ahead in zip(replays, (timedelta(0), timedelta(days=400)), strict=True):
        replay.until(arrival, ordinary(1))
        report = FeedStatus(arrival + ahead, "other", polled=4, answered=2, articles=9)
        replay.detector.exposure(report, arrival + MINUTE)
        replay.until(START + timedelta(hours=60), ordinary(2.4, seed=2)[20:])

    right, ahead_of_time = replays
    assert state(ahead_of_time.detector) == state(right.detector)


def test_a_first_report_from_1970_makes_no_feed_a_new_one() -> None:
    replay = Replay()
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    replay.detector.exposure(FeedStatus(epoch, "other", polled=0, answered=0, articles=0), START)
    start = START + timedelta(days=3.5)
    replay.until(start + timedelta(hours=2), ordinary(3.5) + burst(start, level=2))
    assert replay.alerts, "nobody is on probation"
