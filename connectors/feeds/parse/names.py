"""Element names of feeds in one spelling: ``title``, ``dc:creator``, ``content:encoded``.

Feeds write namespaces with and without a slash, with https, in old and new addresses and in made-up
ones, or forget to declare them. RSS, RDF, Atom and no namespace are one: feeds mix them, and no
name means different things in two of them.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import Final

from lxml import etree

_NAMESPACES: Final[dict[str, str]] = {
    "": "",
    "http://purl.org/rss/1.0": "",
    "http://purl.org/net/rss1.1": "",
    "http://my.netscape.com/rdf/simple/0.9": "",
    "http://channel.netscape.com/rdf/simple/0.9": "",
    "http://my.netscape.com/publish/formats/rss-0.91.dtd": "",
    "http://backend.userland.com/rss": "",
    "http://backend.userland.com/rss2": "",
    "http://backend.userland.com/rss091": "",
    "http://backend.userland.com/rss092": "",
    "http://blogs.law.harvard.edu/tech/rss": "",
    "http://cyber.law.harvard.edu/rss": "",
    "http://www.rssboard.org/rss-specification": "",
    "http://www.w3.org/2005/atom": "",
    "http://purl.org/atom/ns": "",
    "http://example.com/newformat": "",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns": "rdf",
    "http://purl.org/dc/elements/1.1": "dc",
    "http://purl.org/dc/elements/1.0": "dc",
    "http://purl.org/dc/terms": "dcterms",
    "http://purl.org/rss/1.0/modules/content": "content",
    "http://purl.org/rss/1.0/modules/syndication": "sy",
    "http://www.itunes.com/dtds/podcast-1.0.dtd": "itunes",
    "http://search.yahoo.com/mrss": "media",
    "http://www.w3.org/1999/xhtml": "xhtml",
    "http://www.google.com/schemas/sitemap-news/0.9": "news",
    "http://www.sitemaps.org/schemas/sitemap/0.9": "sitemap",
    "http://www.google.com/schemas/sitemap/0.84": "sitemap",
    "http://rssnamespace.org/feedburner/ext/1.0": "feedburner",
    "http://www.w3.org/xml/1998/namespace": "xml",
}

_PREFIXES: Final = frozenset(_NAMESPACES.values()) - {""}
_UNKNOWN: Final = "?"

XML_BASE: Final = "{http://www.w3.org/XML/1998/namespace}base"
XML_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"


@lru_cache(maxsize=4096)
def name(tag: str) -> str:
    """The one spelling of an element's or attribute's name as lxml gives it.

    Unknown namespaces become ``?``, so that no foreign ``title`` passes for the entry's.
    """
    if tag.startswith("{"):
        namespace, _, local = tag[1:].partition("}")
        address = namespace.strip().rstrip("/#").lower()
        if address.startswith("https:"):
            address = "http:" + address.removeprefix("https:")
        prefix = _NAMESPACES.get(address, _UNKNOWN)
    else:
        # A prefix that nobody declared stays in the name when a document was recovered.
        stated, _, local = tag.rpartition(":")
        prefix = stated.lower()
        if prefix == "atom":
            prefix = ""
        elif prefix and prefix not in _PREFIXES:
            prefix = _UNKNOWN
    return f"{prefix}:{local.lower()}" if prefix else local.lower()


_ROOTS: Final = frozenset(f"{_UNKNOWN}:{local}" for local in ("rss", "rdf", "feed", "urlset"))


def adopt(root: etree._Element) -> None:
    """Take a made-up namespace of a feed's root for the format's own, in the whole document."""
    if isinstance(root.tag, str) and root.tag.startswith("{") and name(root.tag) in _ROOTS:
        namespace = root.tag.partition("}")[0]
        for element in root.iter(f"{namespace}}}*"):
            with suppress(ValueError):  # what recovery took for a name: ":"
                element.tag = etree.QName(element).localname
