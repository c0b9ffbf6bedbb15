"""Markup to plain text, and texts that are safe to show: in one pass each, whatever the input.

No markup survives, no character that only works behind the scenes (controls, bidirectional
overrides, tags, noncharacters, surrogates). Text that looks like an attack on another system stays
text: each output escapes it.
"""

from __future__ import annotations

import html
import re
from typing import Final

_LINE_BREAKS = dict.fromkeys([0x0B, 0x0C, 0x0D, 0x2028, 0x2029], "\n")
_WINDOWS = {code: bytes([code]).decode("cp1252", "ignore") or None for code in range(0x80, 0xA0)}
"""A C1 control in a text is a character of windows-1252 that passed as Latin-1 (HTML standard,
13.2.5.80)."""
_INVISIBLE = dict.fromkeys(
    [
        *range(0x09),
        *range(0x0E, 0x20),
        0x7F,
        0x00AD,  # soft hyphen
        0x061C,  # Arabic letter mark, and the other bidirectional controls
        0x200E,
        0x200F,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        0x200B,  # zero-width space, word joiner, byte-order mark: they only break words apart
        *range(0x2060, 0x2065),
        0xFEFF,
        0x034F,  # what else shows nothing: a joiner, fillers of Hangul, old format characters
        *(0x115F, 0x1160, 0x3164, 0xFFA0),
        *(0x17B4, 0x17B5),
        *range(0x180B, 0x1810),
        *range(0x206A, 0x2070),
        *range(0xFFF9, 0xFFFC),
        *range(
            0xE0100, 0xE01F0
        ),  # variants of Han characters: the character itself is what is meant
        *range(0xD800, 0xE000),
        *range(0xFDD0, 0xFDF0),
        *range(0xE0000, 0xE0080),
        *(plane << 16 | low for plane in range(17) for low in (0xFFFE, 0xFFFF)),
    ]
)
_TRANSLATION: Final = {**_INVISIBLE, **_LINE_BREAKS, **_WINDOWS}
_SUSPICIOUS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\u3164\ufdd0-\ufdef\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U0001fffe\U0001ffff\U0002fffe-\U0010ffff]"
)
"""Anything that may be in `_TRANSLATION` (and more above plane 2): most texts have none, and are
not copied."""
_JOINED = re.compile(
    "(?<=[0-9A-Za-z\u00c0-\u024f\u3040-\u30ff\u3400-\u9fff])[\u200c\u200d\ufe00-\ufe0f]++"
)
"""Joiners and variants behind letters that know none: they only keep a word from being found.
Persian, Indian scripts and emoji need theirs."""

_BLOCK_NAMES: Final = (
    "address article aside blockquote br caption center dd details dialog dir div dl dt fieldset "
    "figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr legend li main menu nav ol option "
    "p pre section summary table tbody td tfoot th thead title tr ul"
)
_BLOCKS: Final = frozenset(_BLOCK_NAMES.split())
"""Elements that end a line."""

_SKIPPED_NAMES: Final = "applet embed head math object script style svg template textarea xml"
_SKIPPED: Final = frozenset(_SKIPPED_NAMES.split())
"""Elements whose content is no text of the article."""

_END_TAGS: Final = {
    name: re.compile(rf"</(?:[\w-]{{1,20}}:)?{name}\b", re.IGNORECASE) for name in _SKIPPED
}

_TAG_START = re.compile(r"<(?:(/?)([A-Za-z][A-Za-z0-9:-]{0,30})|[!?])")
_TAG_PART = re.compile(r"[^'\"<>]{0,4000}+([>'\"<])")
_LONGEST_TAG: Final = 4_000
"""Characters; in a longer one quotes mean nothing."""
_WHOLE_TAG = re.compile(
    r"</?([A-Za-z][A-Za-z0-9]{0,30})(?:[^<>'\"]|\"[^<>\"]*+\"|'[^<>']*+'){0,4000}+>"
)
"""A tag as it should be; an attempt never looks beyond the next angle bracket."""
_NEEDS_CARE = re.compile(
    rf"<(?:[!?]|(?:[\w-]{{1,20}}:)?(?:{_SKIPPED_NAMES.replace(' ', '|')})\b)", re.IGNORECASE
)
_LOOKS_LIKE_TAG = re.compile(r"(?<!<)<++(?=[A-Za-z/!?])")
_ENTITY = re.compile(r"&(?:#[0-9]{1,9}(?![0-9])|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?")
_MARKUP = re.compile(
    r"</?[A-Za-z][A-Za-z0-9]{0,15}(?:\s[^<>]{0,2000})?/?>|&[#A-Za-z][A-Za-z0-9]{1,31};"
)


def clean(text: str) -> str:
    """``text`` without characters that only work behind the scenes; one kind of line break."""
    if _SUSPICIOUS.search(text) is None:
        return text
    return _JOINED.sub("", text.replace("\r\n", "\n").translate(_TRANSLATION))


def one_line(text: str, most: int) -> str:
    """``text`` as it may be shown: clean, no tag in it, white space collapsed, cut at ``most``."""
    return _cut(" ".join(_shown(text[: 20 * most]).split()), most)


def lines(text: str, most: int) -> str:
    """``text`` as it may be shown: clean, no tag in it, no empty line, cut at ``most``."""
    rows = (" ".join(row.split()) for row in _shown(text).split("\n"))
    return _cut("\n".join(row for row in rows if row), most)


def _shown(text: str) -> str:
    # In this order: a hidden character in the middle must not keep a tag from being seen as one.
    return without_tag_starts(clean(text))


def is_markup(text: str) -> bool:
    """Whether ``text`` holds a tag or an entity of HTML: not what a reader should see."""
    return ("<" in text or "&" in text) and _MARKUP.search(text) is not None


def from_markup(markup: str, most: int) -> str:
    """The text of a piece of HTML: tags and their attributes out, entities resolved once.

    What looks like a tag after that (doubly escaped markup) is taken out as well, so that no later
    unescaping by mistake can bring markup to life. At most ``most`` characters are read.
    """
    text = markup[:most]
    if "<" in text:
        text = _without_tags(text)
    if "&" in text:
        # Not the whole text at once: `html.unescape` raises on a reference of thousands of digits.
        text = _ENTITY.sub(lambda m: html.unescape(m[0]), text)
        if "<" in text:
            text = _without_tags(text)
    return text


def without_tag_starts(text: str) -> str:
    """``text`` in which no ``<`` can begin a tag any more."""
    return _LOOKS_LIKE_TAG.sub("", text) if "<" in text else text


def _without_tags(text: str) -> str:
    if _NEEDS_CARE.search(text) is None:
        plain, tags = _WHOLE_TAG.subn(_instead, text)
        if tags == text.count("<"):
            # Nearly every text: nothing but tags as they should be.
            return plain
    return _Markup(text).without_tags()


def _instead(tag: re.Match[str]) -> str:
    return "\n" if tag[1].lower() in _BLOCKS else ""


class _Markup:
    """A piece of HTML from which the tags are taken in one pass.

    Every search is bounded, or known to succeed, or made once: ten thousand unclosed tags, quotes
    or comments cost no more than as many closed ones.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._last_end = text.rfind(">")
        self._last_comment_end = text.rfind("-->")
        self._never_closed: set[str] = set()

    def without_tags(self) -> str:
        text = self._text
        out: list[str] = []
        at = 0
        while match := _TAG_START.search(text, at):
            start = match.start()
            out.append(text[at:start])
            if start > self._last_end:
                # No tag can end any more: what is left is a tag that was cut off.
                return "".join(out)
            name = (match[2] or "").lower().rpartition(":")[2]
            if name in _BLOCKS:
                out.append("\n")
            at = self._after_tag(match) if name else self._after_declaration(start)
            if name in _SKIPPED and not match[1] and text[at - 2 : at] != "/>":
                at = self._after_element(at, name)
        out.append(text[at:])
        return "".join(out)

    def _after_tag(self, match: re.Match[str]) -> int:
        """Behind the tag that ``match`` begins.

        A ``>`` in a quoted value ends no tag; a ``<`` outside one breaks the tag off.
        """
        begin = at = match.end()
        while at - begin < _LONGEST_TAG and (found := _TAG_PART.match(self._text, at)):
            at = found.end()
            if found[1] == ">":
                return at
            if found[1] == "<":
                return at - 1
            if not self._text[max(begin, at - 20) : at - 1].rstrip().endswith("="):
                continue  # An apostrophe in a value without quotes.
            closing = self._text.find(found[1], at, at + _LONGEST_TAG)
            if closing < 0:
                break
            at = closing + 1
        return self._first_end(begin)

    def _after_declaration(self, start: int) -> int:
        """Behind a comment, declaration or instruction; a CDATA section is opened up."""
        if self._text.startswith("<!--", start) and start + 4 <= self._last_comment_end:
            return self._text.find("-->", start + 4) + 3
        if self._text.startswith("<![CDATA[", start):
            return start + 9
        return self._first_end(start)

    def _after_element(self, at: int, name: str) -> int:
        """Behind the end tag of a skipped element, or ``at`` when it is never closed."""
        if name not in self._never_closed:
            if end := _END_TAGS[name].search(self._text, at):
                return self._first_end(end.start())
            self._never_closed.add(name)
        return at

    def _first_end(self, at: int) -> int:
        end = self._text.find(">", at)
        return end + 1 if end >= 0 else len(self._text)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most].rstrip()
