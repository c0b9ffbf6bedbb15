"""Topics on a real Kafka: created with their settings, mended when they differ."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from connectors.bus.errors import Unavailable
from connectors.bus.topics import ensure_topics
from pipeline.contracts.topics import TopicSpec, topic_specs

pytestmark = pytest.mark.kafka


def fresh(**how: object) -> TopicSpec:
    return replace(TopicSpec(f"topic-{uuid.uuid4().hex}", 1, timedelta(days=2)), **how)  # type: ignore[arg-type]


def test_all_our_topics_are_created_and_a_second_time_nothing_changes(kafka_bootstrap: str) -> None:
    prefix = uuid.uuid4().hex
    specs = [replace(s, name=f"{prefix}-{s.name}") for s in topic_specs()]
    assert {c.what for c in ensure_topics(kafka_bootstrap, specs)} == {"created"}
    assert ensure_topics(kafka_bootstrap, specs) == ()


def test_another_retention_is_mended_and_told(kafka_bootstrap: str) -> None:
    spec = fresh()
    ensure_topics(kafka_bootstrap, [spec])
    longer = replace(spec, retention=timedelta(days=3))
    (change,) = ensure_topics(kafka_bootstrap, [longer])
    assert (change.what, change.was, change.now) == ("retention.ms", "172800000", "259200000")
    assert ensure_topics(kafka_bootstrap, [longer]) == ()


def test_partitions_are_added_and_never_taken_away(kafka_bootstrap: str) -> None:
    spec = fresh()
    ensure_topics(kafka_bootstrap, [spec])
    (change,) = ensure_topics(kafka_bootstrap, [replace(spec, partitions=3)])
    assert (change.what, change.was, change.now) == ("partitions", "1", "3")
    assert ensure_topics(kafka_bootstrap, [spec]) == ()


def test_a_look_without_mending_changes_nothing(kafka_bootstrap: str) -> None:
    spec = fresh()
    for _ in range(2):
        (change,) = ensure_topics(kafka_bootstrap, [spec], mend=False)
        assert change.what == "created"


def test_a_topic_that_kafka_refuses_is_told_with_its_name(kafka_bootstrap: str) -> None:
    with pytest.raises(Unavailable, match="not a name"):
        ensure_topics(kafka_bootstrap, [fresh(name="not a name")])
