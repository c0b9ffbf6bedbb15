"""Whatever bytes come: an outcome, and every article in it as the contract says."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.feeds.parse import document, limits, wire
from connectors.feeds.parse.model import ParsedEntry, ParsedFeed
from deploy.cli.feed_lines import document_line, entry_lines

NOW = datetime(2026, 7, 10, tzinfo=UTC)
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
TAG = re.compile("<[A-Za-z/!?]")

MARKUP = """
<rss> <rss\tversion='2.0'> <channel> <item> </item> </channel> </rss> <title> </title>
<link> </link> <guid> </guid> <pubDate> </pubDate> <description> </description>
<feed\txmlns='http://www.w3.org/2005/Atom'> <entry> </entry> </feed> <![CDATA[ ]]> <!-- -->
<!DOCTYPE [ ]> <!ENTITY & &amp; &lt; &#0; &#xD83D; &nbsp; &bogus; <?xml ?> encoding='Shift_JIS'
<script> </script> <b\tonerror='x'> http://a.example/ javascript: 2026-07-06 NaN 東京 é
{ } [ ] , : "items" "title" "version" " ' < >
"""
HIDDEN = ("\u202e", "\U000e0041", "\ufffe", "\u200b", "\x00", "\x92")
PIECES = st.sampled_from([*(p.replace("\t", " ") for p in re.split("[ \n]+", MARKUP)), *HIDDEN])
BYTES = st.one_of(
    st.binary(max_size=400),
    st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=60).map(
        lambda parts: " ".join(parts).encode("utf-8", "surrogatepass")
    ),
    st.lists(st.one_of(PIECES.map(str.encode), st.binary(max_size=6)), max_size=60).map(b"".join),
)


def check(feed: ParsedFeed) -> None:
    """Fail when ``feed`` breaks a promise of the command-line contract."""
    assert feed.ok == (feed.format is not None)
    assert feed.ok or (not feed.entries and feed.detail)
    assert len(feed.entries) <= limits.MAX_ENTRIES
    ids = [e.id for e in feed.articles]
    assert len(ids) == len(set(ids))
    for article in feed.articles:
        check_article(article)
    lines = [*entry_lines("f", feed), document_line("f", feed)]
    json.dumps(lines, ensure_ascii=False).encode()
    assert wire.load(wire.dump(feed)) == feed


def check_article(a: ParsedEntry) -> None:
    assert 0 < len(a.id) <= 256
    assert 0 < len(a.title) <= limits.MAX_TITLE
    assert len(a.summary) <= limits.MAX_SUMMARY
    assert "\n" not in a.title
    assert a.title == " ".join(a.title.split())
    for shown in (a.title, a.summary, *a.authors):
        assert not FORBIDDEN.search(shown)
        assert not TAG.search(shown)
    assert a.guid is None or (a.guid == a.guid.strip() != "" and len(a.guid) <= limits.MAX_GUID)
    assert all(f.startswith(("encoding", "date")) for f in a.flags)
    if a.link is not None:
        parts = urlsplit(a.link)
        assert parts.scheme in ("http", "https")
        assert parts.hostname
        assert parts.netloc.isascii()
        assert "@" not in parts.netloc
        assert len(a.link) <= limits.MAX_LINK
        assert not re.search(r"[\s\\\x00-\x1f\x7f-\x9f]", a.link)
    for date in (a.published_at, a.updated_at):
        if date is not None:
            assert date.tzinfo is not None
            assert datetime(1989, 12, 30, tzinfo=UTC) < date < NOW + timedelta(minutes=11)
    assert a.published_at or any(f.startswith("date") for f in a.flags)


@settings(max_examples=400, deadline=None)
@given(BYTES, st.sampled_from([None, "text/xml; charset=big5", "x; charset=utf-16"]))
def test_any_bytes_end_in_an_outcome_that_keeps_the_contract(
    data: bytes, content_type: str | None
) -> None:
    check(
        document.parse(
            data, content_type=content_type, url="https://a.example/f", feed_id="f", now=NOW
        )
    )


TEXTS = st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6, unique_by=lambda t: t[0]))
def test_entries_come_in_the_order_of_the_document_one_for_one(
    pairs: list[tuple[str, str]],
) -> None:
    def escaped(text: str) -> str:
        return re.sub(r"[^\w ]", lambda m: f"&#{ord(m[0])};", text)

    items = "".join(
        f"<item><guid isPermaLink='false'>g{n}</guid><title>t{n} {escaped(title)}</title></item>"
        for n, (title, _) in enumerate(pairs)
    )
    feed = document.parse(
        f"<rss><channel>{items}</channel></rss>".encode(), content_type=None, url=None, now=NOW
    )
    assert [e.guid for e in feed.articles] == [f"g{n}" for n in range(len(pairs))]
    assert all(e.title.startswith(f"t{n}") for n, e in enumerate(feed.articles))
