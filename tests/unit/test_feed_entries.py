"""From what stands in an entry to an article or a reject."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.feeds.parse import limits
from connectors.feeds.parse.model import RejectedEntry, RejectReason
from tests.unit.feed_parsing import article, parse, rss

# --- ids


def test_an_edited_title_keeps_its_id() -> None:
    before = article(rss("<item><title>Old</title><guid>g</guid></item>"))
    after = article(rss("<item><title>New</title><guid>g</guid></item>"))
    assert before.id == after.id


def test_guids_that_differ_in_case_are_two_articles() -> None:
    feed = parse(
        rss(
            "<item><title>a</title><guid>G</guid></item><item><title>a</title><guid>g</guid></item>"
        )
    )
    assert len({e.id for e in feed.articles}) == 2


def test_no_feed_can_take_anothers_id() -> None:
    text = rss("<item><title>a</title><guid>g</guid></item>")
    assert article(text, feed_id="one").id != article(text, feed_id="two").id


def test_without_a_guid_the_link_names_the_article_and_without_one_the_title() -> None:
    link = "<link>https://a.example/1</link>"
    assert article(rss(f"<item><title>a</title>{link}</item>")).id == (
        article(rss(f"<item><title>b</title>{link}</item>")).id
    )
    assert article(rss("<item><title>a</title></item>")).id != (
        article(rss("<item><title>b</title></item>")).id
    )


def test_a_repeated_entry_is_a_duplicate() -> None:
    item = "<item><title>a</title><guid>g</guid></item>"
    assert parse(rss(item * 2)).entries[1] == RejectedEntry(RejectReason.DUPLICATE)


def test_a_guid_that_different_articles_share_names_none_of_them() -> None:
    items = "".join(
        f"<item><title>t{i}</title><link>https://a.example/{i}</link><guid>all</guid></item>"
        for i in range(3)
    )
    first, later = parse(rss(items)), parse(rss(items.replace("t0", "t0 again")))
    assert len(first.articles) == 3
    assert [e.id for e in first.articles] == [e.id for e in later.articles]
    assert {e.guid for e in first.articles} == {"all"}


def test_an_endless_guid_still_makes_an_id() -> None:
    one, two = (
        article(rss(f"<item><title>a</title><guid>{'x' * 9_000}{e}</guid></item>")) for e in "ab"
    )
    assert one.id != two.id
    assert len(one.id) <= 256
    assert one.guid == "x" * limits.MAX_GUID


# --- texts


def test_an_entry_without_a_title_takes_the_beginning_of_its_summary() -> None:
    found = article(rss(f"<item><description>{'word ' * 60}</description></item>"))
    assert found.title == "word " * 23 + "word…"


def test_an_entry_without_any_text_is_rejected() -> None:
    for item in (
        "<item/>",
        "<item><link>https://a.example/</link></item>",
        "<item><title> </title></item>",
    ):
        assert parse(rss(item)).entries == (RejectedEntry(RejectReason.NO_TEXT),)


def test_the_content_stands_in_for_a_summary_that_says_nothing() -> None:
    ns = "xmlns:content='http://purl.org/rss/1.0/modules/content/'"
    found = article(
        rss(
            f"<item {ns}><title>a</title><description>&lt;img src='x'/></description>"
            "<content:encoded>&lt;p>Text</content:encoded></item>"
        )
    )
    assert found.summary == "Text"


def test_texts_are_bounded() -> None:
    found = article(
        rss(f"<item><title>{'t' * 50_000}</title><description>{'d ' * 90_000}</description></item>")
    )
    assert len(found.title) == limits.MAX_TITLE
    assert len(found.summary) <= limits.MAX_SUMMARY


def test_atom_text_is_literal_unless_it_is_plainly_html() -> None:
    def title(inner: str) -> str:
        return article(
            f"<feed xmlns='http://www.w3.org/2005/Atom'><entry>{inner}</entry></feed>"
        ).title

    assert title("<title>AT&amp;T &amp; Co, 3 &lt; 4</title>") == "AT&T & Co, 3 < 4"
    assert title("<title>&lt;b&gt;x&lt;/b&gt; y</title>") == "x y"
    assert title("<title type='html'>A &amp;amp; B</title>") == "A & B"
    assert (
        title(
            "<title type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>A <i>b</i></div></title>"
        )
        == "A b"
    )


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("ann@a.example (Ann Keeper)", "Ann Keeper"),
        ("Ann Keeper &lt;ann@a.example&gt;", "Ann Keeper"),
        ("Ann Keeper (ann@a.example)", "Ann Keeper"),
        ("&lt;b class='x'>Ann&lt;/b> Keeper", "Ann Keeper"),
        ("Ann &amp;amp; Bo", "Ann & Bo"),
        ("ann@a.example", "ann@a.example"),
        ("a." * 50_000, ("a." * 50_000)[: limits.MAX_AUTHOR]),
    ],
)
def test_authors_are_names(stated: str, name: str) -> None:
    assert article(rss(f"<item><title>a</title><author>{stated}</author></item>")).authors == (
        name,
    )


def test_authors_are_few_and_each_once() -> None:
    ns = "xmlns:dc='http://purl.org/dc/elements/1.1/'"
    twice = "<dc:creator>A</dc:creator>" * 2
    assert article(rss(f"<item {ns}><title>a</title>{twice}</item>")).authors == ("A",)
    many = "".join(f"<dc:creator>{i}</dc:creator>" for i in range(30_000))
    found = article(rss(f"<item {ns}><title>a</title>{many}</item>"))
    assert len(found.authors) == limits.MAX_AUTHORS


def test_the_markup_of_a_document_has_a_bound_for_all_its_fields_together() -> None:
    markup = f"<description><![CDATA[{'<b>x</b>' * 12_000}]]></description>"
    feed = parse(rss("".join(f"<item><title>{n}</title>{markup}</item>" for n in range(60))))
    assert len(feed.articles) == 60
    assert len(feed.articles[0].summary) > 9_000
    assert feed.articles[-1].summary == ""


def test_a_number_of_any_length_in_json_costs_no_article() -> None:
    found = article('{"items": [{"title": "a", "content_text": "b", "id": %s}]}' % ("9" * 50_000))
    assert found.guid is None


# --- dates and flags


def test_the_update_date_stands_in_for_a_missing_or_unreadable_publication_date() -> None:
    atom = "<feed xmlns='http://www.w3.org/2005/Atom'><entry><title>a</title>{}</entry></feed>"
    updated = "<updated>2026-07-06T10:00:00Z</updated>"
    for published, flags in (("", ()), ("<published>soon</published>", ("date_unreadable",))):
        found = article(atom.format(published + updated))
        assert found.published_at == datetime(2026, 7, 6, 10, tzinfo=UTC)
        assert found.flags == flags


def test_a_date_that_is_nowhere_is_flagged() -> None:
    found = article(rss("<item><title>a</title></item>"))
    assert (found.published_at, found.updated_at, found.flags) == (None, None, ("date_missing",))


def test_only_articles_with_a_guessed_letter_carry_the_flag_of_their_document() -> None:
    data = rss("<item><title>plain</title></item><item><title>déjà</title></item>").encode("cp1252")
    plain, accented = parse(data).articles
    assert "encoding_guessed" not in plain.flags
    assert "encoding_guessed" in accented.flags
