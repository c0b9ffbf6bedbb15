"""A stream of invented articles beside the stories they were given when each rule was agreed on.

What makes the index faster must not move an article; a rule that is meant to shows here which.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.contracts.records import Lang
from pipeline.rules.stories.index import StoryIndex, StoryItem, shard_of

STREAM = Path(__file__).parent / "stories" / "assignments.jsonl"
START = datetime(2026, 3, 2, tzinfo=UTC)
DECIDED = ("story", "event", "reprint", "maybe")


def test_every_article_goes_where_it_went() -> None:
    shards: dict[str, StoryIndex] = {}
    moved = []
    for line in map(json.loads, STREAM.read_text("utf-8").splitlines()):
        item = StoryItem(
            article_id=line["id"],
            revision=line["rev"],
            lang=Lang(line["lang"]),
            title=line["title"],
            summary=line["lead"],
            link=line["link"],
            publisher=line["owner"],
            owner=line["owner"],
            seen_at=START + timedelta(hours=line["hours"]),
            published_at=None,
        )
        found, _ = shards.setdefault(shard_of(item.lang), StoryIndex()).assign(item)
        got = (found.story_id, found.event_id, found.reprint, found.possible_reprint_of)
        if got != tuple(line[key] for key in DECIDED):
            moved.append((line["title"], got))
    assert moved == []


def test_the_stream_has_every_kind_of_answer() -> None:
    lines = [json.loads(line) for line in STREAM.read_text("utf-8").splitlines()]
    assert sum(line["reprint"] for line in lines) >= 20
    assert sum(line["maybe"] is not None for line in lines) >= 10
    assert sum(line["event"] != line["story"] for line in lines) >= 10
    assert sum(line["rev"] > 0 for line in lines) >= 5
    assert {line["lang"] for line in lines} == {"en", "ja", "zh-Hans", "zh-Hant"}
