"""Hostile documents by family: each ends in an outcome that keeps the contract, at bounded cost."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import pytest

from connectors.feeds.parse import document, loose
from connectors.feeds.parse.model import ParsedFeed
from tests.property import test_feed_any_bytes as any_bytes

SECONDS = 6.0
"""Of processor time, on a machine that does much else; a pattern that is not linear took twenty."""
CANARY = "http://127.0.0.1:9/canary"


def parsed(data: bytes | str, content_type: str | None = None) -> ParsedFeed:
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    start = time.process_time()
    feed = document.parse(
        raw, content_type=content_type, url="https://a.example/f", feed_id="f", now=any_bytes.NOW
    )
    assert time.process_time() - start < SECONDS
    any_bytes.check(feed)
    return feed


def item(
    title: str = "Bridge opens",
    link: str = "https://a.example/1",
    guid: str = "g",
    date: str = "Mon, 06 Jul 2026 10:00:00 GMT",
    text: str = "Body",
    more: str = "",
) -> str:
    return (
        f"<item><title>{title}</title><link>{link}</link><guid isPermaLink='false'>{guid}</guid>"
        f"<pubDate>{date}</pubDate><description>{text}</description>{more}</item>"
    )


def rss(items: str, before: str = "", channel: str = "") -> str:
    return f"{before}<rss version='2.0'><channel><title>A</title>{channel}{items}</channel></rss>"


def entities(declarations: str, use: str) -> str:
    return rss(item(use), before=f"<!DOCTYPE r [{declarations}]>")


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">' for n in range(10))
N = 100_000
ATOM = "<feed xmlns='http://www.w3.org/2005/Atom'>"

ONE_ENTRY = {
    "stylesheet": rss(item(), before=f"<?xml-stylesheet href='{CANARY}'?>"),
    "instructions": rss("<?a b?>" * N + item()),
    "instructions_before": rss(item(), before="<?a ?>" * N),
    "comments_before": rss(item(), before="<!--a-->" * N),
    "sections": rss(item("<![CDATA[a]]>" * 20_000)),
    "brackets_in_text": rss(item(text="&lt;" * 500_000)),
    "comments_in_text": rss(item(text="&lt;!--" * 200_000)),
    "scripts_in_text": rss(item(text="&lt;script&gt;" * N)),
    "quotes_in_text": rss(item(text="&lt;a href=&quot;" * N)),
    "styles_in_text": rss(item(text=f"&lt;p style='{'a:b;' * 300_000}'&gt;x")),
    "references_in_text": rss(item(text="&amp;nbsp;" * 200_000)),
    "blank_lines_in_text": rss(item(text="\n" * 2_000_000 + "x")),
    "marks_in_title": rss(item("a" + "\u0301" * 300_000)),
    "turns_in_title": rss(item("\u202e" * 300_000 + "abc")),
    "mojibake_in_title": rss(item("Ã©" * 200_000)),
    "spaces_in_date": rss(item(date="Mon," + " " * 500_000 + "06 Jul 2026")),
    "colons_in_date": rss(item(date="1:" * 200_000)),
    "years_in_date": rss(item(date="2026年" * N)),
    "brackets_in_date": rss(item(date="Mon, 06 Jul 2026 10:00:00 GMT " + "(" * 200_000)),
    "brackets_in_author": rss(item(more=f"<author>{'a@b (' * 50_000}</author>")),
    "dots_in_link": rss(item(link=f"https://{'a.' * 200_000}/")),
    "steps_up_in_link": rss(item(link="../" * 300_000)),
    "letters_in_link": rss(item(link=f"http://{'ü' * 200_000}.example/")),
    "spaces_in_guid": rss(item(guid=" " * 1_000_000 + "x")),
    "digits_in_ttl": rss(item(), channel=f"<ttl>{'9' * 500_000}</ttl>"),
    "parts_of_language": rss(item(), channel=f"<language>{'a-' * 300_000}</language>"),
    "enclosures": rss(item(more="<enclosure url='http://a/' length='1'/>" * N)),
    "warning_before": "Warning: x on line 3\n" + rss(item()),
}


@pytest.mark.parametrize("name", ONE_ENTRY)
def test_a_flood_in_one_place_costs_its_length_only_and_the_article_comes(name: str) -> None:
    assert len(parsed(ONE_ENTRY[name]).articles) == 1


ANY_END = {
    "laughs_in_utf_16": entities(LAUGHS, "&l9;").encode("utf-16"),
    "entity_in_itself": entities('<!ENTITY a "&b;"><!ENTITY b "&a;">', "&a;"),
    "many_entities": entities(
        "".join(f'<!ENTITY e{n} "{"x" * 60}">' for n in range(20_000)), "&e1;" * 20_000
    ),
    "doctype_without_end": "<!DOCTYPE r [" + "<!ENTITY a 'b'>" * 50_000,
    "quotes_in_doctype": "<!DOCTYPE r " + "'" * N + rss(item()),
    "comments_in_doctype": "<!DOCTYPE r [" + "<!--" * N + "]>" + rss(item()),
    "namespaces": rss(item()).replace(
        "<rss ", "<rss " + " ".join(f"xmlns:n{n}='u{n}'" for n in range(50_000)) + " "
    ),
    "ampersands": rss(item("&" * 1_000_000)),
    "reference_of_many_digits": rss(item("&#" + "0" * 1_000_000 + "65;")),
    "long_tag": "<" + "a" * 5_000_000 + ">" + rss(item()),
    "opened_tags": rss("<a>" * 300_000 + item()),
    "closed_tags": rss("</a>" * 300_000 + item()),
    "entries_in_entries": rss("<item>" * 20_000 + "<title>x</title>"),
    "empty_entries": rss("<item/>" * 100_000),
    "bases_in_bases": ATOM + "<a xml:base='b/'>" * 5_000 + "<entry><title>t</title></entry>",
    "zeros_before": "\0" * 2_000_000 + rss(item()),
    "marks_before": "\ufeff" * 1_000_000 + rss(item()),
    "half_a_character": rss(item()).encode("utf-16") + b"x",
    "ebcdic": rss(item()).encode("cp037"),
    "json_of_empty_lists": '{"version":"https://jsonfeed.org/version/1","items":['
    + "[]," * 500_000
    + "[]]}",
    "json_of_keys": '{"items":[{"content_text":"a",'
    + ",".join(f'"{n}":{n}' for n in range(100_000))
    + "}]}",
    "json_with_halves_of_characters": '{"items":[{"content_text":"a\\ud83d","id":1e999}]}',
    "json_in_utf_16": '{"items":[{"content_text":"a"}]}'.encode("utf-16"),
    "attribute_of_megabytes": f"<rss version='{'9' * 3_000_000}'><channel>{item()}</channel></rss>",
    "attributes_of_one_name": rss("<item " + "a='1' " * 50_000 + "><title>t</title></item>"),
    "entries_without_number": "<rss><channel>" + "<item><title>a</title></item>" * 200_000,
    "pages_without_news": "<urlset>" + "<url/>" * 300_000 + "</urlset>",
    "groups_in_groups": rss(item(more="<media:group>" * 50_000)),
    "namespace_for_each_entry": rss(
        "".join(f"<item xmlns:q{n}='urn:{n}'><q{n}:x/></item>" for n in range(10_000))
    ),
    "switches_of_charset": b"<rss><channel><item><title>"
    + b"\x1b$B\x1b(B" * 300_000
    + b"</title></item></channel></rss>",
    "half_characters": b"<?xml version='1.0' encoding='euc-jp'?><rss><channel><item><title>"
    + b"\x8f\xa1" * 1_000_000
    + b"</title></item></channel></rss>",
    "bytes_of_no_charset": b"\x81" * 2_000_000,
    "json_without_end": "[" * 3_000_000,
    "json_in_itself": '{"a":' * 1_000_000,
    "json_of_other_types": '{"version":"https://jsonfeed.org/version/1","items":[{"id":{},'
    '"title":[],"url":[1],"authors":{"a":1},"date_published":{}}],"hubs":"y"}',
    "packed": gzip.compress(rss(item()).encode()),
}


@pytest.mark.parametrize("name", ANY_END)
def test_a_document_made_to_hang_a_parser_ends_soon(name: str) -> None:
    feed = parsed(ANY_END[name])
    assert all("lollol" not in a.title for a in feed.articles)


SECRET = "what no feed may learn"
DOCTYPES = {
    "plain": "<!DOCTYPE r [{}]>",
    "lower_case": "<!doctype r [{}]>",
    "twice": "<!DOCTYPE a><!DOCTYPE r [{}]>",
    "hidden_by_a_character": "<!DOC\0TYPE r [{}]>",
    "after_a_comment_that_seems_to_end_it": "<!DOCTYPE r [<!-- ]> -->{}]>",
    "after_an_instruction_that_seems_to_end_it": "<!DOCTYPE r [<?p ]> ?>{}]>",
    "after_a_text_that_seems_to_end_it": "<!DOCTYPE r [<!ENTITY t ']>'>{}]>",
    "in_a_parameter": '<!DOCTYPE r [<!ENTITY % p "{}">%p;]>',
}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("doctype", DOCTYPES)
def test_no_file_is_read_whatever_a_doctype_says(
    tmp_path: Path, doctype: str, encoding: str
) -> None:
    (tmp_path / "secret").write_text(SECRET)
    address = (tmp_path / "secret").as_uri()
    inside = f"<!ENTITY s SYSTEM '{address}'><!ENTITY v '<b>{SECRET[::-1]}</b>'>"
    before = DOCTYPES[doctype].format(inside)
    title = "A &s; &v; <x:include xmlns:x='http://www.w3.org/2001/XInclude' href='{}'/>"
    feed = parsed(rss(item(title.format(address)), before=before).encode(encoding))
    assert all(SECRET not in a.title and SECRET[::-1] not in a.title for a in feed.articles)


def test_what_is_too_large_for_the_last_resort_is_not_given_to_it() -> None:
    entry = "<rss><channel><item><title>a</title>"
    assert loose.read(entry + "x" * 1_000, 10) is not None
    assert loose.read(entry + "x" * 3_000_000, 10) is None
    assert loose.read(entry + "<b>" * 120_000, 10) is None


NO_FEED = {
    "pdf": b"%PDF-1.7\n" + b"x" * 1_000,
    "archive": b"PK\x03\x04" + bytes(range(256)) * 20,
    "login": "<!doctype html><html><body><form><rss></rss></form></body></html>",
    "robots": "User-agent: *\nDisallow: /",
    "list_of_feeds": "<opml version='2.0'><body><outline xmlUrl='http://a/'/></body></opml>",
    "index_of_sitemaps": "<sitemapindex><sitemap><loc>http://a/</loc></sitemap></sitemapindex>",
    "picture": "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "message": '{"error":"rate limited"}',
    "zeros": b"\0" * 1_000,
    "mark": b"\xef\xbb\xbf",
    "address": CANARY,
    "name_of_a_file": "file:///etc/hostname",
    "dash": "-",
}


@pytest.mark.parametrize("name", NO_FEED)
def test_what_is_no_feed_is_refused(name: str) -> None:
    assert not parsed(NO_FEED[name]).ok


@pytest.mark.parametrize(
    "link",
    [
        *("vbscript:msgbox(1)", "feed:javascript:alert(1)", "&#1;javascript:alert(1)"),
        *("https://user:pw@a.example/", "http://a.example:80:80/", "blob:https://a/", "tel:1"),
        *("\\\\host\\share", "http://a..b:x/", "view-source:http://a/", "smb://a/b"),
    ],
)
def test_a_link_that_is_not_plainly_one_is_dropped_and_the_article_kept(link: str) -> None:
    (article,) = parsed(rss(item(link=link))).articles
    assert article.link is None


@pytest.mark.parametrize(
    "codec",
    [
        *("zlib", "hex", "rot13", "raw_unicode_escape", "utf-7", "hz-gb-2312", "iso-2022-kr"),
        *("cp037", "%s%s", "/dev/zero", "utf-8\0x", "mbcs", "unicode_internal"),
    ],
)
def test_a_charset_that_no_browser_knows_is_never_run(codec: str) -> None:
    hidden = "\\x3cscript\\x3e +ADw-script+AD4- ~{<script>~}"
    feed = parsed(rss(item(hidden), before=f"<?xml version='1.0' encoding='{codec}'?>"))
    assert all("<script" not in a.title for a in feed.articles)


def test_guids_that_differ_in_letter_case_or_form_are_two_articles() -> None:
    two = rss(item(guid="AbC", title="a") + item(guid="aBc", title="b"))
    assert len({a.id for a in parsed(two).articles}) == 2
    forms = rss(item(guid="é", title="a") + item(guid="e\u0301", title="b"))
    assert len({a.id for a in parsed(forms).articles}) == 2


@pytest.mark.parametrize(
    "date",
    [
        *("0000-00-00", "9999-12-31T23:59:59Z", "-1", "1e400", "Infinity", "2026-02-30"),
        *("Thu, 32 Jul 2026 10:00:00 GMT", "+275760-09-13T00:00:00Z", "10000-01-01", "null"),
        *("2026-07-06T10:00:00+99:99", "民國115年7月", "1969-12-31T23:59:59Z"),
    ],
)
def test_an_absurd_date_is_flagged(date: str) -> None:
    (article,) = parsed(rss(item(date=date))).articles
    assert any(f.startswith("date") for f in article.flags)
    assert article.published_at is None or article.published_at.year == 2026
