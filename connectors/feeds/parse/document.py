"""`parse`: the bytes of a feed document in, articles and rejects out.

Works on bytes in memory only: nothing is opened, nothing is requested, whatever the document says.
What it costs is bounded by `limits`; for documents of strangers call it through `ParsePool`.
"""

from __future__ import annotations

import codecs
import re
from datetime import UTC, datetime
from typing import Final

from lxml import etree

from connectors.feeds.parse import (
    decode,
    json_feed,
    limits,
    loose,
    news_sitemap,
    xml_formats,
    xml_tree,
)
from connectors.feeds.parse.entries import Cleaner
from connectors.feeds.parse.links import clean_link
from connectors.feeds.parse.model import DocumentReason, ParsedFeed
from connectors.feeds.parse.names import adopt
from connectors.feeds.parse.raw import RawFeed


def parse(
    data: bytes,
    *,
    content_type: str | None,
    url: str | None,
    now: datetime,
    feed_id: str = "",
    max_entries: int = limits.MAX_ENTRIES,
) -> ParsedFeed:
    """What is in ``data``: entries in the document's order, or why it is no feed.

    Args:
        data: the document, decompressed.
        content_type: the HTTP header's value; only its ``charset`` counts.
        url: where the document came from: relative links are relative to it. Never requested.
        now: what dates "in the future" are measured against.
        feed_id: what the ids of the articles are scoped to.
        max_entries: entries that are read; the rest is counted in ``unread``.

    Raises:
        MemoryError: the document needs more than the process may have.
    """
    if len(data) > limits.MAX_DOCUMENT_BYTES:
        most = limits.MAX_DOCUMENT_BYTES // limits.MIB
        return _refused(DocumentReason.TOO_LARGE, f"larger than {most} MiB")
    decoded = decode.decode(data, content_type)
    if not decoded.text.strip("\0\ufeff \t\r\n"):
        return _refused(DocumentReason.EMPTY, "the document is empty")
    found = _read(decoded.text, max_entries, url)
    if isinstance(found, ParsedFeed):
        return found
    cleaner = Cleaner(feed_id, url, now, decoded.flags)
    hints = cleaner.hints(found)
    return ParsedFeed(
        format=found.format,
        entries=tuple(cleaner.outcomes(found, hints)),
        unread=max(0, found.total - max_entries),
        hints=hints,
    )


def warm_up() -> None:
    """Load all that `parse` may need later, when a worker can open no file any more."""
    decode.warm_up()
    codecs.lookup("idna")
    clean_link("https://例え.example/")
    now = datetime.now(UTC)
    for sample in (_RSS_SAMPLE, _BROKEN_SAMPLE, _JSON_SAMPLE):
        parse(sample, content_type=None, url=None, now=now)


_ENTRY_START = re.compile(r"<(?:[A-Za-z]{1,20}:)?(?:item|entry)[\s>/]", re.IGNORECASE)
_FEED_START = re.compile(r"<(?:[A-Za-z]{1,20}:)?(?:rss|rdf|feed|channel)[\s>]", re.IGNORECASE)


def _read(text: str, max_entries: int, url: str | None) -> RawFeed | ParsedFeed:
    if json_feed.looks_like_json(text):
        found = json_feed.read(text, max_entries)
        return found or _refused(DocumentReason.NOT_A_FEED, "JSON, but no JSON Feed")
    tree = xml_tree.read(text)
    what = "no XML" if tree is None else f"the document is {_kind(tree.root)}"
    if tree is not None:
        adopt(tree.root)
        found = xml_formats.read(
            tree.root, max_entries, url=url, recovered=tree.recovered
        ) or news_sitemap.read(tree.root, max_entries)
        if found and (found.total or not tree.recovered or not _ENTRY_START.search(text)):
            return found
        if not tree.recovered:
            return _refused(DocumentReason.NOT_A_FEED, what)
    if not (_FEED_START.search(text) and _ENTRY_START.search(text)):
        return _refused(DocumentReason.NOT_A_FEED, what)
    found = loose.read(xml_tree.mended(text), max_entries)
    return found or _refused(DocumentReason.UNREADABLE, "broken beyond repair")


def _kind(root: etree._Element) -> str:
    """What a root element says it is, in words; never a text of the document's own."""
    name = str(root.tag).rpartition("}")[2].lower()
    return _KINDS.get(name, "XML of another kind")


_KINDS: Final = {
    "html": "an HTML page",
    "opml": "an OPML list of feeds",
    "urlset": "a sitemap without news",
    "sitemapindex": "an index of sitemaps",
    "rss": "RSS without content",
    "feed": "Atom without content",
    "rdf": "RDF, but no RSS",
}


def _refused(reason: DocumentReason, detail: str) -> ParsedFeed:
    return ParsedFeed(format=None, reason=reason, detail=detail)


_RSS_SAMPLE: Final = b"""<?xml version='1.0'?><rss version='2.0'><channel><title>t</title><item>
<title>a</title><pubDate>Mon, 06 Jul 2020 10:00:00 GMT</pubDate>
<description>&lt;b&gt;x&lt;/b&gt; &amp;nbsp; y</description></item></channel></rss>"""
_BROKEN_SAMPLE: Final = b"""<feed xmlns='http://www.w3.org/2005/Atom'><entry>
<title>\xe9 &nbsp; & b</title></entry>"""
_JSON_SAMPLE: Final = (
    b'{"version":"https://jsonfeed.org/version/1.1","items":[{"id":1,"title":"a"}]}'
)
