"""Whatever a feed sends, tagging answers, and what folding makes equal is tagged alike."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.topic_files import PACKAGED, load_topics
from pipeline.contracts.records import Lang
from pipeline.rules.tagging.matcher import Cover
from pipeline.rules.tagging.tagger import Tagger
from pipeline.rules.text import fold, read, sentences

PIECES = st.sampled_from(
    [
        "Taiwan",
        "台灣",
        "台湾",
        "關稅",
        "関税",
        "Tokyo",
        "中国",
        "米",
        "US",
        "共機",
        ". ",
        "。",
        "\n",
        " ",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(st.one_of(PIECES, st.characters()), max_size=30).map("".join))


@cache
def tagger() -> Tagger:
    return Tagger(load_topics(PACKAGED))


@given(TEXTS)
def test_folding_keeps_length_and_is_done_once(text: str) -> None:
    folded = fold(text)
    assert len(folded) == len(text)
    assert fold(folded) == folded


@given(TEXTS, TEXTS)
def test_sentences_follow_each_other(title: str, summary: str) -> None:
    text = read(title, summary)
    spans = sentences(text)
    assert spans[0] == (0, text.title_end)
    assert all(a < b <= len(text.folded) for a, b in spans[1:])
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


@settings(deadline=None)
@given(TEXTS, TEXTS, st.sampled_from([None, "ja", "zh-TW", "??", ""]))
def test_any_text_is_tagged_and_explained_alike(title: str, summary: str, hint: str | None) -> None:
    tagging = tagger().tag(title, summary, hint)
    assert tagging.lang in Lang
    told = {
        v.topic: (v.score, v.escalation)
        for v in tagger().explain(title, summary, hint).verdicts
        if v.tagged
    }
    assert told == {t.topic: (t.score, t.escalation) for t in tagging.topics}
    for tag in tagging.topics:
        assert 0 <= tag.escalation <= 3
        assert tag.score >= 1
        assert tag.terms


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["Trump", "tariffs", "Taiwan", "drills", "and", "the"]), max_size=8)
)
def test_width_and_accents_change_no_topic(words: list[str]) -> None:
    text = " ".join(words)
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
    assert [t.topic for t in tagger().tag(text, "").topics] == [
        t.topic for t in tagger().tag(wide, "").topics
    ]


SPANS = st.tuples(st.integers(0, 12), st.integers(1, 6)).map(lambda at: (at[0], at[0] + at[1]))


@given(st.lists(SPANS, min_size=1, max_size=8), SPANS)
def test_a_mask_hides_what_lies_inside_it_and_is_shorter(
    masks: list[tuple[int, int]], span: tuple[int, int]
) -> None:
    inside = any(a <= span[0] and span[1] <= b and (a, b) != span for a, b in masks)
    assert Cover(masks).hides(*span) is inside
