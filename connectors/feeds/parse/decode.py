"""Bytes to text: by byte-order mark, by being UTF-8, by what is declared, then by what reads best.

Labels are the WHATWG's (https://encoding.spec.whatwg.org/#names-and-labels): a name that is none of
them (``utf-7``, ``punycode``, ``unicode_escape``, a path) is as good as absent, so no odd codec is
ever run.

The order is not the standard's in one point: bytes that are valid UTF-8 with characters beyond
ASCII are UTF-8, whatever header or declaration say. Text of another charset passes for UTF-8 by
accident only when it is a few letters long, while wrong declarations are common.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import webencodings

from connectors.feeds.parse.readability import readability

GUESSED: Final = "encoding_guessed"
"""Nothing declared the charset rightly: it was found from the bytes."""
REPAIRED: Final = "encoding_repaired"
"""Bytes that are no text in the charset became U+FFFD, or the text itself is damaged or was, or
does not read like one."""

_PYTHON_CODECS: Final = {
    "utf-8": ("utf-8",),
    # Python's codecs of the plain names lack the vendors' characters that the web's have.
    "shift_jis": ("cp932",),
    "euc-jp": ("euc_jp", "euc_jis_2004"),
    "gbk": ("gb18030",),
    "gb18030": ("gb18030",),
    "big5": ("big5hkscs", "cp950"),
    "euc-kr": ("cp949",),
    "iso-2022-jp": ("iso2022_jp", "iso2022_jp_ext"),
}
"""WHATWG name -> codecs to try in turn; every other name is its own codec in `webencodings`."""

_NO_MULTIBYTE: Final = frozenset({"x-user-defined", "replacement"})

_ALTERNATIVES: Final = (
    "shift_jis",
    "euc-jp",
    "gb18030",
    "big5",
    "euc-kr",
    "windows-1251",
    "koi8-r",
    "windows-1252",
)
"""What is tried when the declared charset does not read like text."""

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    # The same without a mark, by the first character of a document: "<".
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)

_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s{0,20}=\s{0,20}["']([^"'>]{1,60})["']""")
_HEADER = re.compile(r"""charset\s{0,20}=\s{0,20}["']?([^"';,\s]{1,60})""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of a document, and what had to be done for it."""

    text: str
    flags: tuple[str, ...] = ()


def decode(data: bytes, content_type: str | None) -> Decoded:
    """The text of ``data``, without a byte-order mark.

    Args:
        data: the document.
        content_type: the value of the HTTP header, for its ``charset``.
    """
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return _by_mark(data, codec)
    declared = tuple(_declared(data, content_type))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _not_utf8(data, declared)
    # An escape is no character of XML or JSON: it can only switch between sets of characters.
    if "\x1b$" in text and (japanese := _first(data, ("iso-2022-jp",))):
        return japanese if "iso-2022-jp" in declared else Decoded(japanese.text, (GUESSED,))
    # Korean and Chinese between SO and SI: no web charset, so it is only seen, not read.
    if "\x1b$)" in text:
        text = text.replace("\x0e", "\ufffd")
    if text.isascii() or not declared or "utf-8" in declared:
        return Decoded(text)
    return Decoded(text, (GUESSED,))


def warm_up() -> None:
    """Load every codec that `decode` may use: a worker can open no file later."""
    for label in webencodings.LABELS:
        for codec in _codecs(webencodings.LABELS[label]):
            codecs.lookup(codec)
    for _, codec in _MARKS:
        codecs.lookup(codec)


def _by_mark(data: bytes, codec: str) -> Decoded:
    try:
        text, flags = data.decode(codec), ()
    except UnicodeDecodeError:
        return Decoded(data.decode(codec, "replace").lstrip("\ufeff"), (REPAIRED,))
    return Decoded(text.lstrip("\ufeff"), flags)


def _declared(data: bytes, content_type: str | None) -> Iterator[str]:
    """WHATWG names that header and declaration give, in that order."""
    labels: list[str] = []
    if match := _HEADER.search((content_type or "")[:500]):
        labels.append(match[1])
    if declaration := _DECLARED.search(data[:1_000]):
        labels.append(declaration[1].decode("ascii", "replace"))
    for label in labels:
        encoding = webencodings.lookup(label)
        if encoding is None or encoding.name in _NO_MULTIBYTE:
            continue
        # A name that is readable as ASCII is not one of a two-byte charset (HTML standard,
        # prescan).
        yield "utf-8" if encoding.name.startswith("utf-16") else encoding.name


def _not_utf8(data: bytes, declared: tuple[str, ...]) -> Decoded:
    mended = _mended(data, "utf-8")
    if mended is not None:
        return mended
    named = tuple(name for name in declared if name != "utf-8")
    stated = _first(data, named) or next(filter(None, (_mended(data, n) for n in named)), None)
    others = (_first(data, (name,)) for name in _ALTERNATIVES if name not in named)
    guesses = [Decoded(g.text, (GUESSED,)) for g in others if g]
    if not guesses:
        return stated or Decoded(data.decode("utf-8", "replace"), (REPAIRED,))
    best = max(guesses, key=lambda g: readability(g.text))
    if stated is None:
        return best
    enough = _beyond_ascii(stated.text) >= _FEW
    reads = readability(stated.text)
    if readability(best.text) > reads + (_CLEARLY if enough else _VERY_CLEARLY):
        return best
    return Decoded(stated.text, (REPAIRED,)) if enough and reads < _LIKE_TEXT else stated


def _mended(data: bytes, name: str) -> Decoded | None:
    """``data`` in that charset when only some bytes are wrong: a text that was cut or damaged."""
    for codec in _codecs(name):
        text = data.decode(codec, "replace")
        broken = text.count("\ufffd")
        if broken and _beyond_ascii(text) - broken >= _WHOLE_FOR_BROKEN * broken:
            return Decoded(text, (REPAIRED,))
    return None


_WHOLE_FOR_BROKEN: Final = 3
"""Whole characters for each broken one: another charset does not give so many by accident."""
_CLEARLY: Final = 0.2
"""A guess goes before what is stated only when it reads better by so much."""
_VERY_CLEARLY: Final = 0.6
_LIKE_TEXT: Final = 0.5
"""What reads worse in the stated charset, and in no other better, is in one that we do not know."""
_FEW: Final = 8
"""Characters beyond ASCII below which it has to read very clearly better."""


def _first(data: bytes, names: Iterable[str]) -> Decoded | None:
    """``data`` in the first of the charsets in which every byte is text."""
    for name in names:
        for codec in _codecs(name):
            try:
                return Decoded(data.decode(codec))
            except UnicodeDecodeError:
                continue
    return None


def _codecs(name: str) -> tuple[str, ...]:
    if name in _PYTHON_CODECS:
        return _PYTHON_CODECS[name]
    encoding = webencodings.lookup(name)
    if encoding is None or name in _NO_MULTIBYTE:
        return ()
    return (encoding.codec_info.name,)


def _beyond_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))
