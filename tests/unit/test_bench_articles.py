"""The load of `bench pipeline`, and how processor time is read beside it."""

from __future__ import annotations

import pytest

from deploy.bench.articles import make_texts
from deploy.bench.pipeline import Replay
from deploy.topic_files import load_topics
from pipeline.rules.tagging.tagger import Tagger


def test_all_reports_are_on_a_topic_and_all_are_distinct() -> None:
    texts = list(make_texts(300, 1_200, 1.0, seed=1))
    tag = Tagger(load_topics(None)).tag

    assert len({title for title, _ in texts}) == 300
    assert all(tag(title, summary).topics for title, summary in texts)
    languages = {tag(title, summary).lang.value for title, summary in texts}
    assert {"en", "ja", "zh-Hans"} <= languages


def test_the_rest_is_on_none_and_every_text_has_its_size() -> None:
    texts = list(make_texts(300, 1_200, 0.0, seed=1))
    tag = Tagger(load_topics(None)).tag

    assert not any(tag(title, summary).topics for title, summary in texts)
    assert all(1_190 < len((title + summary).encode()) <= 1_200 for title, summary in texts)


def test_what_a_replay_takes_to_start_is_not_counted_for_its_articles() -> None:
    start = Replay(8.0, {"workers": 12.0, "engine": 6.0})
    whole = Replay(28.0, {"workers": 32.0, "engine": 5.9, "kafka": 1.0})

    rate, us = whole.beyond(start, 200_000)

    assert rate == pytest.approx(10_000)
    assert us == pytest.approx({"workers": 100.0, "engine": 0.0, "kafka": 5.0})
