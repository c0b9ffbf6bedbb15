"""What counts as a hit: word ends, capitals, scripts, width, masks."""

from __future__ import annotations

import pickle
import sys

import pytest

from pipeline.contracts.records import Lang
from pipeline.rules.tagging.matcher import Matcher
from pipeline.rules.tagging.tagger import Tagger
from pipeline.rules.tagging.topic_file import TopicSet
from pipeline.rules.tagging.topic_model import Term
from pipeline.rules.text import fold, read, sentences


def terms_in(text: str, language: Lang, *terms: Term, masks: tuple[Term, ...] = ()) -> list[str]:
    matcher = Matcher([terms], masks, 1)
    hits = [hit.term for hit in matcher.hits(read(text, ""), language)]
    if hits:
        assert matcher.screen(read(text, "").folded), "the screen must miss nothing"
    return hits


@pytest.mark.parametrize(
    ("text", "term", "found"),
    [
        ("New tariffs, announced", "tariffs", True),
        ("The tariff-free list", "tariff", True),
        ("Tariffs rise", "tariff", False),
        ("Tariffs rise", "tariff*", True),
        ("Australia votes", "USTR", False),
        ("The USTR's report", "USTR", True),
        ("They told us so", "US", False),
        ("THE US SAYS", "US", True),
        ("U.S. imports fall", "U.S.", True),
        ("cross-strait ties", "cross-strait", True),
        ("Cross Strait ties", "cross-strait", True),
        ("Tâi-gí films", "tai-gi", True),
        ("Ｔａｉｗａｎ in full width", "Taiwan", True),
    ],
)
def test_words_of_spaced_scripts_end_where_they_end(text: str, term: str, found: bool) -> None:
    assert bool(terms_in(text, Lang.EN, Term(term, "en"))) is found


@pytest.mark.parametrize(
    ("text", "term", "found"),
    [
        ("米グリア代表が会見", "グリア", True),
        ("新施設ジャングリア開業", "グリア", False),
        ("リストを公表", "リスト", True),
        ("ピアニストリスト展", "リスト", False),
        ("米USTRが公表", "USTR", True),
        ("米国は関税を課す", "関税", True),
        ("ﾀﾞﾝﾋﾟﾝｸﾞ認定", "ダンピング", True),
    ],
)
def test_katakana_and_latin_words_end_inside_japanese_too(
    text: str, term: str, found: bool
) -> None:
    assert bool(terms_in(text, Lang.JA, Term(term, "ja"))) is found


@pytest.mark.parametrize("text", ["賴清德談國防", "赖清德谈国防"])
def test_a_chinese_term_is_written_once_for_both_scripts(text: str) -> None:
    assert terms_in(text, Lang.ZH_HANT, Term("赖清德", "zh")) == ["赖清德"]


def test_a_term_counts_only_in_its_language() -> None:
    term = Term("外交部", "zh-Hans")
    assert terms_in("外交部说", Lang.ZH_HANS, term)
    assert not terms_in("外交部說", Lang.ZH_HANT, term)


def test_a_mask_hides_the_shorter_term_inside_it_and_no_other() -> None:
    china, mask = Term("中国", "ja"), (Term("中国電力", "ja"),)
    assert terms_in("中国電力が発表", Lang.JA, china, masks=mask) == []
    assert terms_in("中国が中国電力に", Lang.JA, china, masks=mask) == ["中国"]


def test_a_mask_that_is_a_term_itself_still_counts() -> None:
    term, mask = Term("中国大使館", "ja"), (Term("中国大使館", "ja"),)
    assert terms_in("中国大使館の前", Lang.JA, term, masks=mask) == ["中国大使館"]


def steps(words: int) -> int:
    """The calls and lines that a text of so many masked words takes: work, not time."""
    matcher = Matcher([[Term("中国", "ja")]], [Term("中国電力", "ja")], 1)
    text = read("", "中国電力" * words)
    assert text.original.count("中国電力") == words, "not cut"
    matcher.hits(text, Lang.JA)  # what is built on first use is not counted
    count = 0

    def trace(frame: object, event: str, arg: object) -> object:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        hits = matcher.hits(text, Lang.JA)
    finally:
        sys.settrace(before)
    assert hits == []
    return count


def test_masked_words_cost_the_same_however_many_there_are() -> None:
    assert steps(800) < 4.5 * steps(200)


def test_folding_keeps_every_position() -> None:
    text = "Ｔâ賴「ﾀﾞ」①㈱𠮷😀"
    assert len(fold(text)) == len(text)


def test_sentences_do_not_end_after_abbreviations() -> None:
    summary = "Taipei, Aug. 20 (Wire) The U.S. Senate met. It voted! 終わり。次"
    text = read("Title", summary)
    parts = [text.original[a:b].strip() for a, b in sentences(text)]
    assert parts == [
        "Title",
        "Taipei, Aug. 20 (Wire) The U.S. Senate met.",
        "It voted!",
        "終わり。",
        "次",
    ]


def test_a_tagger_travels_as_texts_and_tags_the_same() -> None:
    topics = TopicSet.parse(
        {"bikes.toml": 'topic = "bikes"\n[[set]]\nname = "a"\nweight = 1\nen = ["bicycle*"]\n'}
    )
    tagger = Tagger(topics)
    tagger.tag("warm it up", "")
    raw = pickle.dumps(tagger)
    twin = pickle.loads(raw)
    assert len(raw) < 2000
    assert twin.rules_version == tagger.rules_version
    assert twin.tag("Bicycles win", "").topics == tagger.tag("Bicycles win", "").topics != ()


def test_layout_and_comments_do_not_change_the_version() -> None:
    text = 'topic = "bikes"\n[[set]]\nname = "a"\nweight = 1\nen = ["bicycle*"]\n'
    same = TopicSet.parse({"bikes.toml": "# a note\n\n" + text})
    other = TopicSet.parse({"bikes.toml": text.replace("bicycle", "tricycle")})
    assert TopicSet.parse({"bikes.toml": text}).version == same.version != other.version
