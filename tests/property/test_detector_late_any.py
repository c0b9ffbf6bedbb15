"""What comes late counts where it belongs, whatever it is: it teaches, and never raises."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.rules.baseline.completeness import Completeness
from pipeline.rules.baseline.exposure import Exposure
from pipeline.rules.baseline.late import Counted
from pipeline.rules.spikes.series import SeriesCore
from pipeline.rules.spikes.spike import SpikeSettings
from pipeline.rules.times import BUCKET, DAY, HOUR

START = 1_772_409_600  # a Monday, 00:00 UTC
QUICK = settings(max_examples=20, deadline=None)


@dataclass(frozen=True)
class Story:
    """Published at a second since the start, and seen so many seconds later."""

    published: int
    delay: int
    owner: str

    @property
    def seen(self) -> int:
        return self.published + self.delay


def taught(
    stories: list[Story], until: int, restored_at: int | None = None
) -> tuple[SeriesCore, int]:
    """A series that has seen the stories, and how many of them it took for news.

    ``restored_at``: seconds after the start at which it goes on from its saved state.
    """
    exposure, completeness = Exposure(), Completeness()
    core = SeriesCore(SpikeSettings(), exposure, completeness)
    core.begin(START)
    news = 0
    waiting = sorted(stories, key=lambda s: (s.seen, s.published, s.owner))
    for bucket in range(START // BUCKET, (START + until) // BUCKET):
        while waiting and (START + waiting[0].seen) // BUCKET <= bucket:
            s = waiting.pop(0)
            counted = core.add(START + s.published, START + s.seen, s.owner, "coast")
            completeness.learn(counted, s.delay, START + s.seen)
            news += counted is Counted.NEWS
        exposure.close(bucket)
        core.close()
        if restored_at is not None and bucket == (START + restored_at) // BUCKET:
            exposure = Exposure.from_json(exposure.to_json())
            completeness = Completeness.from_json(completeness.to_json())
            core = SeriesCore.from_json(core.to_json(), SpikeSettings(), exposure, completeness)
    return core, news


def quiet(seed: int, days: int, every: int) -> list[Story]:
    """About one story in so many seconds, seen at once."""
    chance, out, at = random.Random(seed), [], 0.0
    while (at := at + chance.uniform(0.5, 1.5) * every) < days * DAY:
        out.append(Story(int(at), 0, f"owner {len(out) % 7}"))
    return out


@QUICK
@given(st.integers(0, 99), st.integers(3, 7), st.floats(3.1, 20))
def test_the_baseline_is_the_same_however_late_within_a_day_news_comes(
    seed: int, share: int, hours: float
) -> None:
    chance = random.Random(seed)
    in_time = quiet(seed, days=6, every=2 * HOUR)
    late = [
        Story(s.published, int(hours * HOUR), s.owner) if chance.random() < share / 10 else s
        for s in in_time
    ]

    whole, _ = taught(in_time, 7 * DAY + HOUR)
    part, news = taught(late, 7 * DAY + HOUR)

    assert news == sum(s.delay == 0 for s in late)
    # Not equal: an hour's share of a day is learned from the level that was known by then.
    tomorrow = range((START + 8 * DAY) // HOUR, (START + 9 * DAY) // HOUR)
    assert part.model.level == pytest.approx(whole.model.level, rel=0.25)
    assert sum(map(part.model.mean, tomorrow)) == pytest.approx(
        sum(map(whole.model.mean, tomorrow)), rel=0.25
    )


@QUICK
@given(st.lists(st.tuples(st.integers(0, 3 * DAY), st.integers(3 * HOUR + 1, 90 * HOUR))))
def test_what_comes_late_is_never_news_and_nothing_stands_out(found: list[tuple[int, int]]) -> None:
    stories = [Story(p, d, f"owner {i}") for i, (p, d) in enumerate(found)]

    core, news = taught(stories, 8 * DAY)

    assert news == 0
    assert core.score(START + 8 * DAY) is None


@QUICK
@given(st.integers(1, 400), st.integers(4 * HOUR, 20 * HOUR))
def test_a_heap_of_late_stories_teaches_one_hour_no_more_than_a_spike_would(
    heap: int, delay: int
) -> None:
    ordinary = quiet(3, days=6, every=2 * HOUR)
    at = 5 * DAY + 7 * HOUR
    stories = [Story(at + n % HOUR, delay, f"late owner {n % 9}") for n in range(heap)]

    without, _ = taught(ordinary, 7 * DAY)
    core, _ = taught(ordinary + stories, 7 * DAY)

    # Four standard deviations above half a story an hour are some four stories.
    assert core.model.count <= without.model.count + 5
    assert len(core.to_json()["learned"]) <= 23


@QUICK
@given(st.integers(25 * HOUR, 80 * HOUR))
def test_what_comes_more_than_a_day_late_changes_nothing(delay: int) -> None:
    ordinary = quiet(3, days=4, every=2 * HOUR)
    late = [Story(DAY + n * HOUR, delay + 2 * HOUR, "late owner") for n in range(5)]

    without, _ = taught(ordinary, 6 * DAY)
    core, _ = taught(ordinary + late, 6 * DAY)

    assert core.model.to_json() == without.model.to_json()


@QUICK
@given(st.integers(2 * DAY, 4 * DAY), st.lists(st.integers(20 * HOUR, 60 * HOUR), max_size=40))
def test_a_restored_series_takes_what_comes_late_as_the_one_that_ran_on(
    restored_at: int, delays: list[int]
) -> None:
    # All of it comes after the restore, out of the day before or earlier.
    late = [
        Story(restored_at + (n + 1) * HOUR - delay, delay, f"late owner {n % 5}")
        for n, delay in enumerate(delays)
    ]
    stories = quiet(3, days=6, every=2 * HOUR) + [s for s in late if s.published > 0]

    ran_on, news = taught(stories, 6 * DAY)
    restored, again = taught(stories, 6 * DAY, restored_at)

    assert news == again
    assert restored.to_json() == ran_on.to_json()
    assert restored._completeness.to_json() == ran_on._completeness.to_json()


@QUICK
@given(st.integers(0, 50), st.integers(10, 200))
def test_the_late_share_is_not_expected_while_news_is_fresh(late: int, in_time: int) -> None:
    completeness = Completeness()
    for n in range(in_time):
        completeness.learn(Counted.NEWS, 600, START + n)
    for n in range(late):
        completeness.learn(Counted.LATE, 5 * HOUR, START + n)
    before = completeness.fresh
    completeness.learn(Counted.NEWS, 600, START + DAY)

    assert before == 1.0, "a day counts from the next day on"
    assert completeness.fresh == pytest.approx(
        max((in_time + 0.9 * 0.9 * 6) / (in_time + late + 0.9 * 0.9 * 6), 0.5), rel=0.02
    )
    assert completeness.shares[-1] == pytest.approx(1.0)
    assert Completeness.from_json(completeness.to_json()).fresh == completeness.fresh
