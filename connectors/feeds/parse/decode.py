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

GUESSED: Final = "encoding_guessed"
"""Nothing declared the charset rightly: it was found from the bytes."""
REPAIRED: Final = "encoding_repaired"
"""Bytes that are no text in the charset became U+FFFD, or the text holds U+FFFD already."""

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
_SAMPLE_CHARACTERS: Final = 4_000


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
    if "iso-2022-jp" in declared and "\x1b" in text:
        return _first(data, ("iso-2022-jp",)) or Decoded(text, (REPAIRED,))
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
    named = tuple(name for name in declared if name != "utf-8")
    stated = _first(data, named)
    scored = [] if stated is None else [(_readability(stated.text), stated)]
    if not scored or scored[0][0] < _GOOD:
        others = (_first(data, (name,)) for name in _ALTERNATIVES if name not in named)
        scored.extend((_readability(g.text), Decoded(g.text, (GUESSED,))) for g in others if g)
    # Mostly UTF-8 with some broken bytes (a cut in the middle of a character) is still UTF-8.
    mended = data.decode("utf-8", "replace")
    few = mended.count("\ufffd") * 20 < len(mended) - _ascii_count(mended)
    if few or not named:
        scored.append((_readability(mended), Decoded(mended, (REPAIRED,))))
    if not scored:
        return Decoded(mended, (REPAIRED,))
    # The first of equals: what is stated goes before a guess unless the guess reads clearly better.
    best_score, best = scored[0]
    for score, candidate in scored[1:]:
        if score > best_score + (_CLEARLY if best is stated else 0.0):
            best_score, best = score, candidate
    return best


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


_GOOD: Final = 0.5
_CLEARLY: Final = 0.25

_COMMON: Final = frozenset(
    # Kana, whole; half-width katakana are left out: they are what EUC-JP looks like read as
    # Shift_JIS.
    {chr(c) for c in range(0x3041, 0x30FF)}
    | set("、。「」『』・ー，！？：；（）【】《》“”‘’…—–·〜％")
    # The commonest Han characters of news in Japanese and both Chinese scripts.
    | set(
        "的一是不了在人有我他这这这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可"
    )
    | set(
        "里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长"
    )
    | set(
        "知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新"
    )
    | set(
        "這來個國說們為會對後麼時過還發沒從無開當樣現與將進實點聲體話兒問機給幾業間東電車長門馬關係經濟"
    )
    | set(
        "日本政府大会社新年月県市区警察発表東京大阪事件事故選挙首相内閣議員党関連国際経済問題情報"
    )
    | set(
        "中国央行宣布报道记者北京上海美国台湾总统政策贸易关税军事演习部长会议表示称将对华制裁出口"
    )
    | set("臺灣總統軍演習關稅貿易報導記者經濟部長會議表示稱將對華制裁出口管制")
    # Hangul syllables: no other charset turns into them by accident.
    | {chr(c) for c in range(0xAC00, 0xD7A4)}
    # Small letters of Cyrillic and Greek: a wrong Cyrillic charset swaps the cases.
    | set("абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґў")
    | set("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώ")
    | set("àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿßœšžčćęąłńóśźżőűşğıřůěțșăâî")
    | set("ÄÖÜÉÀÇÑÅØ«»°€£©®™")
)
"""Characters that real text is full of."""


def _readability(text: str) -> float:
    """Share of common characters among those beyond ASCII, 0 to 1; odd ones count against it."""
    sample = _NOT_ASCII.findall(text, 0, 2_000_000)[:_SAMPLE_CHARACTERS]
    if not sample:
        return 1.0
    common = sum(c in _COMMON for c in sample)
    odd = sum(_is_odd(c) for c in sample)
    return max(0.0, (common - 2 * odd) / len(sample))


_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def _is_odd(c: str) -> bool:
    """Controls, private use, the replacement character: signs of a wrong charset."""
    return "\x80" <= c <= "\x9f" or "\ue000" <= c <= "\uf8ff" or c == "\ufffd" or "｡" <= c <= "ﾟ"


def _ascii_count(text: str) -> int:
    return len(text.encode("ascii", "ignore"))
