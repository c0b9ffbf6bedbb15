"""Text as the matcher reads it: folded one character to one, so positions are the original's.

Folding makes equal what a reader takes as equal: case, width (full and half), Latin accents, and
the two Chinese scripts (traditional becomes simplified, by OpenCC's table of characters). Whatever
is neither letter nor digit becomes a space: a word of a spaced script stands between two spaces.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import numpy as np
import opencc

MAX_TITLE: Final = 1_000
MAX_SUMMARY: Final = 20_000
"""Characters that are read. A topic that first appears after them is no substantive subject."""

_BMP: Final = 0x10000
_HAN: Final = range(0x3400, 0xA000)
_FOLDED: Final = ((0, 0x3400), (0xA000, 0xAC00), (0xD7A4, 0xD800), (0xF900, _BMP))
# Half-width katakana carry their voicing as a character of its own; so does decomposed text.
_COMPOSE: Final = re.compile("[ｦ-ﾟ\u0300-\u036f\u3099\u309a]")
_STOP: Final = re.compile("[.!?。！？\n]+[\"'”’)\\]」』]*")
_ABBREVIATION: Final = re.compile(
    r"\b(?:[A-Z]|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Mr|Mrs|Ms|Dr|Gen|Sen|Rep|Gov|St|Lt"
    r"|Col|Adm|Prof|Rev|Inc|Corp|Ltd|Co|No|vs)\.$"
)


@dataclass(frozen=True, slots=True)
class Text:
    """A title and a summary as one string, folded and not, of equal length."""

    original: str
    folded: str
    title_end: int
    """Where the title ends in both."""


def read(title: str, summary: str) -> Text:
    """The text of an article, ready to be matched; it starts and ends with a space."""
    title = title[:MAX_TITLE]
    original = f" {title} \n {summary[:MAX_SUMMARY]} "
    if not original.isascii() and _COMPOSE.search(original):
        title = unicodedata.normalize("NFKC", title)
        original = unicodedata.normalize("NFKC", original)
    return Text(original, fold(original), 1 + len(title))


def fold(text: str) -> str:
    """The folded text, of the same length."""
    if text.isascii():
        return text.encode("ascii").translate(_ascii_table()).decode("ascii")
    return _map(text, _fold_table())


@lru_cache(maxsize=1 << 16)
def fold_term(term: str) -> str:
    """The folded form of a term: remembered, since reading a topic file asks for it many times."""
    return fold(term)


def sentences(text: Text) -> tuple[tuple[int, int], ...]:
    """Start and end of the title, then of each sentence of the summary."""
    original = text.original
    spans = [(0, text.title_end)]
    start = text.title_end
    for match in _STOP.finditer(original, start):
        stop, end = match.group(), match.end()
        if stop[0] in ".!?" and not original[end].isspace():
            continue
        # A stop after U.S or Sen is no end.
        if stop == "." and _ABBREVIATION.search(original, max(0, end - 6), end):
            continue
        if not text.folded[start:end].isspace():
            spans.append((start, end))
        start = end
    if not text.folded[start:].isspace():
        spans.append((start, len(original)))
    return tuple(spans)


def is_latin(char: str) -> bool:
    """Whether a folded character is a letter or digit of a script with spaces."""
    return char.isalnum() and char < "\u2e80"


def is_katakana(char: str) -> bool:
    """Whether a folded character is katakana or its length mark."""
    return "\u30a1" <= char <= "\u30fc"


def code_points(text: str) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """The code points; those above the basic plane are clipped by the tables that use them."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _map(text: str, table: np.ndarray[tuple[int], np.dtype[np.uint32]]) -> str:
    mapped = table.take(code_points(text), mode="clip")
    return mapped.tobytes().decode("utf-32-le", "surrogatepass")


@cache
def _ascii_table() -> bytes:
    table = _fold_table()
    return bytes(int(table[code]) if code < 128 else code for code in range(256))


@cache
def _fold_table() -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    # Han, Hangul and private characters have nothing to fold, and are most of the plane.
    table = np.arange(_BMP, dtype=np.uint32)
    for first, last in _FOLDED:
        table[first:last] = [ord(_fold_char(chr(code))) for code in range(first, last)]
    table[0xD800:0xF900] = ord(" ")
    for traditional, simple in simplified().items():
        table[ord(traditional)] = ord(simple)
    # Everything above the basic plane is clipped to the last entry.
    table[_BMP - 1] = ord(" ")
    return table


@cache
def simplified() -> dict[str, str]:
    """Traditional character -> its simplified form, where they differ."""
    chars = [chr(code) for code in _HAN]
    # One character a line: OpenCC joins no phrase across lines.
    converted = opencc.OpenCC("t2s").convert("\n".join(chars)).split("\n")
    pairs = zip(chars, converted, strict=True)
    return {a: b for a, b in pairs if a != b and len(b) == 1 and ord(b) < _BMP}


def _fold_char(char: str) -> str:
    wide = unicodedata.normalize("NFKC", char)
    folded = (wide if len(wide) == 1 and ord(wide) < _BMP else char).lower()
    if len(folded) != 1:
        folded = char
    if folded > "\x7f" and folded < "\u2e80":
        base = unicodedata.normalize("NFKD", folded)[0]
        if base.isascii() and base.isalnum():
            folded = base
    return folded if folded.isalnum() else " "
