"""The load of `bench pipeline`, and how processor time is read beside it."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.bench import processor
from deploy.bench.articles import make_texts
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


def test_only_processor_time_of_the_middle_of_the_backlog_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The start took 50 s, the middle 2 s for 800 articles, the end 7 s.
    looks = iter([{"workers": {1: 0.0}}, {"workers": {1: 50.0}}, {"workers": {1: 52.0}}])
    monkeypatch.setattr(processor, "_cpu", lambda _: next(looks, {"workers": {1: 59.0}}))
    service: Any = None
    meter = processor.Meter(service, 1_000)
    for counted in (0, 100, 900, 1_000):
        meter.look(counted)

    assert meter.us() == {"workers": pytest.approx(2.0 / 800 * 1e6)}
