"""RSS, RDF, Atom and CDF: from a tree to raw entries."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final
from urllib.parse import urljoin

from lxml import etree

from connectors.feeds.parse.limits import MAX_AUTHORS, MAX_MARKUP
from connectors.feeds.parse.model import FeedFormat
from connectors.feeds.parse.names import XML_BASE, XML_LANG, name
from connectors.feeds.parse.raw import Kind, RawEntry, RawFeed, RawHints, RawText

_ENTRY_NAMES: Final = frozenset({"item", "entry"})
_MOST_CHILDREN: Final = 2_000
"""Children of one entry that are looked at: a real one has tens."""


def read(root: etree._Element, max_entries: int, *, recovered: bool) -> RawFeed | None:
    """The feed under ``root``; None when it is none of these formats.

    Args:
        root: the document's element.
        max_entries: raw entries that are read at most; the rest is only counted.
        recovered: the XML was ill-formed: entries may then sit inside one another.
    """
    format_ = _format(root)
    if format_ is None:
        return None
    elements = _entry_elements(root, recovered=recovered)
    channel = next((e for e in root if _name(e) == "channel"), root)
    feed = RawFeed(
        format=format_,
        entries=(_entry(e, format_) for e in elements[:max_entries]),
        total=len(elements),
        hints=_hints(channel, root),
        base=_base_of(channel) or _base_of(root),
    )
    if format_ is FeedFormat.ATOM and feed.hints.authors:
        feed.entries = _with_authors_of(feed.entries, feed.hints.authors)
    return feed


def _format(root: etree._Element) -> FeedFormat | None:
    match _name(root):
        case "rss":
            return FeedFormat.RSS
        case "rdf:rdf" | "rdf":
            known = {"channel", "item", "image", "textinput"}
            return FeedFormat.RDF if any(_name(e) in known for e in root) else None
        case "feed" | "entry":
            return FeedFormat.ATOM
        case "channel":
            hrefs = any(_attribute(e, "href") for e in islice(root, 100) if _name(e) == "item")
            return FeedFormat.CDF if hrefs or _attribute(root, "href") else FeedFormat.RSS
        case _:
            return None


def _entry_elements(root: etree._Element, *, recovered: bool) -> list[etree._Element]:
    if recovered:
        return [e for e in root.iter() if _name(e) in _ENTRY_NAMES]
    if _name(root) == "entry":
        return [root]
    found: list[etree._Element] = []
    for child in root:
        what = _name(child)
        if what in _ENTRY_NAMES:
            found.append(child)
        elif what in ("channel", "items", "rdf:li"):
            found.extend(e for e in child if _name(e) in _ENTRY_NAMES)
    return found


def _with_authors_of(entries: Iterator[RawEntry], authors: list[str]) -> Iterator[RawEntry]:
    """An Atom entry without an author has its feed's (RFC 4287, section 4.2.1)."""
    for entry in entries:
        if not entry.authors:
            entry.authors = authors
        yield entry


# --- one entry


def _entry(element: etree._Element, format_: FeedFormat) -> RawEntry:
    entry = RawEntry(base=_base_of(element))
    if format_ is FeedFormat.RDF:
        entry.guid = _attribute(element, "rdf:about")
        entry.guid_is_link = True
    elif format_ is FeedFormat.CDF:
        entry.link = _attribute(element, "href")
        entry.updated = _attribute(element, "lastmod")
    ranks = dict.fromkeys(("title", "summary", "content", "link", "published", "updated"), _NO_RANK)
    for child in islice(element, _MOST_CHILDREN):
        found = _FIELDS.get(_name(child))
        if found is not None:
            found[0](entry, child, found[1], ranks)
    return entry


_NO_RANK: Final = 100
_Reader = Callable[[RawEntry, etree._Element, int, dict[str, int]], None]


def _read_title(entry: RawEntry, e: etree._Element, rank: int, ranks: dict[str, int]) -> None:
    if rank < ranks["title"] and (text := text_of(e)):
        entry.title, ranks["title"] = text, rank


def _read_summary(entry: RawEntry, e: etree._Element, rank: int, ranks: dict[str, int]) -> None:
    if rank < ranks["summary"] and (text := text_of(e)):
        entry.summary, ranks["summary"] = text, rank


def _read_content(entry: RawEntry, e: etree._Element, rank: int, ranks: dict[str, int]) -> None:
    if rank < ranks["content"] and (text := text_of(e)):
        entry.content, ranks["content"] = text, rank


def _read_link(entry: RawEntry, e: etree._Element, rank: int, ranks: dict[str, int]) -> None:
    href = _attribute(e, "href") or _attribute(e, "rdf:resource")
    if href is not None:
        relation = (_attribute(e, "rel") or "alternate").strip().lower()
        if relation != "alternate":
            return
        kind = (_attribute(e, "type") or "text/html").lower()
        rank += 0 if "html" in kind else 2
        link = urljoin(base, href) if (base := _base_of(e)) else href
    else:
        link = e.text or ""
    if rank < ranks["link"] and link.strip():
        entry.link, ranks["link"] = link, rank


def _read_guid(entry: RawEntry, e: etree._Element, rank: int, _: dict[str, int]) -> None:
    text = (e.text or "").strip()
    if text and (rank == 0 or entry.guid is None):
        entry.guid = text
        if _name(e) == "guid":
            entry.guid_is_link = (_attribute(e, "ispermalink") or "true").lower() != "false"


def _read_published(entry: RawEntry, e: etree._Element, rank: int, ranks: dict[str, int]) -> None:
    if rank < ranks["published"] and (text := _date_text(e)):
        entry.published, ranks["published"] = text, rank


def _read_updated(entry: RawEntry, e: etree._Element, rank: int, ranks: dict[str, int]) -> None:
    if rank < ranks["updated"] and (text := _date_text(e)):
        entry.updated, ranks["updated"] = text, rank


def _read_author(entry: RawEntry, e: etree._Element, _: int, __: dict[str, int]) -> None:
    if len(entry.authors) < MAX_AUTHORS and (author := _author(e)):
        entry.authors.append(author)


_FIELDS: Final[dict[str, tuple[_Reader, int]]] = {
    "title": (_read_title, 0),
    "dc:title": (_read_title, 1),
    "media:title": (_read_title, 2),
    "itunes:title": (_read_title, 3),
    "description": (_read_summary, 0),
    "summary": (_read_summary, 0),
    "abstract": (_read_summary, 1),
    "dc:description": (_read_summary, 2),
    "dcterms:abstract": (_read_summary, 3),
    "tagline": (_read_summary, 3),
    "itunes:summary": (_read_summary, 4),
    "itunes:subtitle": (_read_summary, 5),
    "media:description": (_read_summary, 6),
    "content:encoded": (_read_content, 0),
    "content": (_read_content, 0),
    "xhtml:body": (_read_content, 1),
    "body": (_read_content, 1),
    "fullitem": (_read_content, 2),
    "xhtml:div": (_read_content, 2),
    "link": (_read_link, 0),
    "url": (_read_link, 4),
    "guid": (_read_guid, 0),
    "id": (_read_guid, 1),
    "dc:identifier": (_read_guid, 2),
    "pubdate": (_read_published, 0),
    "published": (_read_published, 0),
    "issued": (_read_published, 1),
    "dcterms:issued": (_read_published, 1),
    "dcterms:created": (_read_published, 2),
    "created": (_read_published, 2),
    "dc:date": (_read_published, 3),
    "updated": (_read_updated, 0),
    "modified": (_read_updated, 1),
    "dcterms:modified": (_read_updated, 2),
    "lastbuilddate": (_read_updated, 3),
    "author": (_read_author, 0),
    "dc:creator": (_read_author, 0),
    "dc:author": (_read_author, 0),
    "itunes:author": (_read_author, 0),
    "managingeditor": (_read_author, 0),
}
"""Name -> what reads it, and its rank among the names of one field: the lowest that says something wins."""


def _date_text(e: etree._Element) -> str:
    return "".join(islice(e.itertext(), 5)).strip()


def _author(e: etree._Element) -> str:
    """The name in a person of Atom, else the text."""
    if len(e):
        parts = {_name(child): child.text or "" for child in islice(e, 20)}
        return parts.get("name") or parts.get("email") or (e.text or "")
    return e.text or ""


def text_of(e: etree._Element) -> RawText | None:
    """What is in ``e``, with how it is to be read; None when there is nothing.

    Rules: Atom 1.0 (RFC 4287, section 3.1), Atom 0.3's ``mode``; RSS says nothing and means HTML.
    """
    kind = (e.get("type") or "").strip().lower()
    mode = (e.get("mode") or "").strip().lower()
    if len(e):
        return RawText(_inner_markup(e))
    value = e.text
    if not value or value.isspace():
        return None
    if mode == "base64" or (kind and "/" in kind and not _is_text(kind)):
        decoded = _base64(value)
        return RawText(decoded) if decoded and _is_text(kind or "text/html") else None
    if kind in ("text", "text/plain") or (not kind and "}feed" in (_parent_tag(e))):
        return RawText(value, Kind.PLAIN)
    return RawText(value)


def _parent_tag(e: etree._Element) -> str:
    entry = e.getparent()
    feed = None if entry is None else entry.getparent()
    return "" if feed is None else str(feed.tag)


def _is_text(kind: str) -> bool:
    return kind.startswith("text/") or kind.endswith(("xml", "html"))


def _base64(value: str) -> str:
    try:
        return base64.b64decode(value[: 2 * MAX_MARKUP], validate=False).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _inner_markup(e: etree._Element) -> str:
    """The markup inside ``e``, as it would stand in HTML; the element's own tag is of no consequence."""
    markup = etree.tostring(e, encoding="unicode", with_tail=False)
    return str(markup[:MAX_MARKUP])


# --- the document itself


def _hints(channel: etree._Element, root: etree._Element) -> RawHints:
    hints = RawHints(language=_attribute(root, XML_LANG) or _attribute(channel, XML_LANG))
    for element in (channel,) if channel is root else (channel, root):
        for child in islice(element, _MOST_CHILDREN):
            what = _name(child)
            if what in _ENTRY_NAMES:
                continue
            if what == "link":
                _link_hint(hints, child)
            elif what == "title":
                hints.title = hints.title or text_of(child)
            elif what == "author" and element is root:
                hints.authors.append(_author(child))
            elif what in _HINTS:
                field = _HINTS[what]
                setattr(hints, field, getattr(hints, field) or child.text)
    return hints


_HINTS: Final = {
    "language": "language",
    "dc:language": "language",
    "ttl": "ttl",
    "sy:updateperiod": "update_period",
    "sy:updatefrequency": "update_frequency",
}


def _link_hint(hints: RawHints, e: etree._Element) -> None:
    href = _attribute(e, "href")
    if href is None:
        hints.site = hints.site or e.text
        return
    match (_attribute(e, "rel") or "alternate").strip().lower():
        case "self":
            hints.self_link = hints.self_link or href
        case "hub":
            hints.hub = hints.hub or href
        case "alternate":
            hints.site = hints.site or href


# --- names and bases


def _name(e: etree._Element) -> str:
    tag = e.tag
    return name(tag) if isinstance(tag, str) else ""


def _attribute(e: etree._Element, wanted: str) -> str | None:
    """The attribute of that name, whatever its case and the spelling of its namespace."""
    value = e.get(wanted)
    if value is not None:
        return str(value)
    for key, found in e.attrib.items():
        if name(key) == wanted:
            return str(found)
    return None


def _base_of(e: etree._Element) -> str | None:
    """``xml:base`` in force at ``e`` as far as its own and its parents' attributes say (XML Base, section 4)."""
    bases: list[str] = []
    at: etree._Element | None = e
    while at is not None and len(bases) < _MOST_BASES:
        if base := at.get(XML_BASE):
            bases.append(base)
        at = at.getparent()
    joined = ""
    for base in reversed(bases):
        try:
            joined = urljoin(joined, base.strip()) if joined else base.strip()
        except ValueError:
            return None
    return joined or None


_MOST_BASES: Final = 8
