"""RSS, RDF, Atom and CDF: from a tree to raw entries."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, Literal
from urllib.parse import urljoin

from lxml import etree

from connectors.feeds.parse.limits import MAX_AUTHORS, MAX_LINK, MAX_MARKUP
from connectors.feeds.parse.model import FeedFormat
from connectors.feeds.parse.names import XML_BASE, XML_LANG, name
from connectors.feeds.parse.raw import Kind, RawEntry, RawFeed, RawHints, RawText

_ENTRY_NAMES: Final = frozenset({"item", "entry"})
_MOST_CHILDREN: Final = 2_000
"""Children of one entry that are looked at: a real one has tens."""


def read(
    root: etree._Element, max_entries: int, *, url: str | None, recovered: bool
) -> RawFeed | None:
    """The feed under ``root``; None when it is none of these formats.

    Args:
        root: the document's element.
        max_entries: raw entries that are read at most; the rest is only counted.
        url: where the document came from: ``xml:base`` may be relative to it.
        recovered: the XML was ill-formed: entries may then sit inside one another.
    """
    format_ = _format(root)
    if format_ is None:
        return None
    found = _entry_elements(root, recovered=recovered)
    elements = list(islice(found, max_entries))
    channel = next((e for e in root if _name(e) == "channel"), root)
    feed = RawFeed(
        format=format_,
        entries=(_entry(e, format_, url) for e in elements),
        total=len(elements) + sum(1 for _ in found),
        hints=_hints(channel, root),
        base=_base_of(channel, url) or _base_of(root, url),
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


def _entry_elements(root: etree._Element, *, recovered: bool) -> Iterator[etree._Element]:
    if recovered:
        yield from (e for e in root.iter() if _name(e) in _ENTRY_NAMES)
        return
    if _name(root) == "entry":
        yield root
        return
    for child in root:
        what = _name(child)
        if what in _ENTRY_NAMES:
            yield child
        elif what in ("channel", "items", "rdf:li"):
            yield from (e for e in child if _name(e) in _ENTRY_NAMES)


def _with_authors_of(entries: Iterable[RawEntry], authors: list[str]) -> Iterator[RawEntry]:
    """An Atom entry without an author has its feed's (RFC 4287, section 4.2.1)."""
    for entry in entries:
        if not entry.authors:
            entry.authors = authors
        yield entry


# --- one entry

_NO_RANK: Final = 100
_EntryField = Literal["title", "summary", "content", "link", "published", "updated"]


class _EntryReader:
    """Reads the elements of one entry: of several for one field, the lowest rank wins."""

    def __init__(self, format_: FeedFormat, url: str | None) -> None:
        self._url = url
        self.entry = RawEntry()
        self._default = Kind.PLAIN if format_ is FeedFormat.ATOM else Kind.MARKUP
        self._last_link_wins = format_ is not FeedFormat.ATOM
        self._ranks: dict[_EntryField, int] = {}

    def read(self, children: Iterable[etree._Element]) -> None:
        for child in islice(children, _MOST_CHILDREN):
            found = _FIELDS.get(_name(child))
            if found is not None:
                reader, rank = found
                reader(self, child, rank)

    def _better(self, field: _EntryField, rank: int) -> bool:
        return rank < self._ranks.get(field, _NO_RANK)

    def title(self, e: etree._Element, rank: int) -> None:
        if self._better("title", rank) and (found := text_of(e, self._default)):
            self.entry.title, self._ranks["title"] = found, rank

    def summary(self, e: etree._Element, rank: int) -> None:
        if self._better("summary", rank) and (found := text_of(e, self._default)):
            self.entry.summary, self._ranks["summary"] = found, rank

    def content(self, e: etree._Element, rank: int) -> None:
        if self._better("content", rank) and (found := text_of(e, self._default)):
            self.entry.content, self._ranks["content"] = found, rank

    def link(self, e: etree._Element, rank: int) -> None:
        href = _attribute(e, "href") or _attribute(e, "rdf:resource")
        if _relation(e) != "alternate":
            return
        link = href or e.text or ""
        kind = (_attribute(e, "type") or "html").lower()
        rank = 2 * rank + ("html" not in kind)
        # Of equals RSS readers take the last; of Atom's several, the first is the main one.
        if link.strip() and self._better("link", rank - self._last_link_wins):
            base = _base_of(e, self._url) if href and XML_BASE in e.attrib else None
            self.entry.link, self._ranks["link"] = _joined(base, link), rank

    def guid(self, e: etree._Element, rank: int) -> None:
        text = (e.text or "").strip()
        if text and (rank == 0 or self.entry.guid is None):
            self.entry.guid = text
            permalink = _attribute(e, "ispermalink") or "true"
            self.entry.guid_is_link = permalink.strip().lower() != "false"

    def published(self, e: etree._Element, rank: int) -> None:
        if self._better("published", rank - 1) and (text := _date_text(e)):
            self.entry.published, self._ranks["published"] = text, rank

    def updated(self, e: etree._Element, rank: int) -> None:
        if self._better("updated", rank - 1) and (text := _date_text(e)):
            self.entry.updated, self._ranks["updated"] = text, rank

    def author(self, e: etree._Element, _: int) -> None:
        if len(self.entry.authors) < MAX_AUTHORS and (author := _author(e)):
            self.entry.authors.append(author)

    def group(self, e: etree._Element, _: int) -> None:
        """Elements of Media RSS may stand in a group, or in the medium that they describe."""
        self.read(child for child in e if _name(child).startswith("media:"))


_FIELDS: Final[dict[str, tuple[Callable[[_EntryReader, etree._Element, int], None], int]]] = {
    "title": (_EntryReader.title, 0),
    "dc:title": (_EntryReader.title, 1),
    "media:title": (_EntryReader.title, 2),
    "itunes:title": (_EntryReader.title, 3),
    "description": (_EntryReader.summary, 0),
    "summary": (_EntryReader.summary, 0),
    "abstract": (_EntryReader.summary, 1),
    "dc:description": (_EntryReader.summary, 2),
    "dcterms:abstract": (_EntryReader.summary, 3),
    "tagline": (_EntryReader.summary, 3),
    "itunes:summary": (_EntryReader.summary, 4),
    "itunes:subtitle": (_EntryReader.summary, 5),
    "media:description": (_EntryReader.summary, 6),
    "content:encoded": (_EntryReader.content, 0),
    "content": (_EntryReader.content, 0),
    "xhtml:body": (_EntryReader.content, 1),
    "body": (_EntryReader.content, 1),
    "fullitem": (_EntryReader.content, 2),
    "xhtml:div": (_EntryReader.content, 2),
    "link": (_EntryReader.link, 0),
    "url": (_EntryReader.link, 4),
    "guid": (_EntryReader.guid, 0),
    "id": (_EntryReader.guid, 1),
    "dc:identifier": (_EntryReader.guid, 2),
    "pubdate": (_EntryReader.published, 0),
    "published": (_EntryReader.published, 0),
    "issued": (_EntryReader.published, 2),
    "dcterms:issued": (_EntryReader.published, 2),
    "dcterms:created": (_EntryReader.published, 4),
    "created": (_EntryReader.published, 4),
    "dc:date": (_EntryReader.published, 6),
    "updated": (_EntryReader.updated, 0),
    "modified": (_EntryReader.updated, 2),
    "dcterms:modified": (_EntryReader.updated, 4),
    "lastbuilddate": (_EntryReader.updated, 6),
    "author": (_EntryReader.author, 0),
    "dc:creator": (_EntryReader.author, 0),
    "dc:author": (_EntryReader.author, 0),
    "itunes:author": (_EntryReader.author, 0),
    "managingeditor": (_EntryReader.author, 0),
    "media:group": (_EntryReader.group, 0),
    "media:content": (_EntryReader.group, 0),
}
"""Name -> what reads it, and its rank. Of dates of one rank the last counts, as in feedparser."""


def _entry(element: etree._Element, format_: FeedFormat, url: str | None) -> RawEntry:
    reader = _EntryReader(format_, url)
    entry = reader.entry
    entry.base = _base_of(element, url)
    if format_ is FeedFormat.RDF:
        entry.guid = _attribute(element, "rdf:about")
        entry.guid_is_link = True
    elif format_ is FeedFormat.CDF:
        entry.link = _attribute(element, "href")
        entry.updated = _attribute(element, "lastmod")
    reader.read(element)
    return entry


def _date_text(e: etree._Element) -> str:
    return "".join(islice(e.itertext(), 5)).strip()


def _author(e: etree._Element) -> str:
    """The name in a person of Atom, else the text."""
    if len(e):
        parts = {_name(child): child.text or "" for child in islice(e, 20)}
        return parts.get("name") or parts.get("email") or (e.text or "")
    return e.text or ""


def text_of(e: etree._Element, default: Kind = Kind.MARKUP) -> RawText | None:
    """What is in ``e``, with how it is to be read; None when there is nothing.

    Rules: Atom 1.0 (RFC 4287, section 3.1), Atom 0.3's ``mode``; RSS says nothing and means HTML.

    Args:
        e: the element.
        default: what a text without a type is.
    """
    kind = (e.get("type") or "").strip().lower()
    if len(e):
        return RawText(_inner_markup(e))
    value = e.text
    if not value or value.isspace():
        return None
    if (e.get("mode") or "").strip().lower() == "base64" or kind.startswith(_BINARY):
        decoded = _base64(value)
        return RawText(decoded) if decoded else None
    if kind in ("text", "text/plain", "plain"):
        return RawText(value, Kind.PLAIN)
    return RawText(value, Kind.MARKUP if kind else default)


_BINARY: Final = ("image/", "audio/", "video/", "application/octet-stream", "application/pdf")


def _base64(value: str) -> str:
    """The text in base64; nothing when it is no text."""
    try:
        return base64.b64decode(value[: 2 * MAX_MARKUP]).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""


def _inner_markup(e: etree._Element) -> str:
    """The markup inside ``e``, as it would stand in HTML, with its own harmless tag."""
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
    match _relation(e):
        case "self":
            hints.self_link = hints.self_link or href
        case "hub":
            hints.hub = hints.hub or href
        case "alternate":
            hints.site = hints.site or href


def _relation(e: etree._Element) -> str:
    """What a link of Atom leads to; its registered name, also when it stands there as an IRI.

    Source: RFC 4287, section 4.2.7.2.
    """
    relation = (_attribute(e, "rel") or "alternate").strip().lower()
    return relation.removeprefix("http://www.iana.org/assignments/relation/")


# --- names and bases

_MOST_ATTRIBUTES: Final = 200
"""Attributes of one element that are looked at: a real one has a few."""


def _name(e: etree._Element) -> str:
    tag = e.tag
    return name(tag) if isinstance(tag, str) else ""


def _attribute(e: etree._Element, wanted: str) -> str | None:
    """The attribute of that name, whatever its case and the spelling of its namespace."""
    value = e.get(wanted)
    if value is not None:
        return str(value)
    # Not `items`: lxml looks each value up by its name, which is quadratic.
    for key in islice(e.keys(), _MOST_ATTRIBUTES):
        if name(key) == wanted:
            return str(e.get(key))
    return None


def _base_of(e: etree._Element, url: str | None) -> str | None:
    """``xml:base`` in force at ``e`` by its own and its parents' attributes, else None.

    The outermost one is relative to the document's ``url``. Source: XML Base, section 4.
    """
    bases: list[str] = []
    at: etree._Element | None = e
    while at is not None and len(bases) < _MOST_BASES:
        base = at.get(XML_BASE)
        # A longer one could only make links that are dropped, and would be joined for each entry.
        if base and len(base) <= MAX_LINK:
            bases.append(base)
        at = at.getparent()
    if not bases:
        return None
    joined = url
    for base in reversed(bases):
        joined = _joined(joined, base.strip())
    return joined


_MOST_BASES: Final = 8


def _joined(base: str | None, link: str) -> str:
    try:
        return urljoin(base, link.strip()) if base and len(link) <= MAX_LINK else link
    except ValueError:
        return link
