"""What of an article's text is compared: title and lead without what outlets put around them.

Outlets dress one headline in many ways: full-width signs, a tag before it (``【速報】``), their own
name behind it (`` - BBC News``), the time of the index page, the tail cut off with dots. All of
that goes; digits stay, since they tell today's count from yesterday's.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from pipeline.contracts.records import Lang
from pipeline.rules.stories.grams import NO_GRAMS, Grams, grams_of
from pipeline.rules.text import simplified

LEAD_CHARS: Final = 200
"""As much of a summary as is compared: about the first sentence, which agencies' clients keep."""

_LEAST_LEAD: Final = {2: 14, 3: 30}
"""Letters of a lead that is compared, by width of gram."""

_MAX_TITLE: Final = 400
"""Characters of a title that are compared: feeds that put a whole text there cost no more."""

_CJK: Final = frozenset({Lang.JA, Lang.ZH_HANS, Lang.ZH_HANT})

_LEADING_TAG: Final = re.compile(
    r"^\s*(?:(?:【[^】\d]{1,12}】|〈[^〉\d]{1,12}〉|《[^》\d]{1,4}》|\[[^\]\d]{1,12}\]|<[^>\d]{1,12}>)"
    r"|(?:速報|独自|更新|快訊|快讯|獨家|独家|影|最新|breaking(?: news)?|exclusive|watch"
    r"|live updates?|update \d|video)"
    r"\s*[》/:|]|速報(?=\S))\s*",
    re.IGNORECASE,
)
_INDEX_TIME: Final = re.compile(
    r"(?:\d{1,2}月\d{1,2}日)?\s*(?:\d{1,2}[/.]\d{1,2})?\s*\d{1,2}:\d{2}(?:有料|無料|会員限定)?(?:#[^\s#]+)*\s*$"
)
_HASHTAGS: Final = re.compile(r"(?:有料|会員限定)?(?:#[^\s#]+)+\s*$")
_CUT_OFF: Final = re.compile(r"\s*(?:\.{2,}|…+)\s*$")
_SUFFIX: Final = re.compile(
    r"\s+[-|–—]\s+(?:The )?[A-Z][\w.&']*(?:\s[A-Z][\w.&']*){0,3}\s*$|\s*\|\s*[^|\d]{2,20}$"
    r"|\s*[-–—(]\s*[^-–—()\d]{0,12}(?:新聞|新闻|ニュース|通信|テレビ|放送|オンライン|デジタル|網|网|報|报|社)[^-–—()\d]{0,8}\)?\s*$"
)
"""An outlet's name behind a title: capitalised words only, or a word that outlets are called by."""
_DATELINE: Final = re.compile(
    r"^\s*(?:[(【\[（][^)】\]）]{2,40}[)】\]）]\s*[-–—:：]?"
    r"|[^\s：]{2,12}(?:消息|電|讯|訊)(?:[(（][^)）]{1,12}[)）])?\s*[:：]"
    r"|[A-Z][A-Za-z ,.]{2,40}\((?:AP|AFP|Reuters|Kyodo|UPI)\)\s*[-–—]*"
    r"|[A-Z][A-Z ,.]{3,40}\s*[-–—]{1,2}\s)"
)
_CLAUSE: Final = re.compile(r"[\s。！？!?;；／/》〉｜|]+|(?<=[一-鿿ぁ-ヿ])[:：]|[-–—]{2,}")
_CLAUSE_SPACED: Final = re.compile(r"[.!?,:;|](?:\s|$)|\s[-–—]\s|[-–—]{2,}")
"""In Chinese and Japanese a space is a joint; elsewhere it stands between words."""
_OTHER_SIGNS: Final = re.compile(r"[\W_]+")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_DATE: Final = re.compile(r"(?:(\d{1,2})月)?(\d{1,2})日(?!間)|(\d{1,2})/(\d{1,2})(?!\d)")
_QUOTED: Final = re.compile(r"[\"“「『《]([^\"”」』》]{2,60})[\"”」』》]")
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_SCALED: Final = re.compile(r"(\d+(?:\.\d+)?)(千|万|萬|億|亿|兆)(?:(\d+)(?=[^\d千万萬億亿兆]|$))?")
_SCALES: Final = {
    "千": 10**3,
    "万": 10**4,
    "萬": 10**4,
    "億": 10**8,
    "亿": 10**8,
    "兆": 10**12,
}
_WORDS: Final = {
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip
_WORD_NUMBER: Final = re.compile(r"\b(" + "|".join(_WORDS) + r")\b")
_ENTRY: Final = re.compile(r"[A-Za-z_!/.-]{0,40}\d[\w/.-]{0,80}")
"""``#a12``, ``#!/news/12``; tracking in a fragment has a name and an equals sign."""
_TRACKING: Final = re.compile(
    r"^(?:utm_.*|fbclid|gclid|yclid|mc_[ce]id|ref|ref_src|source|src|from|traffic_source|cmpid|"
    r"ns_.*|at_.*|smid|partner|rss|feed|display|ito|via)$",
    re.IGNORECASE,
)


class Script(StrEnum):
    """How a title is written, and so how much of it two reports share by chance."""

    KANA = "kana"
    """Japanese: particles between the names leave room for words of one's own."""
    HAN = "han"
    """Han characters only: mostly names, so that independent reports share many."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Text:
    """A headline and its lead as they are compared."""

    title: str
    """Letters and digits of the normalised title, nothing else."""
    clauses: tuple[str, ...]
    """The same, split where a headline has its joints."""
    grams: Grams
    """Bigrams of the title in Chinese and Japanese, else trigrams."""
    numbers: frozenset[str]
    dates: frozenset[str]
    """Days that the title names: what tells one day's page from the next one's."""
    quoted: frozenset[str]
    lead: Grams
    """Grams of the summary's beginning; empty when there is none."""
    cut_off: bool
    """The outlet cut the title's tail off."""
    script: Script


def normalise(title: str, summary: str, lang: Lang) -> Text:
    """The comparable text of an article in ``lang``."""
    width = 2 if lang in _CJK else 3
    plain = unicodedata.normalize("NFKC", title)[:_MAX_TITLE].replace("’", "'")
    stripped, cut_off = _undress(plain)
    stripped = _fold(stripped)
    clauses = tuple(
        c for c in map(_letters, (_CLAUSE if width == 2 else _CLAUSE_SPACED).split(stripped)) if c
    )
    compact = "".join(clauses)
    if not compact:
        compact = _letters(_fold(plain)) or plain.strip()
        clauses = (compact,)
    return Text(
        title=compact,
        clauses=clauses,
        grams=grams_of(compact, width),
        numbers=_numbers(stripped),
        dates=_dates(stripped),
        quoted=frozenset(_letters(q) for q in _QUOTED.findall(stripped)),
        lead=_lead(summary, width),
        cut_off=cut_off,
        script=_script(compact, lang),
    )


def canonical_url(link: str | None) -> str | None:
    """The address without what does not name the article; None when there is none.

    Scheme, ``www.`` and ``m.``, fragment, tracking parameters and a trailing slash go. A fragment
    with a number stays: it names an entry of a page. A bare host is no article's address: None.
    """
    if not link:
        return None
    try:
        parts = urlsplit(link.strip())
        host = (parts.hostname or "").removeprefix("www.").removeprefix("m.")
    except ValueError:
        return None
    path = parts.path.rstrip("/")
    if not host or not (path or parts.query):
        return None
    query = ""
    if parts.query:
        kept = sorted(
            (k, v)
            for k, v in parse_qsl(parts.query, keep_blank_values=True)
            if not _TRACKING.match(k)
        )
        query = "?" + urlencode(kept) if kept else ""
    if not path and not query:
        return None
    entry = f"#{parts.fragment}" if _ENTRY.fullmatch(parts.fragment) else ""
    return host + path + query + entry


def _script(compact: str, lang: Lang) -> Script:
    if lang not in _CJK:
        return Script.OTHER
    return Script.KANA if any("ぁ" <= c <= "ヿ" for c in compact) else Script.HAN


def _undress(plain: str) -> tuple[str, bool]:
    text = plain.strip()
    while True:
        shorter = _LEADING_TAG.sub("", text, count=1)
        if shorter == text or not shorter:
            break
        text = shorter
    for ending in (_INDEX_TIME, _HASHTAGS, _SUFFIX):
        shorter = ending.sub("", text)
        # What is left must still be a headline, not the page's name.
        if len(shorter) >= 6:
            text = shorter
    shorter = _CUT_OFF.sub("", text)
    return (shorter, True) if shorter and shorter != text else (text, False)


def _fold(text: str) -> str:
    return text.casefold() if text.isascii() else text.casefold().translate(_simplified())


@cache
def _simplified() -> dict[int, str]:
    return {ord(traditional): simple for traditional, simple in simplified().items()}


def _letters(text: str) -> str:
    return _OTHER_SIGNS.sub("", text)


def _lead(summary: str, width: int) -> Grams:
    if not summary:
        return NO_GRAMS
    head = unicodedata.normalize("NFKC", summary[: 2 * LEAD_CHARS]).replace("’", "'")
    head = _letters(_fold(_DATELINE.sub("", head)[:LEAD_CHARS]))
    # "Continue reading": a lead that says nothing is none.
    return grams_of(head, width) if len(head) >= _LEAST_LEAD[width] else NO_GRAMS


def _numbers(text: str) -> frozenset[str]:
    text = _THOUSANDS.sub("", text).replace("・", ".")
    text = _SCALED.sub(_unscale, text)
    text = _WORD_NUMBER.sub(lambda m: _WORDS[m[1]], text)
    return frozenset(_year(n) for n in _NUMBER.findall(text))


def _unscale(match: re.Match[str]) -> str:
    value = float(match[1]) * _SCALES[match[2]] + float(match[3] or 0)
    return f"{value:.10g}"


def _year(number: str) -> str:
    if "." in number:
        return number
    # "2035年" in one paper is "35年" in the next.
    return number[2:] if len(number) == 4 and number.startswith("20") else number.lstrip("0") or "0"


def _dates(text: str) -> frozenset[str]:
    return frozenset(
        f"{m[1] or m[3] or ''}-{m[2] or m[4]}".lstrip("-") for m in _DATE.finditer(text)
    )
