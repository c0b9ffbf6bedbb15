"""OPML in and out: the form in which feed readers exchange their lists (opml.org, version 2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
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


def read_opml(data: bytes, name: str) -> FeedList:
    """The feeds of an OPML document; an enclosing outline becomes the group.

    Outlines without a usable address are left out, and so is one that comes twice.

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
    for outline in root.iter("outline"):
        url = outline.get("xmlUrl") or outline.get("xmlurl")
        if url is None:
            continue
        try:
            feed_id = feed_id_of(url.strip())
        except AddressError:
            continue
        feeds.setdefault(
            feed_id,
            Feed(
                feed_id,
                url.strip(),
                publisher=_name(outline.get("title") or outline.get("text")),
                language=_language(outline.get("language")),
                group=_group(outline.getparent()),
            ),
        )
    return FeedList(tuple(feeds.values()))


def write_opml(feeds: Iterable[Feed]) -> bytes:
    """An OPML document of ``feeds``, an outline for each group; UTF-8.

    Credentials in an address are left out: OPML is passed on.
    """
    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = "Straitwatch feeds"
    body = etree.SubElement(root, "body")
    groups: dict[str, etree._Element] = {}
    for feed in feeds:
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


def _group(parent: etree._Element | None) -> str:
    if parent is None or parent.tag != "outline":
        return DEFAULT_GROUP
    text = (parent.get("text") or parent.get("title") or "").lower()
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-")[:64] or DEFAULT_GROUP
