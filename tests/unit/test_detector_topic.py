"""The detector of one topic, from articles to alert revisions."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest

from pipeline.contracts.records import AlertState, TaggedArticle
from pipeline.rules.alerts.detector import StateError, TopicDetector
from pipeline.rules.alerts.points import upper_bound
from tests.unit.detector_rig import MINUTE, START, Replay, burst, ordinary, state, tagged


def test_a_burst_of_independent_reports_opens_one_alert_and_calm_closes_it() -> None:
    replay = Replay()
    start = START + timedelta(days=6)
    replay.until(START + timedelta(days=8), ordinary(6) + burst(start, level=2))

    assert replay.alerts[0].state is AlertState.OPEN
    assert replay.alerts[-1].state is AlertState.CLOSED
    assert {a.alert_id for a in replay.alerts} == {replay.alerts[0].alert_id}
    assert [a.revision for a in replay.alerts] == list(range(1, len(replay.alerts) + 1))
    assert timedelta(0) < replay.alerts[0].raised_at - start < timedelta(hours=1)
    first = replay.alerts[0]
    assert first.publishers >= 3
    assert first.observed.independent > first.expected
    assert len(first.evidence) <= 10
    assert first.reason.endswith(".")


def test_a_flood_of_one_outlet_raises_nothing() -> None:
    replay = Replay()
    start = START + timedelta(days=6)
    replay.until(START + timedelta(days=7), ordinary(6) + burst(start, 40, owners=1))
    assert replay.alerts == []


def test_reprints_of_one_story_raise_nothing_and_are_counted_raw() -> None:
    replay = Replay()
    start = START + timedelta(days=6)
    replay.until(START + timedelta(days=7), ordinary(6) + burst(start, 30, story="one"))
    assert replay.alerts == []
    day = [p for p in replay.points if p.bucket >= start - timedelta(hours=1)]
    assert max(p.raw for p in day) >= 1
    latest = {(p.series, p.bucket): p for p in day}
    assert sum(p.independent for p in latest.values() if p.series == "escalation") == 1


def test_old_and_back_filled_news_raises_nothing() -> None:
    replay = Replay()
    start = START + timedelta(days=6)
    # Two fresh stories stand beside them: too few alone, but the last hour is above its mean.
    fresh = burst(start + timedelta(hours=1), 2)
    old = burst(start - timedelta(minutes=1), 30, age=timedelta(hours=4))
    filled = burst(start + timedelta(hours=3), 30, backfill=True)
    replay.until(START + timedelta(days=7), ordinary(6) + old + fresh + filled)
    assert replay.alerts == []


def test_a_saved_and_restored_detector_goes_on_as_if_nothing_had_happened() -> None:
    arrivals = ordinary(6) + burst(START + timedelta(days=6), level=3)
    whole, first = Replay(), Replay()
    whole.until(START + timedelta(days=7), arrivals)
    cut = START + timedelta(days=6, minutes=20)
    first.until(cut, [a for a in arrivals if a.article.seen_at < cut])
    state = first.detector.dumps()
    second = Replay(TopicDetector.loads(state, rules_version="r1"))
    assert second.detector.dumps() == state
    second.now = first.now
    second.until(START + timedelta(days=7), [a for a in arrivals if a.article.seen_at >= first.now])
    assert first.alerts + second.alerts == whole.alerts
    assert len(whole.alerts) >= 2
    assert second.detector.dumps() == whole.detector.dumps()


def test_a_fresh_service_alerts_from_its_first_minutes_and_says_that_it_is_young() -> None:
    replay = Replay()
    story = START + 10 * MINUTE
    arrivals = [
        tagged(f"y{i}", story + i * timedelta(seconds=30), owner=f"outlet{i}", age=MINUTE)
        for i in range(8)
    ]
    replay.until(START + timedelta(hours=1), [tagged("first", START, owner="x"), *arrivals])
    first = replay.alerts[0]
    assert first.raised_at - story < 4 * MINUTE
    assert not first.baseline.warm
    assert "young" in first.reason


def test_what_stood_in_the_feeds_at_the_start_raises_nothing() -> None:
    replay = Replay()
    standing = [
        tagged(f"s{i}", START + i * timedelta(seconds=5), owner=f"o{i}", age=(32 + i) * MINUTE)
        for i in range(30)
    ]
    replay.until(START + timedelta(hours=1), standing)
    assert replay.alerts == []


def test_what_was_published_half_an_hour_before_the_start_counts() -> None:
    replay = Replay()
    burst = [tagged(f"b{i}", START + MINUTE, owner=f"o{i}", age=(2 + i) * MINUTE) for i in range(8)]
    replay.until(START + 2 * MINUTE, burst)
    assert [a.observed.independent for a in replay.alerts] == [8]
    assert replay.alerts[0].onset_at < START


def test_the_first_tick_that_satisfies_the_rule_alerts_and_more_stories_escalate() -> None:
    replay = Replay()
    few = [tagged(f"f{i}", START + 4 * MINUTE, owner=f"o{i}", age=MINUTE) for i in range(4)]
    fifth = tagged("f4", START + 6 * MINUTE, owner="o4", age=MINUTE)
    more = [
        tagged(f"m{i}", START + 8 * MINUTE, owner=f"p{i}", age=MINUTE, level=3) for i in range(6)
    ]
    replay.until(START + 20 * MINUTE, [*few, fifth, *more])
    assert [(a.state, a.revision) for a in replay.alerts] == [
        (AlertState.OPEN, 1),
        (AlertState.ESCALATED, 2),
    ]
    opened, escalated = replay.alerts
    assert opened.observed.independent == 5
    assert timedelta(0) < opened.raised_at - fifth.article.seen_at <= timedelta(seconds=5)
    assert escalated.observed.independent == 11
    assert timedelta(0) < escalated.revised_at - more[0].article.seen_at <= timedelta(seconds=5)


def archive(days: int, a_day: int, *, at: datetime, owners: int = 6) -> list[TaggedArticle]:
    dice = random.Random(3)
    return [
        tagged(
            f"a{i}-{owners}",
            at + timedelta(milliseconds=i),
            owner=f"outlet{dice.randrange(owners)}",
            age=timedelta(days=dice.uniform(0.02, days)),
            backfill=True,
        )
        for i in range(days * a_day)
    ]


def test_an_imported_archive_makes_the_baseline_warm_from_its_own_start() -> None:
    replay = Replay()
    replay.until(
        START + timedelta(hours=1),
        [tagged("first", START, owner="x"), *archive(21, 24, at=START + 5 * MINUTE)],
    )
    last = replay.points[-1]
    assert replay.alerts == []
    assert last.warm
    assert last.baseline_since is not None
    assert timedelta(days=19) < START - last.baseline_since < timedelta(days=22)
    assert last.expected == pytest.approx(24 / 288, rel=0.3)


def test_a_burst_amid_an_import_alerts_at_once_and_outlives_the_rebuild_of_history() -> None:
    replay = Replay()
    imported = archive(21, 24, at=START + 5 * MINUTE)
    came = START + 5 * MINUTE + timedelta(seconds=20)
    burst = [tagged(f"b{i}", came, owner=f"o{i}", age=(2 + i) * MINUTE) for i in range(8)]
    later = [tagged(f"n{i}", came + MINUTE, owner=f"p{i}", age=MINUTE, level=3) for i in range(4)]
    replay.until(START + 10 * MINUTE, [*imported, *burst, *later])
    first, second = replay.alerts
    assert first.raised_at - came <= timedelta(seconds=5)
    assert first.observed.independent == 8
    assert not first.baseline.warm
    assert second.state is AlertState.ESCALATED
    assert second.observed.independent == 12
    assert second.baseline.warm


def test_a_burst_too_small_without_a_baseline_is_scored_when_the_archive_is_learned() -> None:
    replay = Replay()
    imported = archive(21, 24, at=START + 5 * MINUTE)
    came = START + 5 * MINUTE + timedelta(seconds=20)
    burst = [tagged(f"b{i}", came, owner=f"o{i}", age=2 * MINUTE, level=3) for i in range(4)]
    replay.until(START + 10 * MINUTE, [*imported, *burst])
    (alert,) = replay.alerts
    assert alert.raised_at == START + 5 * MINUTE + timedelta(seconds=30)
    assert alert.observed.independent == 4
    assert alert.baseline.warm


def test_a_second_import_adds_to_the_hours_of_the_first() -> None:
    replay = Replay()
    start = [tagged("first", START, owner="x")]
    twice = archive(21, 24, at=START + 5 * MINUTE) + archive(
        21, 24, at=START + 30 * MINUTE, owners=9
    )
    replay.until(START + timedelta(hours=1), start + twice)
    assert replay.points[-1].expected == pytest.approx(48 / 288, rel=0.3)


def test_what_feeds_show_at_their_first_poll_is_no_archive() -> None:
    replay = Replay()
    recent = archive(2, 40, at=START + 5 * MINUTE)
    tail = archive(20, 1, at=START + 6 * MINUTE, owners=2)
    replay.until(START + timedelta(hours=1), [tagged("first", START, owner="x"), *recent, *tail])
    assert not replay.points[-1].warm


@pytest.mark.parametrize("data", [b"", b"garbage", b"straitwatch-detector 0\nx"])
def test_a_state_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(StateError):
        TopicDetector.loads(data, rules_version="r1")


def test_one_story_is_never_above_the_upper_bound_where_anything_can_be_counted() -> None:
    assert upper_bound(0.001, 0.001) == 1.0
    assert upper_bound(0.0, 0.0) == 0.0
    assert upper_bound(3.0, 3.0) > 3.0


def test_a_connectors_clock_that_is_ahead_counts_as_the_arrival() -> None:
    replays = Replay(), Replay()
    arrival = START + timedelta(hours=30)
    for replay, ahead in zip(replays, (timedelta(0), timedelta(days=400)), strict=True):
        replay.until(arrival, ordinary(1))
        replay.detector.observe(tagged("x", arrival + ahead, owner="o", age=ahead), arrival)
        replay.until(START + timedelta(hours=60), ordinary(2.4, seed=2)[20:])

    right, ahead_of_time = replays
    assert state(ahead_of_time.detector) == state(right.detector)
    assert max(p.bucket for p in ahead_of_time.points) < START + timedelta(hours=60)


def test_an_outlet_that_is_silent_for_long_takes_no_place_among_the_clocks() -> None:
    replay = Replay()
    replay.until(START + timedelta(days=1), [tagged("x", START + MINUTE, owner="once")])
    assert "once" in state(replay.detector)["clocks"]

    replay.until(START + timedelta(days=12), [])

    assert "once" not in state(replay.detector)["clocks"]


def test_a_flood_of_one_outlet_takes_no_evidence_from_the_others() -> None:
    replay = Replay()
    start = START + timedelta(days=6)
    replay.until(start, ordinary(6))
    # More than are kept, all in the bucket in which the others begin to report.
    flood = [tagged(f"f{i}", start + MINUTE, owner="flood", age=timedelta(0)) for i in range(6000)]
    replay.until(start + 20 * MINUTE, flood + burst(start + MINUTE, level=2))

    last = replay.alerts[-1]
    assert last.publishers >= 4
    assert {f"outlet{n}" for n in range(3)} < {e.publisher for e in last.evidence}
