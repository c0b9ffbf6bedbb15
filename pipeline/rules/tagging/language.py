"""Which language a text is in: English, Japanese, Chinese in either script, or another one.

Scripts decide first: kana is Japanese, Han with one script's characters is that script's. What is
left (Han without kana; Latin letters) goes to a compact classifier. Detectors share one protocol,
so that they can be measured against each other.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import cache
from typing import Final, Protocol

import numpy as np
import pycld2

from pipeline.contracts.records import Lang
from pipeline.rules.text import code_points, simplified

MAX_CHARS: Final = 600
"""Characters that are looked at: more change no verdict and cost time."""


_FEW_LETTERS: Final = 20
_ACCENTED: Final = re.compile("[\u00c0-\u024f]")
_ENGLISH: Final = re.compile(
    r"\b(?:the|and|with|by|says?|said|from|after|against|its|was|are|that|what|why|how|wins?|to)\b",
    re.IGNORECASE,
)


class LanguageDetector(Protocol):
    """Says which language a text is in."""

    def detect(self, text: str, hint: str | None = None) -> Lang:
        """The language.

        Args:
            text: plain text of any length, also empty.
            hint: what the source says of itself (`ja`, `zh-TW`, …); used only where the text
                leaves it open.
        """


class _Script(IntEnum):
    NONE = 0
    LATIN = 1
    KANA = 2
    HAN = 3
    OTHER = 4


class ScriptDetector:
    """Scripts first, then a classifier. The default: see deploy/decisions for the figures."""

    def detect(self, text: str, hint: str | None = None) -> Lang:
        """The language, as `LanguageDetector` says."""
        text = text[:MAX_CHARS]
        counts = _scripts(text)
        east = counts[_Script.KANA] + counts[_Script.HAN]
        if not east:
            return _latin(text, counts, hint)
        # A name in Han characters does not make an English text Chinese.
        if counts[_Script.LATIN] > 6 * east:
            return _latin(text, counts, hint)
        if counts[_Script.OTHER] > east:
            return Lang.OTHER
        kana = counts[_Script.KANA] - text.count("の")
        if kana >= 2 or (kana == 1 and east < 12) or counts[_Script.KANA] > 0.15 * east:
            return Lang.JA
        return _han(text, hint)


def _latin(text: str, counts: np.ndarray[tuple[int], np.dtype[np.intp]], hint: str | None) -> Lang:
    if not counts[_Script.LATIN]:
        return Lang.OTHER if counts[_Script.OTHER] else _from_hint(hint) or Lang.OTHER
    if counts[_Script.OTHER] > counts[_Script.LATIN]:
        return Lang.OTHER
    if counts[_Script.LATIN] < _FEW_LETTERS and not _ACCENTED.search(text):
        # The classifier guesses on so few letters; what the source says is worth more.
        return Lang.EN if _from_hint(hint) is Lang.EN or not hint else Lang.OTHER
    code, sure = _cld2(text)
    if code == "en" or not sure:
        return Lang.EN
    # A headline of foreign names is still English when its small words are.
    return Lang.EN if _ENGLISH.search(text) else Lang.OTHER


def _han(text: str, hint: str | None) -> Lang:
    japanese, simple, traditional = _han_votes(text)
    if japanese > simple + traditional:
        return Lang.JA
    if simple > japanese + traditional:
        return Lang.ZH_HANS
    # Japanese still writes some old forms, but in names, and not two in a headline without kana.
    if traditional >= 2 and traditional > japanese:
        return Lang.ZH_HANT
    code, sure = _cld2(text)
    if code == "ja" and sure:
        return Lang.JA
    if traditional or code == "zh-Hant":
        return Lang.ZH_HANT
    return _from_hint(hint) or Lang.ZH_HANS


def _from_hint(hint: str | None) -> Lang | None:
    if not hint:
        return None
    parts = hint.lower().replace("_", "-").split("-")
    if parts[0] == "zh":
        hant = {"tw", "hk", "mo", "hant"} & set(parts)
        return Lang.ZH_HANT if hant else Lang.ZH_HANS
    return {"en": Lang.EN, "ja": Lang.JA}.get(parts[0])


def _cld2(text: str) -> tuple[str, bool]:
    try:
        reliable, _, found = pycld2.detect(text.encode("utf-8", "replace"), bestEffort=True)
    except pycld2.error:
        return "un", False
    return str(found[0][1]), bool(reliable)


@cache
def _script_table() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    table = np.zeros(0x10000, np.uint8)
    for code in range(0x10000 - 1):
        if chr(code).isalpha():
            table[code] = _Script.OTHER
    for first, last, script in (
        (0x41, 0x5A, _Script.LATIN),
        (0x61, 0x7A, _Script.LATIN),
        (0xC0, 0x24F, _Script.LATIN),
        (0x3041, 0x3096, _Script.KANA),
        (0x30A1, 0x30FA, _Script.KANA),
        (0x3400, 0x9FFF, _Script.HAN),
    ):
        table[first : last + 1] = script
    for neutral in "ー・々〇":
        table[ord(neutral)] = _Script.NONE
    return table


def _scripts(text: str) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    classes = _script_table().take(code_points(text), mode="clip")
    return np.bincount(classes, minlength=len(_Script))


class _Vote(IntEnum):
    NONE = 0
    JAPANESE = 1
    SIMPLE = 2
    TRADITIONAL = 3


@cache
def _vote_table() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Characters that only one of the three writes, by the national character sets."""
    table = np.zeros(0x10000, np.uint8)
    to_simple = simplified()
    for code in range(0x4E00, 0xA000):
        char = chr(code)
        jis, gb, big5 = _jis_level(char), _encodes(char, "gb2312"), _encodes(char, "big5")
        if jis == 1 and not gb and not big5:
            table[code] = _Vote.JAPANESE
        elif gb and not big5 and jis != 1:
            table[code] = _Vote.SIMPLE
        elif char in to_simple and big5 and not gb and jis != 1:
            table[code] = _Vote.TRADITIONAL
    return table


def _han_votes(text: str) -> tuple[int, int, int]:
    votes = np.bincount(_vote_table().take(code_points(text), mode="clip"), minlength=len(_Vote))
    return int(votes[_Vote.JAPANESE]), int(votes[_Vote.SIMPLE]), int(votes[_Vote.TRADITIONAL])


def _encodes(char: str, charset: str) -> bool:
    try:
        char.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _jis_level(char: str) -> int:
    """1 for the everyday kanji of JIS X 0208 (rows 16 to 47), 2 for its others, 0 for none."""
    try:
        row = char.encode("euc_jp")
    except UnicodeEncodeError:
        return 0
    if len(row) != 2:
        return 0
    return 1 if row[0] - 0xA0 <= 47 else 2


class LangdetectDetector:
    """The langdetect library behind the protocol: statistics of letters, no rule on scripts.

    Kept to measure against. On headlines it is far weaker than `ScriptDetector`, above all on
    Chinese, and a hundred times slower (deploy/decisions).
    """

    def detect(self, text: str, hint: str | None = None) -> Lang:
        """The language, as `LanguageDetector` says; the same text always gives the same."""
        import langdetect

        # Its guesses are random by default.
        langdetect.DetectorFactory.seed = 0
        try:
            code = langdetect.detect(text[:MAX_CHARS])
        except langdetect.LangDetectException:
            return _from_hint(hint) or Lang.OTHER
        found = {"en": Lang.EN, "ja": Lang.JA, "zh-cn": Lang.ZH_HANS, "zh-tw": Lang.ZH_HANT}
        return found.get(code, Lang.OTHER)
