"""What makes a window stand out, each rule of the scan alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.rules.baseline.exposure import BUCKETS_A_DAY
from pipeline.rules.spikes.recent import Recent
from pipeline.rules.spikes.scan import Scan
from pipeline.rules.spikes.spike import Spike, SpikeSettings

NOW = 5_900_000
LONG_AGO = NOW - 10**6
CALM = (1.0, 0.05)
"""phi and kappa."""


class Series:
    """The last day of a series, and what it ordinarily counts in a bucket."""

    def __init__(self, usual: float = 0.01) -> None:
        self.usual = usual
        self.recent = Recent()
        self.counts = [0] * BUCKETS_A_DAY

    def report(self, ago: int, owner: str, *, level: int = 1, event: str = "") -> None:
        """A story filed so many buckets ago."""
        self.counts[-1 - ago] += 1
        self.recent.add(NOW - ago, "g", (owner, level, event))

    def look(
        self, *, last_spike: int = LONG_AGO, settings: SpikeSettings | None = None
    ) -> Spike | None:
        scan = Scan(settings or SpikeSettings(), self.recent, NOW, self.counts)
        return scan.against_baseline(lambda newest: [self.usual] * newest, CALM, last_spike)

    def score(self, last_spike: int = LONG_AGO) -> float:
        spike = self.look(last_spike=last_spike)
        return 0.0 if spike is None else spike.score


def burst(stories: int = 6) -> Series:
    """So many stories of as many owners in the last half hour."""
    series = Series()
    for n in range(stories):
        series.report(n % 6, f"owner{n}")
    return series


def test_a_burst_of_several_owners_stands_out_and_two_owners_never_do() -> None:
    found = burst().look()
    assert found is not None
    assert (found.observed, found.owners) == (6, 6)
    two = Series()
    for n in range(20):
        two.report(n % 6, f"owner{n % 2}")
    assert two.look() is None


def test_copies_beyond_one_a_story_lower_the_score() -> None:
    plain, copied = burst(), burst()
    for n in range(66):
        copied.recent.copy(NOW - n % 6)
    at_most_one_each = burst()
    for n in range(6):
        at_most_one_each.recent.copy(NOW - n)
    assert copied.score() < plain.score() - 2
    assert at_most_one_each.score() == plain.score()


def test_agreement_on_one_event_adds_to_the_score_and_is_bounded() -> None:
    apart = Series()
    agreed = Series()
    for n in range(6):
        apart.report(n, f"owner{n}", event=f"e{n}")
        agreed.report(n, f"owner{n}", event="e")
    assert agreed.score() == pytest.approx(apart.score() + 2.0)
    one_voice = Series()
    for n in range(6):
        one_voice.report(n, f"owner{n // 2}", event=f"e{n // 2}")
    three = Series()
    for n in range(6):
        three.report(n, f"owner{n // 2}", event=f"e{n}")
    assert one_voice.score() == three.score() > 0


def test_a_long_window_counts_only_while_the_last_hour_is_above_its_usual() -> None:
    def day(in_last_hour: int) -> Series:
        series = Series(usual=0.1)
        for n in range(60):
            series.report(20 + 4 * n, f"owner{n % 9}")
        for n in range(in_last_hour):
            series.report(n, f"owner{n}")
        return series

    risen = day(2).look()
    assert risen is not None
    assert risen.buckets > 12
    assert day(1).look() is None, "twelve buckets have 1.2 usually"

    grave = Series(usual=0.4)
    for n in range(23):
        grave.report(8 * n, f"owner{n % 9}", level=2)
    for n in range(2):
        grave.report(n, f"owner{n}", level=2)
    found = grave.look()
    assert found is None or found.buckets <= 12


def test_after_a_spike_no_window_looks_back_into_it() -> None:
    series = Series()
    for n in range(12):
        series.report(40 + n % 4, f"owner{n}")
    for n in range(2):
        series.report(n, f"late{n}")
    found = series.look()
    assert found is not None
    assert found.buckets > 40
    assert series.look(last_spike=NOW - 38) is None
    # Within two hours it is the same spike, which goes on.
    recent = burst()
    assert recent.score(last_spike=NOW - 3) == recent.score()


def test_stories_of_force_alone_stand_out_with_fewer_and_at_a_price() -> None:
    ordinary = Series()
    for n in range(40):
        ordinary.recent.add(NOW - 400, "g", (f"owner{n % 9}", 1, ""))
    for n in range(3):
        ordinary.report(n, f"owner{n}", level=2)
    found = ordinary.look()
    assert found is not None
    assert (found.level, found.observed) == (2, 3)
    free = ordinary.look(settings=replace(SpikeSettings(), level_penalty=0.0))
    assert free is not None
    assert free.score == pytest.approx(found.score + 0.3)
    assert burst(3).look() is None, "three of friction are too few"


def test_one_owners_flood_counts_no_more_than_a_fifth_of_the_others() -> None:
    flooded = burst()
    for n in range(50):
        flooded.report(n % 6, "owner0")
    # Five others of one story each: one of owner0 counts, its limit.
    assert flooded.score() < burst(8).score()
    assert flooded.score() == pytest.approx(burst(6).score(), abs=0.5)


def young(stories: int, owners: int) -> Spike | None:
    series = Series()
    for n in range(stories):
        series.report(n % 3, f"owner{n % owners}")
    scan = Scan(SpikeSettings(), series.recent, NOW, series.counts)
    return scan.young([1.0] * 37, 1.0)


def test_without_a_baseline_more_stories_of_more_owners_are_asked_for() -> None:
    assert young(4, 4) is None
    assert young(30, 3) is None
    found = young(12, 4)
    assert found is not None
    assert found.buckets <= 12


def test_without_a_baseline_the_score_is_lowered_by_one() -> None:
    series = Series()
    for n in range(12):
        series.report(n % 3, f"owner{n % 6}")
    scores = []
    for penalty in (0.0, 1.0):
        settings = replace(SpikeSettings(), young_penalty=penalty)
        found = Scan(settings, series.recent, NOW, series.counts).young([1.0] * 37, 1.0)
        assert found is not None
        scores.append(found.score)
    assert scores[0] - scores[1] == pytest.approx(1.0)
    assert SpikeSettings().young_penalty == 1.0
