"""Formats, links and hints: what is found in a document, and what is none."""

from __future__ import annotations

import pytest

from connectors.feeds.parse import limits
from connectors.feeds.parse.model import DocumentReason, FeedFormat
from tests.unit.feed_parsing import article, parse, rss

# --- documents


def test_what_is_beyond_the_most_entries_is_counted() -> None:
    feed = parse(
        rss("".join(f"<item><title>{i}</title></item>" for i in range(30))), max_entries=10
    )
    assert (len(feed.entries), feed.unread, feed.ok) == (10, 20, True)


def test_at_least_500_entries_are_read() -> None:
    assert limits.MAX_ENTRIES >= 500


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", DocumentReason.EMPTY),
        (b"\xef\xbb\xbf \n\0", DocumentReason.EMPTY),
        (b"<?xml version='1.0'?>", DocumentReason.NOT_A_FEED),
        (b"/etc/passwd", DocumentReason.NOT_A_FEED),
        (b"https://a.example/feed.xml", DocumentReason.NOT_A_FEED),
        (b"<html><body>rss</body></html>", DocumentReason.NOT_A_FEED),
        (b"<opml version='2.0'><body/></opml>", DocumentReason.NOT_A_FEED),
        (
            b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/>",
            DocumentReason.NOT_A_FEED,
        ),
        (b"<urlset><url><loc>https://a.example/</loc></url></urlset>", DocumentReason.NOT_A_FEED),
        (b'{"items": {}}', DocumentReason.NOT_A_FEED),
        (b'{"items": [' + b"9" * 100_000 + b"]}", DocumentReason.NOT_A_FEED),
        (b"[" * 100_000, DocumentReason.NOT_A_FEED),
        (b"<" * 100_000, DocumentReason.NOT_A_FEED),
        (b"\x00" + bytes(range(256)) * 40, DocumentReason.NOT_A_FEED),
        (b"x" * (limits.MAX_DOCUMENT_BYTES + 1), DocumentReason.TOO_LARGE),
    ],
)
def test_what_is_no_feed_says_why(data: bytes, reason: DocumentReason) -> None:
    feed = parse(data)
    assert (feed.ok, feed.format, feed.entries, feed.reason) == (False, None, (), reason)
    assert feed.detail


def test_a_feed_without_entries_is_a_feed() -> None:
    assert parse(rss("")).ok
    assert parse("<rss version='2.0'><channel><title>a & b</title></channel></rss>").ok


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ("<rss><channel><item><title>a</title></item></channel></rss>", FeedFormat.RSS),
        ("<rss><item><title>a</title></item></rss>", FeedFormat.RSS),
        ("<channel><item><title>a</title></item></channel>", FeedFormat.RSS),
        ("<RSS><CHANNEL><ITEM><TITLE>a</TITLE></ITEM></CHANNEL></RSS>", FeedFormat.RSS),
        ("<feed><entry><title>a</title></entry></feed>", FeedFormat.ATOM),
        ("<entry xmlns='http://www.w3.org/2005/Atom'><title>a</title></entry>", FeedFormat.ATOM),
        (
            (
                "<a:feed xmlns:a='http://purl.org/atom/ns#'>"
                "<a:entry><a:title>a</a:title></a:entry></a:feed>"
            ),
            FeedFormat.ATOM,
        ),
        (
            (
                "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' "
                "xmlns='http://my.netscape.com/rdf/simple/0.9/'><item><title>a</title></item></rdf:RDF>"
            ),
            FeedFormat.RDF,
        ),
        (
            "\n" * 30_000 + "<rss><channel><item><title>a</title></item></channel></rss>",
            FeedFormat.RSS,
        ),
        (
            "<?xml version='1.0'><rss><channel><item><title>a</title></item></channel></rss>",
            FeedFormat.RSS,
        ),
        ("<rss><channel><item><title>a</title></item></channel></rss><p>trailing", FeedFormat.RSS),
        ("<rss><channel><item><title>a</item></channel>", FeedFormat.RSS),
        ('{"items": [{"content_text": "a"}]}', FeedFormat.JSON_FEED),
        (
            '{"items": [{"title": "a", "content_text": "b\nc\td"}]}<!-- cached -->',
            FeedFormat.JSON_FEED,
        ),
        (
            "<rss xmlns='urn:x'><channel><item><title>a</title></item></channel></rss>",
            FeedFormat.RSS,
        ),
        (
            "<x:feed xmlns:x='urn:x'><x:entry><x:title>a</x:title></x:entry></x:feed>",
            FeedFormat.ATOM,
        ),
        (
            "<feed xmlns='https://www.w3.org/2005/Atom'><entry><title>a</title></entry></feed>",
            FeedFormat.ATOM,
        ),
        (
            (
                "<urlset xmlns='https://www.sitemaps.org/schemas/sitemap/0.9' "
                "xmlns:n='https://www.google.com/schemas/sitemap-news/0.9'>"
                "<url><n:news><n:title>a</n:title></n:news></url></urlset>"
            ),
            FeedFormat.NEWS_SITEMAP,
        ),
    ],
)
def test_a_format_is_known_by_its_shape(text: str, format_: FeedFormat) -> None:
    feed = parse(text)
    assert feed.format == format_
    assert [e.title for e in feed.articles] == ["a"]


def test_a_name_that_is_none_in_a_made_up_namespace_is_left_alone() -> None:
    feed = parse("<rss xmlns='urn:x'><channel><item><title>a</title><:/></item></channel></rss>")
    assert [e.title for e in feed.articles] == ["a"]
    assert not parse('<urlset xmlns="h"><:').ok


def test_a_foreign_title_does_not_pass_for_the_entrys() -> None:
    feed = rss(
        "<item xmlns:x='urn:x'><x:title>wrong</x:title><image><title>wrong</title></image>"
        "<title>right</title></item>"
    )
    assert article(feed).title == "right"


def test_a_name_whose_prefix_nobody_declared_is_still_read() -> None:
    feed = parse(
        "<rss><channel><item><title>a</title><dc:creator>Ann</dc:creator></item></channel></rss>"
    )
    assert feed.articles[0].authors == ("Ann",)


# --- links and hints


def test_relative_links_are_relative_to_the_site() -> None:
    item = "<item><title>a</title><link>/1</link></item>"
    site = "<link>https://site.example/</link>"
    assert article(rss(item, site), url="https://proxy.example/f").link == "https://site.example/1"
    assert article(rss(item), url="https://proxy.example/f").link == "https://proxy.example/1"
    assert article(rss(item)).link is None


@pytest.mark.parametrize(
    ("outer", "inner", "own", "link"),
    [
        ("/blog/", "", "", "https://a.example/blog/1"),
        ("blog/", "", "", "https://a.example/dir/blog/1"),
        ("", "sub/", "", "https://a.example/dir/sub/1"),
        ("blog/", "sub/", "own/", "https://a.example/dir/blog/sub/own/1"),
        ("https://b.example/", "/sub/", "", "https://b.example/sub/1"),
    ],
)
def test_bases_are_relative_to_one_another_and_to_the_document(
    outer: str, inner: str, own: str, link: str
) -> None:
    found = article(
        f"<feed xml:base='{outer}'><entry xml:base='{inner}'><title>a</title>"
        f"<link xml:base='{own}' href='1'/></entry></feed>",
        url="https://a.example/dir/feed.xml",
    )
    assert found.link == link


def test_of_several_links_atoms_first_page_counts_and_rss_last() -> None:
    data, first, last = (
        f"<link type='{t}' href='https://a.example/{n}'/>"
        for n, t in enumerate(("application/json", "text/html", "text/html"))
    )
    atom = article(f"<feed><entry><title>a</title>{data}{first}{last}</entry></feed>")
    assert atom.link == "https://a.example/1"
    links = "<link>https://a.example/1</link><link>https://a.example/2</link>"
    assert article(rss(f"<item><title>a</title>{links}</item>")).link == "https://a.example/2"


def test_an_entrys_own_base_goes_before_its_feeds() -> None:
    found = article(
        "<feed xml:base='https://a.example/'><entry xml:base='https://b.example/x/'>"
        "<title>a</title><link href='1'/></entry></feed>"
    )
    assert found.link == "https://b.example/x/1"


def test_a_relation_may_be_written_as_an_address() -> None:
    other, alternate = "<link rel='{0}self' href='/s'/>", "<link rel='{0}alternate' href='/a'/>"
    iana = "http://www.iana.org/assignments/relation/"
    links = (other + alternate).format(iana)
    feed = parse(
        f"<feed>{links}<entry><title>a</title>{links}</entry></feed>", "https://a.example/f"
    )
    assert feed.articles[0].link == "https://a.example/a"
    assert (feed.hints.site, feed.hints.self_link) == ("https://a.example/a", "https://a.example/s")


def test_a_permalink_stands_in_for_a_missing_link() -> None:
    guid = "https://a.example/1"
    assert article(rss(f"<item><title>a</title><guid>{guid}</guid></item>")).link == guid
    no = f"<item><title>a</title><guid isPermaLink='false'>{guid}</guid></item>"
    assert article(rss(no)).link is None


@pytest.mark.parametrize(
    ("ttl", "seconds"),
    [
        ("30", 1_800),
        ("0", None),
        ("-1", None),
        ("1" + "0" * 18, None),
        ("99999999", 604_800),
        ("x", None),
    ],
)
def test_an_interval_that_a_feed_asks_for_is_bounded(ttl: str, seconds: int | None) -> None:
    assert parse(rss("", f"<ttl>{ttl}</ttl>")).hints.ttl_seconds == seconds


def test_hints_are_clean() -> None:
    channel = (
        "<title>A &lt;script>x&lt;/script> b</title><language>EN_us</language>"
        "<link xmlns='http://www.w3.org/2005/Atom' rel='hub' href='javascript:x'/>"
        "<link xmlns='http://www.w3.org/2005/Atom' rel='self' href='https://u:p@a.example/'/>"
    )
    hints = parse(rss("", channel)).hints
    assert (hints.title, hints.language, hints.hub, hints.self_link) == ("A b", "en-us", None, None)


def test_a_character_that_goes_does_not_hide_a_doctype() -> None:
    text = "<!DOC\0TYPE r [<!ENTITY a 'one'><!ENTITY b SYSTEM 'file:///etc/hostname'>]>"
    assert article(text + rss("<item><title>&a; &b;</title></item>")).title == "one &b;"


@pytest.mark.parametrize(
    ("value", "title"),
    [
        ("pier", "pier"),
        ("&#233;t&#xE9;", "été"),
        ("&#60;b>", "x"),
        ("&x;", "&a;"),
        ("&#0;", "\ufffd"),
    ],
)
def test_only_plain_entities_are_known(value: str, title: str) -> None:
    text = f'<!DOCTYPE r [<!ENTITY a "{value}">]>' + rss("<item><title>{}</title></item>")
    assert article(text.format("&a;" if title != "x" else "&a;x")).title == title


def test_what_only_seems_to_end_a_doctype_does_not_end_it() -> None:
    for part in ("<!-- ]> -->", "<!ENTITY t ']>'>"):
        text = f"<!DOCTYPE r [{part}<!ENTITY a 'pier'>]>" + rss("<item><title>&a;</title></item>")
        assert article(text).title == "pier"


def test_entities_are_not_for_blowing_up() -> None:
    text = f"<!DOCTYPE r [<!ENTITY a '{'x' * 60}'>]>" + rss(
        f"<item><title>{'&a;' * 30_000}</title></item>"
    )
    assert article(text).title.startswith("&a;&a;")


# --- floods: linear in what is read, so the worker's limits are never met


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "flood",
    [
        "<rss " + " ".join(f"a{n}=''" for n in range(100_000)) + "><channel/></rss>",
        "<feed xml:base='https://a.example/"
        + "b/" * 500_000
        + "'>"
        + "<entry><title>a</title><link href='x'/></entry>" * 500
        + "</feed>",
        "<!DOCTYPE rss [<!ENTITY a '" + "x" * 60 + "'>]>" + rss(f"<item>{'&a;' * 500_000}</item>"),
    ],
    ids=["attributes", "bases", "entities"],
)
def test_a_flood_of_one_thing_ends(flood: str) -> None:
    assert parse(flood).ok
