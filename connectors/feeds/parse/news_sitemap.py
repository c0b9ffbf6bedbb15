"""Google's news sitemaps: a sitemap whose pages carry a title and a date."""

from __future__ import annotations

from itertools import islice
from typing import Final

from lxml import etree

from connectors.feeds.parse.model import FeedFormat
from connectors.feeds.parse.names import name
from connectors.feeds.parse.raw import Kind, RawEntry, RawFeed, RawHints, RawText

_PAGE: Final = frozenset({"url", "sitemap:url"})
_MOST: Final = 50_000
"""Elements looked at before a sitemap counts as one without news (sitemaps.org allows 50,000
pages)."""


def read(root: etree._Element, max_entries: int) -> RawFeed | None:
    """The news under ``root``; None when it is no sitemap, or one without news.

    Pages without news in them are no entries.
    """
    if _name(root).rpartition(":")[2] != "urlset":
        return None
    pages = [
        (page, news)
        for page in islice(root, _MOST)
        if _name(page) in _PAGE
        for news in page
        if _name(news) == "news:news"
    ]
    if not pages:
        return None
    hints = RawHints()
    for part in pages[0][1].iter():
        if _name(part) == "news:language":
            hints.language = part.text
        elif _name(part) == "news:name" and part.text:
            hints.title = RawText(part.text, Kind.PLAIN)
    return RawFeed(
        format=FeedFormat.NEWS_SITEMAP,
        entries=(_entry(page, news) for page, news in pages[:max_entries]),
        total=len(pages),
        hints=hints,
    )


def _entry(page: etree._Element, news: etree._Element) -> RawEntry:
    of_page = {_name(e).rpartition(":")[2]: e.text for e in islice(page, 100)}
    of_news = {_name(e): e.text for e in islice(news, 100)}
    title = of_news.get("news:title")
    location = of_page.get("loc")
    return RawEntry(
        guid=location,
        title=None if title is None else RawText(title),
        link=location,
        published=of_news.get("news:publication_date"),
        updated=of_page.get("lastmod"),
    )


def _name(e: etree._Element) -> str:
    return name(e.tag) if isinstance(e.tag, str) else ""
