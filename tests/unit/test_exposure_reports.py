"""What a feed report says of a group, before its bucket is closed or after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.contracts.records import FeedStatus
from pipeline.rules.baseline.exposure import Exposure
from pipeline.rules.times import BUCKET

FIRST = 5_900_000
EVEN = {"a": 10.0, "b": 10.0}


def status(
    bucket: int, group: str, *, answered: int = 2, articles: int = 0, polled: int = 2
) -> FeedStatus:
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=bucket * BUCKET)
    return FeedStatus(start, group, polled, answered, articles, feeds=2)


def live(buckets: int, *groups: str) -> Exposure:
    """Groups whose every report comes a moment after the close, as the service has it."""
    exposure = Exposure()
    for bucket in range(FIRST, FIRST + buckets):
        exposure.close(bucket)
        for group in groups:
            exposure.report(bucket, status(bucket, group))
    return exposure


def shares(exposure: Exposure, first: int, last: int) -> list[float]:
    return exposure.delivered(range(first, last + 1), EVEN)


def test_a_small_group_that_answers_nothing_is_missed_from_its_report_on() -> None:
    exposure = live(10, "a", "b")
    b = FIRST + 10
    exposure.close(b)
    assert shares(exposure, b, b) == [1.0]
    assert exposure.report(b, status(b, "a", answered=0))
    assert shares(exposure, b - 1, b + 1) == [1.0, 0.5, 0.5]


def test_a_closed_bucket_without_a_report_is_as_the_one_before_it() -> None:
    exposure = live(10, "a", "b")
    b = FIRST + 10
    exposure.close(b)
    exposure.report(b, status(b, "a", answered=0))
    exposure.report(b, status(b, "b"))
    exposure.close(b + 1)
    assert shares(exposure, b + 1, b + 1) == [0.5]


def test_the_report_of_one_group_does_not_wipe_the_hole_of_another() -> None:
    exposure = live(10, "a", "b")
    exposure.close(FIRST + 10)
    exposure.report(FIRST + 10, status(FIRST + 10, "b"))
    for b in range(FIRST + 11, FIRST + 20):
        exposure.close(b)
        exposure.report(b, status(b, "b"))
        # The report on the dead one comes a bucket later than the other's.
        exposure.report(b - 1, status(b - 1, "a", answered=0))
        assert shares(exposure, b, b) == [0.5]


def test_groups_whose_connector_is_silent_are_not_heard_after_a_quarter_of_an_hour() -> None:
    exposure = live(10, "a", "b")
    for b in range(FIRST + 10, FIRST + 15):
        exposure.close(b)
        exposure.report(b, status(b, "b"))
    assert shares(exposure, FIRST + 10, FIRST + 14) == [1.0, 1.0, 1.0, 0.5, 0.5]


def test_what_comes_back_brings_what_was_missed() -> None:
    exposure = live(10, "a", "b")
    for b in range(FIRST + 10, FIRST + 20):
        exposure.close(b)
        for group, answered in (("a", 0), ("b", 0 if b < FIRST + 15 else 2)):
            exposure.report(b, status(b, group, answered=answered))
    assert shares(exposure, FIRST + 10, FIRST + 19) == [0.5] * 10


def test_an_article_of_a_dead_group_says_that_it_is_back_before_its_report_does() -> None:
    exposure = live(10, "a", "b")
    for b in range(FIRST + 10, FIRST + 14):
        exposure.close(b)
        exposure.report(b, status(b, "a", answered=0))
        exposure.report(b, status(b, "b"))
    hole = range(FIRST + 10, FIRST + 15)
    assert exposure.back() == frozenset()
    exposure.hear(FIRST + 14, "a")
    assert exposure.delivered(hole, EVEN, exposure.back()) == [1.0] * 5
    assert exposure.delivered(hole, EVEN) == [0.5] * 5, "it is told so only by a report"
    exposure.close(FIRST + 14)
    exposure.report(FIRST + 14, status(FIRST + 14, "a", answered=0))
    assert exposure.back() == frozenset()


def test_where_no_weights_are_known_only_the_silence_of_all_is_blindness() -> None:
    exposure = live(10, "a", "b")
    b = FIRST + 10
    exposure.close(b)
    exposure.report(b, status(b, "a", answered=0))
    assert exposure.delivered(range(b, b + 1), {}) == [1.0]
    exposure.report(b, status(b, "b", answered=0))
    assert exposure.delivered(range(b, b + 1), {}) == [0.0]


def test_a_leap_over_a_hole_forgets_it() -> None:
    exposure = live(10, "a")
    exposure.close(FIRST + 10)
    exposure.report(FIRST + 10, status(FIRST + 10, "a", answered=0))
    exposure.skip_to(FIRST + 1000)
    exposure.report(FIRST + 1000, status(FIRST + 1000, "a"))
    exposure.close(FIRST + 1000)
    assert shares(exposure, FIRST + 10, FIRST + 1000) == [1.0] * 991


@pytest.mark.parametrize("late", [False, True])
def test_a_restored_exposure_goes_on_alike(late: bool) -> None:
    exposure = live(30, "a", "b")
    b = FIRST + 30
    exposure.close(b)
    exposure.report(b, status(b, "a", answered=0))
    if late:
        exposure.close(b + 1)
    again = Exposure.from_json(exposure.to_json())
    for e in (exposure, again):
        e.report(b + 1, status(b + 1, "a", answered=1))
        e.close(b + 2)
    assert again.to_json() == exposure.to_json()


def test_the_articles_of_the_last_bucket_of_an_hour_teach_though_they_are_told_after_it() -> None:
    late, early = Exposure(), Exposure()
    for b in range(FIRST, FIRST + 300):
        said = status(b, "a", articles=b % 12)
        early.report(b, said)
        early.close(b)
        late.close(b)
        late.report(b, said)
    assert late.to_json() == early.to_json()


def test_what_was_delivered_does_not_depend_on_the_order_of_groups_to_the_last_bit() -> None:
    names = ("d", "c", "b", "a")
    exposure = live(10, *names)
    b = FIRST + 10
    exposure.close(b)
    for name in names[:3]:
        exposure.report(b, status(b, name, answered=0))
    weights = dict(zip(names, (0.1, 0.2, 0.3, 0.7), strict=True))
    again = Exposure.from_json(exposure.to_json())
    now = range(b, b + 1)
    assert again.delivered(now, dict(sorted(weights.items()))) == exposure.delivered(now, weights)
