"""What a series learns of an ordinary hour, of a spike, and of a new normal."""

from __future__ import annotations

import pytest

from pipeline.rules.baseline.completeness import Completeness
from pipeline.rules.baseline.expected import Seasonal, SeasonalSettings
from pipeline.rules.baseline.exposure import Exposure
from pipeline.rules.spikes.series import SeriesCore
from pipeline.rules.spikes.spike import SpikeSettings
from pipeline.rules.times import BUCKET, BUCKETS_AN_HOUR, DAY, HOUR

START = 20_000 * DAY
OWNERS = 12


class Watch:
    """A series and its feeds; each story is seen a minute after its publication."""

    def __init__(self) -> None:
        self.exposure = Exposure()
        self.series = SeriesCore(SpikeSettings(), self.exposure, Completeness())
        self.series.begin(START)
        self.spikes = 0

    def hours(self, hours: int, an_hour: int) -> None:
        """So many hours of so many stories each, evenly spread over owners and time."""
        for _ in range(hours):
            first = self.series.bucket * BUCKET
            arrivals = [(first + n * HOUR // an_hour, n % OWNERS) for n in range(an_hour)]
            for bucket in range(BUCKETS_AN_HOUR):
                end = first + (bucket + 1) * BUCKET
                while arrivals and arrivals[0][0] + 60 < end:
                    at, owner = arrivals.pop(0)
                    self.series.add(at, at + 60, f"owner{owner}", "g")
                    spike = self.series.score(at + 60)
                    self.spikes += spike is not None and spike.score >= SpikeSettings().threshold
                self.exposure.close(self.series.bucket)
                self.series.close()

    @property
    def usual(self) -> float:
        """Stories an hour that are expected now."""
        return self.series.model.mean(self.series.bucket // BUCKETS_AN_HOUR)


def test_some_hours_of_a_spike_teach_little() -> None:
    watch = Watch()
    watch.hours(10 * 24, 2)
    assert watch.usual == pytest.approx(2, rel=0.2)
    assert watch.spikes == 0
    watch.hours(12, 20)
    assert watch.spikes
    watch.hours(12, 2)
    assert watch.usual < 2.5


def test_what_stands_high_for_days_is_the_new_normal() -> None:
    watch = Watch()
    watch.hours(10 * 24, 2)
    watch.hours(2 * 24, 40)
    assert watch.usual < 4, "two days may be a crisis"
    watch.hours(3 * 24, 40)
    assert watch.usual > 25
    before = watch.spikes
    watch.hours(24, 40)
    assert watch.spikes == before


def test_a_sparse_series_learns_over_longer() -> None:
    def after_four_days_of_thrice(usual: float) -> float:
        model = Seasonal(SeasonalSettings())
        for hour in range(60 * 24):
            model.learn(hour, usual, 1.0, 1.0)
        before = model.level
        for hour in range(60 * 24, 64 * 24):
            model.learn(hour, 3 * usual, 1.0, 1.0)
        return model.level / before

    assert after_four_days_of_thrice(5.0) > 2.1
    assert after_four_days_of_thrice(0.05) < 1.8


def test_a_heap_teaches_a_group_no_more_than_three_times_its_usual() -> None:
    learned = []
    for heap in (100, 150):
        exposure = Exposure()
        # Twenty an hour for five days, then an hour of more, evenly: no flood.
        for hour in range(5 * 24 + 1):
            for part in range(BUCKETS_AN_HOUR):
                bucket = 240_000 * BUCKETS_AN_HOUR + hour * BUCKETS_AN_HOUR + part
                of_hour = heap if hour == 5 * 24 else 20
                count = of_hour * (part + 1) // BUCKETS_AN_HOUR - of_hour * part // BUCKETS_AN_HOUR
                exposure.record(bucket, "g", count, 0.0, polled=True)
                exposure.close(bucket)
        assert not exposure.is_flooding(bucket, "g")
        learned.append(exposure.to_json()["groups"]["g"]["model"])
    assert learned[0] == learned[1]


def test_an_hour_without_a_part_of_the_feeds_teaches_the_level_but_no_profile() -> None:
    model = Seasonal(SeasonalSettings())
    model.learn(7, 4.0, 1.0, 1.0)
    before = model.copy().to_json()
    model.learn(8, 2.0, 1.0, 0.5)
    after = model.to_json()
    assert [after[k] for k in ("hc", "he", "dc", "de")] == [
        before[k] for k in ("hc", "he", "dc", "de")
    ]
    assert (after["c"], after["n"]) != (before["c"], before["n"])


def test_a_busy_group_of_which_nobody_tells_is_missed_by_its_counts_within_the_hour() -> None:
    exposure = Exposure()
    first = 240_000 * BUCKETS_AN_HOUR
    for bucket in range(first, first + 5 * 24 * BUCKETS_AN_HOUR):
        exposure.record(bucket, "g", 2, 0.0, polled=False)
        exposure.close(bucket)
    assert exposure.share(bucket, "g") == 1.0
    for silent in range(bucket + 1, bucket + 1 + BUCKETS_AN_HOUR):
        exposure.close(silent)
    assert exposure.share(silent, "g") < 0.1
