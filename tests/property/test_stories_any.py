"""The story index under any text, any order and any restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.records import Lang
from pipeline.rules.stories.index import StoryIndex, StoryItem, StorySettings
from pipeline.rules.stories.normalise import normalise
from pipeline.rules.stories.similarity import Relation, compare, overlap

START = datetime(2026, 3, 2, tzinfo=UTC)
WORDS = [
    "港",
    "倉庫",
    "検査で",
    "亀裂 ",
    "補修へ",
    "12人",
    "pier",
    "closed ",
    "3",
    "、",
    "【速報】",
    "碼頭",
]

titles = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map("".join) | st.text(
    max_size=60
)
langs = st.sampled_from(list(Lang))
items = st.builds(
    StoryItem,
    article_id=st.integers(0, 25).map(str),
    revision=st.integers(0, 3),
    lang=langs,
    title=titles,
    summary=st.just("") | titles,
    link=st.none() | st.integers(0, 9).map(lambda n: f"https://bay.example/{n}"),
    publisher=st.just("p"),
    owner=st.sampled_from(["Bay", "Hill", "Field - Politics", "Field - World"]),
    seen_at=st.integers(0, 200).map(lambda h: START + timedelta(hours=h)),
    published_at=st.none(),
)


@given(titles, titles, langs, st.booleans(), st.floats(0, 100), st.floats(0, 1))
def test_the_judgement_of_a_pair_is_symmetric_and_never_fails(
    a: str, b: str, lang: Lang, same_owner: bool, hours: float, wire: float
) -> None:
    x, y = normalise(a, b, lang), normalise(b, a, lang)
    relation = Relation(same_owner, False, hours, wire)
    assert compare(x, y, relation, overlap(x, y)) is compare(y, x, relation, overlap(y, x))


@settings(max_examples=60, deadline=None)
@given(st.lists(items, max_size=40), st.integers(0, 40))
def test_a_restart_anywhere_changes_no_assignment(stream: list[StoryItem], at: int) -> None:
    rules = StorySettings(max_items=15)
    whole, first = StoryIndex(rules), StoryIndex(rules)
    expected = [whole.assign(item) for item in stream]
    second = StoryIndex.restore(rules, [first.assign(item)[1] for item in stream[:at]])
    got = [second.assign(item) for item in stream[at:]]
    assert got == expected[at:]


@settings(max_examples=60, deadline=None)
@given(st.lists(items, max_size=40), st.integers(0, 40), st.integers(0, 200))
def test_a_rewritten_log_gives_the_same_index(stream: list[StoryItem], at: int, hours: int) -> None:
    index = StoryIndex()
    for item in stream[:at]:
        index.assign(item)
    kept = index.prune(START + timedelta(hours=200 + hours))
    if kept is None:
        return
    restored = StoryIndex.restore(None, kept)
    assert [restored.assign(i) for i in stream[at:]] == [index.assign(i) for i in stream[at:]]


@settings(max_examples=40, deadline=None)
@given(st.lists(items, max_size=30))
def test_every_story_is_named_by_an_article_that_opened_it(stream: list[StoryItem]) -> None:
    index, seen = StoryIndex(), set()
    for item in stream:
        seen.add(item.article_id)
        found, _ = index.assign(item)
        assert found.story_id in seen
        assert found.event_id in seen
        assert found.reprint is (found.story_id != item.article_id) or item.revision > 0
