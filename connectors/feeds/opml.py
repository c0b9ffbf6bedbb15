"""OPML in and out: the form in which feed readers exchange their lists (opml.org, version 2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lxml import etree

from connectors.feeds.errors import AddressError, FeedListError
from connectors.feeds.feed_list import DEFAULT_GROUP, Feed, FeedList
from connectors.feeds.http.address import feed_id_of, parse_address

MAX_BYTES: Final = 16 * 1024 * 1024
_PARSER: Final = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}


@dataclass(frozen=True, slots=True)
class Opml:
    """What an OPML document holds."""

    feeds: FeedList
    nameless: frozenset[str]
    """Ids of feeds whose folder has a name without a Latin letter or digit, of which no group can
    be made: they are in the default group."""
    unusable: int = 0
    """Outlines whose address is none that can be fetched."""


def read_opml(data: bytes, name: str) -> Opml:
    """The feeds of an OPML document; an enclosing outline becomes the group.

    Outlines without a usable address are left out and counted; one that comes twice is one.

    Raises:
        FeedListError: it is no OPML; ``name`` is the file's, for the message.
    """
    if len(data) > MAX_BYTES:
        raise FeedListError((f"{name}:1: larger than {MAX_BYTES} bytes",))
    if b"<!DOCTYPE" in data[:4096].upper():
        raise FeedListError((f"{name}:1: a document type is not taken; remove the DOCTYPE line",))
    try:
        root = etree.fromstring(data, etree.XMLParser(**_PARSER))
    except etree.XMLSyntaxError as e:
        raise FeedListError((f"{name}:{e.lineno or 1}: no XML: {e.msg}",)) from e
    if etree.QName(root).localname.lower() != "opml":
        raise FeedListError((f"{name}:{root.sourceline or 1}: no OPML document",))
    feeds: dict[str, Feed] = {}
    nameless = set()
    unusable = 0
    for outline in root.iter("outline"):
        url = outline.get("xmlUrl") or outline.get("xmlurl")
        if url is None:
            continue
        try:
            feed_id = feed_id_of(url.strip())
        except AddressError:
            unusable += 1
            continue
        if feed_id in feeds:
            continue
        folder = _folder(outline.getparent())
        group = _group(folder)
        if folder and not group:
            nameless.add(feed_id)
        feeds[feed_id] = Feed(
            feed_id,
            url.strip(),
            publisher=_name(outline.get("title") or outline.get("text")),
            language=_language(outline.get("language")),
            group=group or DEFAULT_GROUP,
        )
    return Opml(FeedList(tuple(feeds.values())), frozenset(nameless), unusable)


def write_opml(feeds: Iterable[Feed]) -> bytes:
    """An OPML document of ``feeds``, an outline for each group; UTF-8.

    Feeds that are off are left out: a reader would subscribe to them.
    Credentials in an address are left out: OPML is passed on.
    """
    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = "Straitwatch feeds"
    body = etree.SubElement(root, "body")
    groups: dict[str, etree._Element] = {}
    for feed in feeds:
        if not feed.enabled:
            continue
        group = groups.get(feed.group)
        if group is None:
            group = etree.SubElement(body, "outline", text=feed.group, title=feed.group)
            groups[feed.group] = group
        url = parse_address(feed.url).url
        name = feed.publisher or url
        outline = etree.SubElement(group, "outline", type="rss", text=name, title=name, xmlUrl=url)
        if feed.language:
            outline.set("language", feed.language)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def _name(text: str | None) -> str | None:
    clean = " ".join("".join(c if c.isprintable() else " " for c in text or "").split())
    return clean[:200] or None


def _language(text: str | None) -> str | None:
    found = re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", (text or "").strip())
    return found.group() if found else None


def _folder(parent: etree._Element | None) -> str:
    if parent is None or parent.tag != "outline":
        return ""
    return (parent.get("text") or parent.get("title") or "").strip()


def _group(folder: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")[:64]
