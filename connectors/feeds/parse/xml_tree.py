"""XML to a tree, without ever reading a DOCTYPE and with everything that can be mended mended.

Strictly first; then with entities, stray ampersands and forbidden characters put right; then as
much as libxml2's recovery finds. No step resolves an entity beyond what this module put in itself.
"""

from __future__ import annotations

import html
import html.entities
import re
from dataclasses import dataclass
from itertools import islice
from typing import Final

from lxml import etree


@dataclass(frozen=True, slots=True)
class Tree:
    """A document's root, and whether it had to be recovered from ill-formed XML."""

    root: etree._Element
    recovered: bool


def read(text: str) -> Tree | None:
    """The tree of ``text``; None when there is no element in it.

    Raises:
        MemoryError: it does not fit.
    """
    body, entities = _without_prolog(text)
    if not body:
        return None
    if not entities and (root := _tree(body.encode(), _STRICT)) is not None:
        return Tree(root, recovered=False)
    data = mended(text).encode()
    if (root := _tree(data, _STRICT)) is not None:
        return Tree(root, recovered=False)
    root = _tree(data, _RECOVERING)
    return None if root is None else Tree(root, recovered=True)


def mended(text: str) -> str:
    """``text`` from its root on, with references and characters put right, for another parser."""
    # The prolog after the characters: one that goes must not have hidden a DOCTYPE.
    return _mend_all_references(*_without_prolog(_FORBIDDEN.sub("", text)))


def _tree(data: bytes, parser: etree.XMLParser) -> etree._Element | None:
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as e:
        if e.code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from e
        return None


def _parser(*, recover: bool) -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8",
        recover=recover,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )


_STRICT: Final = _parser(recover=False)
_RECOVERING: Final = _parser(recover=True)

# --- what stands before the root

_SPACE: Final = " \t\r\n\ufeff\0"
_SPACES = re.compile("[ \t\r\n\ufeff\0]*+")
_GARBAGE: Final = 20_000
"""Characters before the document that are passed over: warnings of a server's language, blank
lines."""
_START = re.compile(
    r"<\?xml\s|<(?:[A-Za-z]{1,20}:)?(?:rss|rdf|feed|channel|urlset|entry)[\s>]", re.IGNORECASE
)
_MOST_ENTITIES: Final = 100
_MOST_REFERENCES: Final = 20_000
"""Of a document that declares entities: with more it could grow to a multiple of its size."""
_ENTITY_DECLARATION = re.compile(
    r"""<!ENTITY\s{1,20}([A-Za-z][\w.-]{0,40})\s{1,20}"""
    r"""(?:"((?:[^"<&%]|&#\w{1,7};){0,64})"|'((?:[^'<&%]|&#\w{1,7};){0,64})')\s{0,20}>"""
)
"""Only plain short texts: nothing that names a file, an address or another entity."""


def _without_prolog(text: str) -> tuple[str, dict[str, str]]:
    """``text`` from its root element on, and the plain entities that its DOCTYPE declares."""
    at = 0
    entities: dict[str, str] = {}
    if not text.lstrip(_SPACE).startswith("<") and (start := _START.search(text, 0, _GARBAGE)):
        at = start.start()
    while True:
        if space := _SPACES.match(text, at):
            at = space.end()
        if text.startswith("<?", at):
            end = text.find("?>", at)
            # A declaration that forgot its question mark.
            end, length = (end, 2) if end >= 0 else (text.find(">", at), 1)
        elif text.startswith("<!--", at):
            end, length = text.find("-->", at + 4), 3
        elif text[at : at + 9].upper() == "<!DOCTYPE":
            end, length = _end_of_doctype(text, at), 1
            entities |= _plain_entities(text[at : max(end, at)])
        else:
            return text[at:], entities
        if end < 0:
            return "", entities
        at = end + length


_DOCTYPE_PART = re.compile(r"""[\[\]>"']|<!--""")


def _end_of_doctype(text: str, at: int) -> int:
    """Where the ``>`` that ends the DOCTYPE at ``at`` stands; -1 when nothing ends it."""
    inside = False
    while part := _DOCTYPE_PART.search(text, at):
        at = part.end()
        what = part[0]
        if what == "<!--":
            at = text.find("-->", at) + 3
            if at < 3:
                return -1
        elif what in "\"'":
            at = text.find(what, at) + 1
            if at < 1:
                return -1
        elif what == "[":
            inside = True
        elif what == "]":
            inside = False
        elif not inside:
            return at - 1
    return -1


def _plain_entities(doctype: str) -> dict[str, str]:
    found = _ENTITY_DECLARATION.finditer(doctype[:200_000])
    return {m[1]: html.unescape(m[2] or m[3] or "") for m in islice(found, _MOST_ENTITIES)}


# --- mending

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""No characters of XML 1.0 (section 2.2)."""
_REFERENCE = re.compile(
    r"&(?:#([0-9]{1,9})|#[xX]([0-9A-Fa-f]{1,8})|([A-Za-z][\w.-]{0,40}));|&", re.ASCII
)
_SURROGATES = re.compile(
    r"&#(?:x(d[89ab][0-9a-f]{2});&#x(d[c-f][0-9a-f]{2})|(5[5-7][0-9]{3});&#(5[6-7][0-9]{3}));",
    re.IGNORECASE,
)
_XML_ENTITIES: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})


def _mend_all_references(text: str, entities: dict[str, str]) -> str:
    """``text`` with every reference outside CDATA sections one of XML's own."""
    if entities and text.count("&") > _MOST_REFERENCES:
        entities = {}
    out: list[str] = []
    at = 0
    while (start := text.find("<![CDATA[", at)) >= 0:
        end = text.find("]]>", start)
        if end < 0:
            break
        out.append(_mend_references(text[at:start], entities))
        out.append(text[start : end + 3])
        at = end + 3
    out.append(_mend_references(text[at:], entities))
    return "".join(out)


def _mend_references(text: str, entities: dict[str, str]) -> str:
    if "&" not in text:
        return text

    def replacement(match: re.Match[str]) -> str:
        decimal, hexadecimal, name = match.groups()
        if decimal or hexadecimal:
            code = int(decimal) if decimal else int(hexadecimal, 16)
            return f"&#{code};" if _is_character(code) else "\ufffd"
        if name is None:
            return "&amp;"
        if name in _XML_ENTITIES:
            return match[0]
        value = entities.get(name) or html.entities.html5.get(f"{name};")
        return f"&amp;{name};" if value is None else _escaped(value)

    return _REFERENCE.sub(replacement, _SURROGATES.sub(_joined, text))


def _joined(match: re.Match[str]) -> str:
    high, low = (
        (int(match[1], 16), int(match[2], 16)) if match[1] else (int(match[3]), int(match[4]))
    )
    if 0xD800 <= high < 0xDC00 <= low < 0xE000:
        return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    return "\ufffd"


def _is_character(code: int) -> bool:
    return (
        code in (9, 10, 13)
        or 0x20 <= code < 0xD800
        or 0xE000 <= code < 0xFFFE
        or 0x10000 <= code < 0x110000
    )


def _escaped(value: str) -> str:
    """Twice: an entity of HTML in a field of HTML must not turn into markup."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
