"""The analyst's page holds: its topic is a good file, and what it says of terms is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.topic_files import PACKAGED, read_topic_files
from pipeline.rules.tagging.tagger import Tagger, check_examples
from pipeline.rules.tagging.topic_file import TopicSet
from pipeline.rules.tagging.topic_shape import KEYS

PAGE = Path(__file__).parents[2] / "deploy" / "docs" / "topics.md"


@pytest.fixture(scope="module")
def topics() -> TopicSet:
    found = re.search(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return TopicSet.parse(read_topic_files(PACKAGED) | {"arctic.toml": found.group(1)})


def test_the_fourth_topic_is_added_by_its_file_alone(topics: TopicSet) -> None:
    assert {topic.name for topic in topics.topics} == {
        "arctic",
        "japan-china",
        "taiwan",
        "us-trade",
    }
    assert check_examples(topics) == ()
    tags = Tagger(topics).tag("Warships enter the Arctic as drills begin", "").topics
    assert [tag.topic for tag in tags] == ["arctic"]


def test_every_key_of_a_rule_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    missing = [key for key in KEYS["route"] | KEYS["escalation"] if f"`{key}" not in text]
    assert set(missing) <= {"name", "weight"}
