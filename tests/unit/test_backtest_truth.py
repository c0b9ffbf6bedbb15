"""How notifications compare with what should have happened."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.backtest.truth import Notification, Span, Truth, read_truth, score
from deploy.errors import Refused, WrongUse

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def span(a: float, b: float, level: str = "must", topic: str = "t") -> Span:
    return Span(topic, START + a * HOUR, START + b * HOUR, f"e{a:g}", level)


def told(*hours: float, topic: str = "t") -> list[Notification]:
    return [Notification(topic, START + h * HOUR, f"x{h}") for h in hours]


def test_a_notification_inside_an_episode_finds_it_with_its_delay() -> None:
    found = score(Truth((span(10, 20),), ()), told(12))["t"]
    assert (found.found, found.right, found.wrong, found.delays_min) == (1, 1, 0, [120.0])


def test_shortly_before_the_first_report_is_early_not_false() -> None:
    truth = Truth((span(10, 20),), ())
    assert score(truth, told(9.6))["t"].delays_min == [-24.0]
    assert score(truth, told(9.4))["t"].wrong == 1


def test_repeats_in_an_episode_are_right_but_find_nothing_new() -> None:
    found = score(Truth((span(10, 20),), ()), told(12, 13, 14))["t"]
    assert (found.found, found.right) == (1, 3)


def test_the_lead_of_the_next_episode_does_not_count_while_one_runs() -> None:
    found = score(Truth((span(10, 20), span(20, 30)), ()), told(19.8))["t"]
    assert (found.found, found.missed) == (1, ["e20"])


def test_may_episodes_count_neither_way_and_outside_the_windows_nothing_does() -> None:
    window = (START, START + 40 * HOUR)
    found = score(Truth((span(10, 20, "may"),), (window,)), told(12, 30, 50))["t"]
    assert (found.told, found.arguable, found.wrong, found.episodes) == (2, 1, 1, 0)


def test_another_topics_episode_is_no_excuse() -> None:
    scores = score(Truth((span(10, 20, topic="u"),), ()), told(12))
    assert scores["t"].wrong == 1
    assert scores[""].missed == ["e10"]


def write(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "truth.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_labelled_episodes_are_read_with_whatever_else_is_in_them(tmp_path: Path) -> None:
    episode = {
        "episode_id": "e",
        "topic": "t",
        "level": "should",
        "start": "2026-03-02T10:00:00Z",
        "end": "2026-03-02T12:00:00",
        "urls": [],
    }
    path = write(
        tmp_path, {"episodes": [episode], "scored_windows": [["2026-03-01", "2026-03-09"]]}
    )
    truth = read_truth(path)
    assert truth.episodes[0].end == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert truth.windows[0][0] == datetime(2026, 3, 1, tzinfo=UTC)


def test_verdicts_judge_only_what_was_judged(tmp_path: Path) -> None:
    rows = [
        {"alert_id": "a", "topic": "t", "raised_at": "2026-03-02T10:00:00Z", "verdict": "useful"},
        {"alert_id": "b", "topic": "t", "raised_at": "2026-03-03T10:00:00Z", "verdict": "false"},
        {"alert_id": "c", "topic": "t", "raised_at": "2026-03-04T10:00:00Z", "verdict": None},
    ]
    truth = read_truth(write(tmp_path, "\n".join(json.dumps(r) for r in rows)))
    found = score(truth, told(10.2, 34.2, 60))["t"]
    assert (found.found, found.right, found.wrong, found.told) == (1, 1, 1, 3)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        {"episodes": [{"topic": "t"}]},
        {"episodes": [{"topic": "t", "level": "x", "start": "2026-03-02", "end": "2026-03-03"}]},
        {"episodes": 7},
        [{"verdict": "useful"}],
        [7],
        "7",
        "[" * 100_000,
    ],
)
def test_what_is_no_truth_is_told_in_one_line(tmp_path: Path, content: Any) -> None:
    with pytest.raises(WrongUse, match="neither labelled episodes nor exported verdicts"):
        read_truth(write(tmp_path, content))


def test_a_truth_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        read_truth(tmp_path / "none.json")
