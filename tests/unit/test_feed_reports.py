"""What a connector tells of its groups may come twice, or again with more in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.contracts.records import FeedStatus
from pipeline.rules.baseline.exposure import Exposure
from pipeline.rules.baseline.reports import KEEP, Reports

START = datetime(2026, 11, 25, tzinfo=UTC)
BUCKET = int(START.timestamp()) // 300


def _status(n: int, polled: int, articles: int, connector: str = "feeds") -> FeedStatus:
    bucket = START + timedelta(minutes=5 * n)
    return FeedStatus(bucket, "en", polled, polled, articles, 9, connector)


def test_a_report_that_comes_twice_changes_nothing() -> None:
    once, twice = Exposure(), Exposure()
    for n in range(3):
        once.report(BUCKET + n, _status(n, 4, 7))
        for _ in range(2):
            twice.report(BUCKET + n, _status(n, 4, 7))
    again = Exposure.from_json(twice.to_json())
    again.report(BUCKET + 2, _status(2, 4, 7))
    assert again.to_json() == twice.to_json() == once.to_json()


def test_a_later_report_of_a_bucket_takes_the_place_of_the_earlier_one() -> None:
    reports = Reports()
    assert reports.added(1, _status(1, 4, 7)) == (4, 4, 7)
    assert reports.added(1, _status(1, 6, 7)) == (2, 2, 0)
    # A connector that has lost its state knows less than it has told.
    assert reports.added(1, _status(1, 1, 1)) == (0, 0, 0)


def test_connectors_and_buckets_are_told_apart() -> None:
    reports = Reports()
    assert reports.added(1, _status(1, 4, 7)) == (4, 4, 7)
    assert reports.added(1, _status(1, 2, 3, "other")) == (2, 2, 3)
    assert reports.added(2, _status(2, 1, 1)) == (1, 1, 1)


def test_only_the_newest_reports_are_kept() -> None:
    reports = Reports()
    for n in range(10 * KEEP):
        reports.added(n, _status(n, 1, 1))
    assert len(reports.to_json()) == KEEP
    assert reports.added(10 * KEEP - 1, _status(10 * KEEP - 1, 1, 1)) == (0, 0, 0)


def test_an_archive_of_which_nobody_asked_adds_up() -> None:
    exposure = Exposure()
    for _ in range(2):
        exposure.report(BUCKET, FeedStatus(START, "en", 0, 0, 5, connector="archive"))
    assert exposure.to_json()["groups"]["en"]["articles"] == [(BUCKET, 10)]
