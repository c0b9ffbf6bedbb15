"""How much a text reads like one: tells a right charset from a wrong one."""

from __future__ import annotations

import re
from typing import Final

from connectors.feeds.parse.common_characters import HAN, HANGUL

_SAMPLE: Final = 50_000
"""Characters that are looked at."""

_COMMON: Final = (
    HAN
    | HANGUL
    # Kana, whole. Half-width katakana are not: they are what EUC-JP looks like read as Shift_JIS.
    | frozenset(chr(c) for c in range(0x3041, 0x30FF))
    | frozenset("、。「」『』・，！？：；（）【】《》“”‘’…—–·〜％")
    | frozenset("абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґ")
    | frozenset("АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЁІЇЄҐ")
    | frozenset("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώ")
    | frozenset("àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿßÄÖÜÉÀÇÑ«»°€ơưțș")
    | frozenset(chr(c) for c in range(0x100, 0x180))
    | frozenset(chr(c) for c in range(0x1EA0, 0x1EFA))
    # Hebrew, Arabic, Thai: each has a charset of its own that nothing else turns into.
    | frozenset(chr(c) for c in (*range(0x5D0, 0x5EB), *range(0x621, 0x653), *range(0xE01, 0xE5C)))
)
# Every repetition is bounded or cannot be followed by a failure: a flood costs its length only.
_ODD = re.compile(
    # Controls, private use, the replacement character, half-width katakana.
    "[\x80-\x9f\ue000-\uf8ff\ufffd｡-ﾟ]"
    # Latin letters with marks stand among plain ones; three in a row are another script misread.
    "|[À-ÖØ-öø-ÿŒœŠšŽž]{3,}"
    # Cyrillic and Latin letters share no word.
    "|(?<=[A-Za-z])[\u0400-\u04ff]+|[\u0400-\u04ff]{1,30}+(?=[A-Za-z])"
    # Capitals after a small letter: a wrong Cyrillic charset swaps the cases.
    "|(?<=[а-яё])[А-ЯЁ]+"
    # Signs between letters.
    "|(?<=[^\\W\\d_])[«»¤§°·№±µ¶]{1,9}+(?=[^\\W\\d_])"
    # Frames and blocks are what KOI8-R has where other charsets have letters.
    "|[─-╿▀-▟]"
)
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def readability(text: str) -> float:
    """Share of common characters among those beyond ASCII, 0 to 1; odd ones count against it twice.

    1 when there are none.
    """
    text = text[:_SAMPLE]
    beyond = _NOT_ASCII.findall(text)
    if not beyond:
        return 1.0
    common = sum(c in _COMMON for c in beyond)
    odd = sum(len(m[0]) for m in _ODD.finditer(text))
    return max(0.0, (common - 2 * odd) / len(beyond))
