"""The files of a backtest: each bucket once as it finally was; what counts as moved."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from deploy.backtest.compare import Other, compare
from deploy.backtest.outputs import SERIES_COLUMNS, TAGGED_COLUMNS, Episode, SeriesFile
from pipeline.contracts.records import Series, SeriesPoint
from tests.unit.detector_rig import START, Replay, burst, ordinary

BUCKET = timedelta(minutes=5)


def point(number: int, independent: int) -> SeriesPoint:
    return SeriesPoint(
        topic="straits",
        series=Series.VOLUME,
        bucket=START + number * BUCKET,
        bucket_minutes=5,
        raw=independent,
        independent=independent,
        expected=0.5,
        upper=2.0,
        score=0.0,
        exposure=1.0,
        warm=True,
        blind=False,
        baseline_since=None,
        by_language=(),
        by_level=(),
    )


def test_a_bucket_that_late_news_changes_within_a_day_is_written_once_as_it_was_last() -> None:
    out = io.StringIO()
    series = SeriesFile(out, lambda _: (1.0, 0.0))
    for number in range(1000):
        series.add(point(number, 0))
        if number >= 288:
            series.add(point(number - 288, 3))
    series.close()
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [row["bucket"] for row in rows] == [
        (START + n * BUCKET).isoformat() for n in range(1000)
    ]
    assert {row["independent"] for row in rows[:712]} == {"3"}


def backtest(folder: Path, levels: dict[str, int]) -> Path:
    folder.mkdir()
    with (folder / "articles.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, TAGGED_COLUMNS, restval="x")
        rows.writeheader()
        for name, level in levels.items():
            rows.writerow({"id": name, "topic": "straits", "escalation": level})
    (folder / "series.csv").write_text(",".join(SERIES_COLUMNS) + "\n", "utf-8")
    return folder


def test_an_article_moves_when_it_enters_or_leaves_the_count_not_by_its_level(
    tmp_path: Path,
) -> None:
    here = backtest(tmp_path / "here", {"a": 2, "b": 1, "c": 0, "new": 1})
    there = backtest(tmp_path / "there", {"a": 1, "b": 0, "c": 3, "old": 1})
    summary: dict[str, Any] = {"topics": {"straits": {}}}
    change = compare(here, summary, {}, Other(there, summary, {})).topics["straits"]
    assert (change.gained, change.lost, change.moved) == (1, 1, 2)


def test_alerts_within_a_day_are_about_one_episode_even_when_the_earlier_had_closed(
    tmp_path: Path,
) -> None:
    replay = Replay()
    start = START + timedelta(days=6)
    replay.until(start + timedelta(hours=1), ordinary(6) + burst(start, level=2))

    def raised(after: timedelta) -> dict[str, Episode]:
        at = start + after
        alert = replace(replay.alerts[0], alert_id=str(at), raised_at=at, revised_at=at)
        return {alert.alert_id: Episode(alert, alert, [at], alert)}

    here, there = (backtest(tmp_path / name, {}) for name in ("here", "there"))
    summary: dict[str, Any] = {"topics": {"straits": {}}}
    for hours, shared in ((23, 1), (25, 0)):
        other = Other(there, summary, raised(timedelta(hours=hours)))
        change = compare(here, summary, raised(timedelta(0)), other).topics["straits"]
        found = (len(change.both), len(change.only_here), len(change.only_there))
        assert found == (shared, 1 - shared, 1 - shared)
