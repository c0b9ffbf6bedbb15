"""The rules as shipped on a labelled timeline of real articles, through the backtest."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.archive import Archive
from deploy.backtest.replay import Rules
from deploy.backtest.run import run_backtest
from deploy.backtest.truth import read_truth
from deploy.topic_files import PACKAGED, load_topics
from pipeline.rules.alerts.detector import DetectorSettings
from pipeline.rules.stories.index import StorySettings
from pipeline.rules.tagging.tagger import Tagger

pytestmark = [pytest.mark.evaluation, pytest.mark.timeout(600)]

FALSE_A_TOPIC_WEEK = 0.5
"""Notifications outside the must and should episodes, those in may episodes among them."""
SHOULD = 4
"""Episodes of level should that are found, at least."""


def test_every_must_episode_is_told_and_little_else(tmp_path: Path) -> None:
    folder = os.environ.get("STRAITWATCH_EVAL_DATA")
    if not folder:
        pytest.skip("STRAITWATCH_EVAL_DATA names no folder with evaluation data")
    stream = Path(folder) / "streams" / "timeline-dev.jsonl.zst"
    if not stream.exists():
        pytest.skip(f"{stream} is not there")
    truth = read_truth(stream.parent / "timeline-dev.json")
    topics = load_topics(PACKAGED)
    rules = Rules(
        Tagger(topics), {t.name: DetectorSettings() for t in topics.topics}, StorySettings()
    )

    result = run_backtest(Archive(stream), rules, tmp_path, truth=truth)

    total = (result.scores or {})[""]
    must = {e.name for e in truth.episodes if e.level == "must"}
    should = {e.name for e in truth.episodes if e.level == "should"}
    weeks = sum(((b - a) for a, b in truth.windows), timedelta()) / timedelta(weeks=1)
    assert not must & set(total.missed)
    assert len(should - set(total.missed)) >= SHOULD
    assert total.wrong + total.arguable <= FALSE_A_TOPIC_WEEK * weeks * len(topics.topics)
