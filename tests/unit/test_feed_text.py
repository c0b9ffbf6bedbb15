"""Markup to plain text."""

from __future__ import annotations

import pytest

from connectors.feeds.parse import text

MOST = 100_000


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        ("a <b>bold</b> word", "a bold word"),
        ("東<b>京</b>都", "東京都"),
        ("one<br>two<p>three</p>four", "one\ntwo\nthree\nfour"),
        ("AT&amp;T &lt;3 &nbsp; &#8212; &#x2014; &eacute;", "AT&T <3 — — é"),
        ("3 < 4 and 5 > 4", "3 < 4 and 5 > 4"),
        ("a<script>alert('</b>')</script>b", "ab"),
        ("a<SCRIPT src=x />b", "ab"),
        ("a</script>b<script>c</script>d", "abd"),
        ("a<x:script xmlns:x='y'>z</x:script>b", "ab"),
        ("a<style>p{}</style >b<svg onload=x><text>c</text></svg>d", "abd"),
        ("a<!-- hidden > still -->b", "ab"),
        ("a<!-- never closed>b", "ab"),
        ("a<![CDATA[b]]>c", "ab]]>c"),
        ('a<img alt="x > y" onerror=z>b', "ab"),
        ("a<p title=don't>b</p>c's", "a\nb\nc's"),
        ('a<a href="never closed>b</a>', "ab"),
        ("a<b <i>c", "ac"),
        ("text that breaks off <a href='", "text that breaks off"),
        ("&lt;script&gt;alert(1)&lt;/script&gt; x", "x"),
        ("<<b>script>x", "script>x"),
        ("&#0;&#55357;&#99999999;&#x110000;", "\ufffd\ufffd\ufffd\ufffd"),
        ("&bogus; &", "&bogus; &"),
        ("{{7*7}} =1+1 @everyone <!channel>", "{{7*7}} =1+1 @everyone"),
    ],
)
def test_markup_becomes_the_text_that_a_reader_sees(markup: str, plain: str) -> None:
    assert text.lines(text.from_markup(markup, MOST), MOST) == plain


HIDDEN = (
    *("\x00", "\x1b", "\x7f", "\u202e", "\u2067", "\u200b", "\ufeff", "\U000e0041", "\ufffe"),
    *("\uffff", "\ud83d", "\ufdd0", "\U0001fffe", "\U0010ffff", "\u00ad", "\u061c"),
    *("\u034f", "\u115f", "\u180e", "\u2061", "\u206f", "\u3164", "\ufffb", "\U000e0100"),
    *("\u200c", "\u200d", "\ufe00", "\ufe0f\u200d"),
)


@pytest.mark.parametrize("hidden", HIDDEN, ids=ascii)
def test_characters_that_work_behind_the_scenes_go(hidden: str) -> None:
    assert text.one_line(f"a{hidden}b", MOST) == "ab"


def test_a_hidden_character_does_not_hide_a_tag() -> None:
    assert "<script" not in text.one_line("<\u200bscript>x", MOST)
    assert "<b" not in text.lines("<<\x00<\u202eb>x", MOST)


def test_line_breaks_of_every_kind_are_one_kind() -> None:
    assert text.lines("a\r\nb\rc\u2028d\u2029e\x0bf\x0cg", MOST) == "a\nb\nc\nd\ne\nf\ng"
    assert text.one_line("a\r\nb\u2028c", MOST) == "a b c"


def test_what_was_windows_1252_is_read_as_such() -> None:
    assert text.one_line("it\x92s \x93red\x94", MOST) == "it’s “red”"


@pytest.mark.parametrize("shown", ["👨\u200d👩\u200d👧 ☀\ufe0f", "می\u200cخواهم", "क्\u200dष"])
def test_joiners_stay_where_they_are_needed(shown: str) -> None:
    assert text.one_line(shown, MOST) == shown


def test_a_han_character_is_found_whatever_its_variant_and_what_is_hidden_behind_it() -> None:
    assert (
        text.one_line("台\u200d湾 葛\U000e0101城 辻\ufe00 タ\u200cイ", MOST) == "台湾 葛城 辻 タイ"
    )


FLOODS = (
    *("<", "<a ", "<a href='", '<a "', "<!--", "<![CDATA[", "<script>", "<b>", "</", "&", "&#"),
    *("<x='", "<svg><!--", "<a b='>' c=\"", " ", "\u00a0", "<p title='\"", "&lt;", "&amp;lt;b>"),
)


@pytest.mark.parametrize("flood", FLOODS, ids=ascii)
def test_a_flood_of_beginnings_costs_no_more_than_its_length(flood: str) -> None:
    """Linear: twice the length must not be four times the steps; counted, not timed."""
    import sys

    def steps(n: int) -> int:
        count = 0

        def count_calls(*_: object) -> None:
            nonlocal count
            count += 1

        markup = (flood * n)[: n * 4]
        sys.setprofile(count_calls)
        try:
            text.lines(text.from_markup(markup, MOST), MOST)
        finally:
            sys.setprofile(None)
        return count

    assert steps(8_000) < 3 * steps(4_000) + 1_000


def test_texts_are_cut() -> None:
    assert text.one_line("a" * 50, 10) == "a" * 10
    assert text.lines("ab\n" * 50, 5) == "ab\nab"
