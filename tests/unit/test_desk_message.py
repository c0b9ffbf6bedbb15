"""What an analyst reads, and what a hostile feed cannot do to it."""

from __future__ import annotations

import html.parser
from dataclasses import replace

import pytest

from connectors.desk.message import as_html, as_line, as_text, compose
from connectors.desk.plain import clean, clean_link, tame, tame_link
from pipeline.contracts.records import Alert, AlertState, Baseline, Lang, Severity
from tests.golden.desk.alert import ALERT, GOLDEN

HOSTILE = (
    "@everyone <!here> <@U1> [free](https://evil.example) <script>x</script> "
    "<img src=//evil.example>\r\nBcc: all@evil.example\x1b[31m\u202eoops\u2066 www.evil.example "
    "||spoiler|| ```code"
)


def hostile() -> Alert:
    """Every text of a stranger is an attack."""
    evidence = tuple(
        replace(e, title=HOSTILE, publisher=HOSTILE, link="javascript:alert(1)")
        for e in ALERT.evidence
    )
    return replace(ALERT, evidence=evidence, terms=(HOSTILE,), reason=HOSTILE)


def test_the_text_is_as_it_was_read_aloud_and_agreed() -> None:
    message = compose(ALERT)
    golden = (GOLDEN / "message.txt").read_text().rstrip("\n")
    assert f"{message.title}\n{as_text(message, 4000)}" == golden


def test_the_line_and_the_page_are_as_agreed() -> None:
    message = compose(ALERT)
    assert as_line(message) == (GOLDEN / "line.txt").read_text().rstrip("\n")
    assert as_html(message) == (GOLDEN / "message.html").read_text().rstrip("\n")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (AlertState.OPEN, "new alert"),
        (AlertState.ESCALATED, "rising further"),
        (AlertState.DE_ESCALATED, "easing"),
        (AlertState.CLOSED, "over"),
    ],
)
def test_the_title_says_where_the_episode_stands(state: AlertState, words: str) -> None:
    title = compose(replace(ALERT, state=state, revision=1, severity=Severity.INFO)).title
    assert title == f"INFO: japan-china – {words}"


def test_a_young_or_blind_baseline_is_said_in_words() -> None:
    young = compose(replace(ALERT, baseline=Baseline(None, warm=False, blind=True)))
    facts = dict(young.facts)
    assert "still young" in facts["Baseline"]
    assert "feeds are silent" in facts["Baseline"]


def test_one_story_and_one_publisher_are_singular() -> None:
    alert = replace(ALERT, observed=replace(ALERT.observed, independent=1, raw=1), publishers=1)
    message = compose(alert)
    assert message.summary.startswith("1 independent story in 3 h;")
    assert dict(message.facts)["Sources"].startswith("1 publisher;")


def test_what_is_over_tells_no_noughts() -> None:
    quiet = replace(ALERT.observed, independent=0, raw=0)
    over = replace(
        ALERT,
        state=AlertState.CLOSED,
        observed=quiet,
        publishers=0,
        languages=(),
        terms=(),
        evidence=(),
        score=0.0,
        escalation=0,
    )
    assert [name for name, _ in compose(over).facts] == ["Why", "Since", "Baseline"]


@pytest.mark.parametrize(
    ("minutes", "told"), [(20, "20 min"), (60, "1 h"), (90, "90 min"), (1440, "24 h")]
)
def test_a_window_is_told_in_hours_only_when_it_is_whole_hours(minutes: int, told: str) -> None:
    assert f" in {told} (" in compose(replace(ALERT, window_minutes=minutes)).summary


def test_ten_articles_are_shown_and_no_more() -> None:
    long = compose(replace(ALERT, evidence=ALERT.evidence * 5))
    assert len(long.items) == 10
    assert as_html(long).count("<li") == 10


def test_a_usual_count_of_almost_none_is_said_in_words() -> None:
    message = compose(replace(ALERT, expected=0.02, upper=1.0))
    assert message.summary.endswith("; usual is almost none, at most 1.")


def test_a_title_has_no_word_of_a_stranger() -> None:
    assert compose(hostile()).title == compose(ALERT).title


def test_no_control_or_bidi_sign_of_a_feed_reaches_any_output() -> None:
    message = compose(hostile())
    for out in (as_line(message), as_text(message, 4000), as_html(message)):
        assert not set(out) & set("\r\x1b\u202e\u2066")
    assert "\n" not in as_line(message)


def test_in_chat_a_feed_pings_nobody_and_links_nowhere() -> None:
    out = as_text(compose(hostile()), 4000, tame, tame_link)
    for active in (
        "@everyone",
        "<!here",
        "<@U1",
        "](http",
        "://evil",
        "www.evil",
        "<script",
        "||",
        "`",
    ):
        assert active not in out
    assert "javascript:" not in out


def test_in_html_a_feed_makes_no_element() -> None:
    class Elements(html.parser.HTMLParser):
        found: list[str]

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found.append(tag)
            names = {name for name, _ in attrs}
            assert not names & {"src", "onclick", "onload", "onerror"}

    parser = Elements()
    parser.found = []
    parser.feed(as_html(compose(hostile())))
    assert not set(parser.found) & {"script", "img", "a", "iframe", "link"}


def test_each_headline_in_the_page_has_its_language() -> None:
    page = as_html(compose(ALERT))
    for lang in ("en", "ja", "zh-Hant"):
        assert f'<span lang="{lang}">' in page
    other = replace(ALERT, evidence=(replace(ALERT.evidence[0], lang=Lang.OTHER),))
    assert '<span lang="und">' in as_html(compose(other))


@pytest.mark.parametrize("longest", [90, 160, 300, 700, 2000])
def test_a_short_channel_loses_evidence_first_and_keeps_the_count(longest: int) -> None:
    long = compose(replace(ALERT, evidence=ALERT.evidence * 3))
    out = as_text(long, longest)
    assert len(out) <= longest
    assert out.startswith(long.summary)


def test_a_short_channel_loses_the_footer_before_it_loses_a_fact() -> None:
    message = compose(ALERT)
    facts = "\n".join(f"{name}: {value}" for name, value in message.facts)
    room = len(message.summary) + len(facts) + 1
    assert as_text(message, room) == f"{message.summary}\n{facts}"
    assert as_text(message, room - 1).endswith("…")


def test_what_is_cut_is_said() -> None:
    long = replace(ALERT, evidence=ALERT.evidence * 3)
    assert "… and " in as_text(compose(long), 900)
    assert "9 articles behind this" in as_text(compose(long), 640)


def test_clean_keeps_cjk_and_cuts_with_a_sign() -> None:
    assert clean("海警\u3000船\n接近", 20) == "海警 船 接近"
    assert clean("a" * 30, 10) == "a" * 9 + "…"


def test_marks_in_a_heap_cover_no_other_line_and_blank_letters_are_no_title() -> None:
    assert clean("e" + "\u0301" * 60 + "x", 100) == "e" + "\u0301" * 4 + "x"
    assert clean("\u3164\u2800 \u115f", 100) == ""
    assert clean("ệ กำ हिन्दी", 100) == "ệ กำ हिन्दी"


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//host/x",
        "https://user:pw@host/x",
        "https://host/a b",
        "https://host/\u202e",
        "https://[::1",
        "https://host/" + "x" * 2048,
        "",
        None,
    ],
)
def test_a_link_that_is_no_plain_web_address_is_left_out(link: str | None) -> None:
    assert clean_link(link) is None


def test_a_link_keeps_its_meaning_in_chat() -> None:
    assert tame_link("https://h.example/a?x=1&y=%40#p") == "https://h.example/a?x=1&y=%40#p"
    assert tame_link("https://h.example/@here|x") == "https://h.example/%40here%7Cx"
