"""The figures on the evaluation data, where it is: macro-F1, escalation, language."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from deploy.topic_files import PACKAGED, load_topics
from pipeline.contracts.records import Lang
from pipeline.rules.tagging.language import ScriptDetector
from pipeline.rules.tagging.tagger import Tagger

pytestmark = pytest.mark.evaluation

TOPICS = ("japan-china", "taiwan", "us-trade")


def read_items(name: str) -> list[dict[str, Any]]:
    folder = os.environ.get("STRAITWATCH_EVAL_DATA")
    if not folder:
        pytest.skip("STRAITWATCH_EVAL_DATA names no folder with evaluation data")
    path = Path(folder) / "gold" / name
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def f1(pairs: list[tuple[bool, bool]]) -> float:
    counts = Counter(pairs)
    hits, wrong = counts[True, True], counts[True, False] + counts[False, True]
    return 2 * hits / (2 * hits + wrong) if hits else 0.0


def weighted_kappa(pairs: list[tuple[int, int]]) -> float:
    gold, told = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    seen = sum((a - b) ** 2 for a, b in pairs) / len(pairs)
    chance = sum((i - j) ** 2 * gold[i] * told[j] for i in range(4) for j in range(4))
    return 1 - seen / (chance / len(pairs) ** 2)


def test_topics_and_levels_are_as_good_as_promised() -> None:
    items = [item for item in read_items("tagging-dev.jsonl") if not item["ambiguous"]]
    tagger = Tagger(load_topics(PACKAGED))
    told = [tagger.tag(item["title"], item["summary"]) for item in items]
    tags = [{tag.topic: tag.escalation for tag in tagging.topics} for tagging in told]
    for language in (None, "en", "ja", "zh"):
        scores = [
            f1(
                [
                    (topic in item["labels"], topic in found)
                    for item, found in zip(items, tags, strict=True)
                    if language in (None, item["lang"])
                ]
            )
            for topic in TOPICS
        ]
        assert sum(scores) / len(scores) >= (0.93 if language is None else 0.90), language
        assert language is not None or min(scores) >= 0.90
    levels = [
        (item["escalation"], max(found.values(), default=0))
        for item, found in zip(items, tags, strict=True)
        if item["labels"]
    ]
    assert weighted_kappa(levels) >= 0.75


def test_languages_are_told_apart() -> None:
    scripts = {"hans": Lang.ZH_HANS, "hant": Lang.ZH_HANT}
    detector = ScriptDetector()
    for name, least in (("tagging-dev.jsonl", 0.995), ("ja-kanji-only-dev.jsonl", 0.97)):
        items = read_items(name)
        right = sum(
            detector.detect(item["title"]) == scripts.get(item.get("script"), item["lang"])
            for item in items
        )
        assert right / len(items) >= least, name
