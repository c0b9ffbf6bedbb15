"""Dates as feeds write them: RFC 822 and its oddities, ISO 8601, epochs, CJK.

A date keeps the offset that it states. No zone is UTC; an offset that cannot be is UTC with a flag.
Absurd dates and dates in the future never leave this module.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from connectors.feeds.parse.limits import MAX_DATE

MISSING: Final = "date_missing"
UNREADABLE: Final = "date_unreadable"
OUT_OF_RANGE: Final = "date_out_of_range"
FUTURE: Final = "date_future"
ZONE_UNKNOWN: Final = "date_zone_unknown"

_FIRST_YEAR: Final = 1990
"""The web is not older: what is, is an epoch of 0 or a default."""
_CLOCK_SKEW: Final = timedelta(minutes=10)
"""A publisher's clock may run ahead of ours by so much; the pipeline clamps it."""


@dataclass(frozen=True, slots=True)
class ReadDate:
    """A date, or why there is none. A date may have a flag as well (`ZONE_UNKNOWN`)."""

    value: datetime | None
    flag: str | None = None


def read_date(text: str, now: datetime) -> ReadDate:
    """The date in ``text``, which is not empty.

    Args:
        text: as the feed has it; only the first `limits.MAX_DATE` characters count.
        now: what "in the future" is measured against.
    """
    if len(text) > MAX_DATE:
        text = text.strip()[:MAX_DATE]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = text.strip()
    try:
        for reader in _READERS:
            if fields := reader(text):
                return _in_range(fields, now)
    except (ValueError, OverflowError):
        return ReadDate(None, OUT_OF_RANGE)
    return ReadDate(None, UNREADABLE)


@dataclass(slots=True)
class _Fields:
    year: int
    month: int
    day: int
    hour: int = 0
    minute: int = 0
    second: int = 0
    micro: int = 0
    zone: str = ""


def _in_range(f: _Fields, now: datetime) -> ReadDate:
    zone, flag = _zone(f.zone)
    next_day = f.hour == 24 and f.minute == 0 and f.second == 0  # ISO 8601: the end of the day.
    value = datetime(
        f.year,
        f.month,
        f.day,
        0 if next_day else f.hour,
        f.minute,
        min(f.second, 59),  # a leap second
        f.micro,
        tzinfo=zone,
    )
    if next_day:
        value += timedelta(days=1)
    if value.year < _FIRST_YEAR:
        return ReadDate(None, OUT_OF_RANGE)
    if value > now + _CLOCK_SKEW:
        return ReadDate(None, FUTURE)
    return ReadDate(value, flag)


# --- zones

_NAMED_ZONES: Final = {
    **dict.fromkeys(("", "z", "gmt", "utc", "ut", "wet"), 0),
    # RFC 822; CST is China's as well, which its feeds hardly use.
    "est": -300,
    "edt": -240,
    "cst": -360,
    "cdt": -300,
    "mst": -420,
    "mdt": -360,
    "pst": -480,
    "pdt": -420,
    "akst": -540,
    "akdt": -480,
    "hst": -600,
    "ast": -240,
    "adt": -180,
    "nst": -210,
    "ndt": -150,
    "jst": 540,
    "kst": 540,
    "hkt": 480,
    "sgt": 480,
    "myt": 480,
    "pht": 480,
    "awst": 480,
    "ict": 420,
    "wib": 420,
    "ist": 330,
    "pkt": 300,
    "gst": 240,
    "msk": 180,
    "trt": 180,
    "eet": 120,
    "eest": 180,
    "sast": 120,
    "cet": 60,
    "cest": 120,
    "mez": 60,
    "mesz": 120,
    "met": 60,
    "mest": 120,
    "bst": 60,
    "west": 60,
    "brt": -180,
    "art": -180,
    "aest": 600,
    "aedt": 660,
    "acst": 570,
    "acdt": 630,
    "nzst": 720,
    "nzdt": 780,
}
"""Name -> minutes east of Greenwich."""

_OFFSET = re.compile(r"(?:gmt|utc|ut)?\s?([+-])([0-9]{1,2})(?::?([0-9]{2}))?(?![0-9])")


def _zone(text: str) -> tuple[timezone, str | None]:
    name = text.strip().lower()
    if not name:
        return UTC, None
    if match := _OFFSET.match(name):
        hours, minutes = int(match[2]), int(match[3] or 0)
        if hours <= 14 and minutes < 60:
            offset = timedelta(hours=hours, minutes=minutes)
            return timezone(-offset if match[1] == "-" else offset), None
        return UTC, ZONE_UNKNOWN
    minutes_east = _NAMED_ZONES.get(name.split()[0].strip("()."))
    if minutes_east is None:
        return UTC, ZONE_UNKNOWN
    return timezone(timedelta(minutes=minutes_east)) if minutes_east else UTC, None


# --- readers: each takes one family of formats, or gives None

_TIME = r"([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2})(?:[.,]([0-9]{1,9}))?)?"

_ISO = re.compile(
    rf"([0-9]{{4}})[-/.]([0-9]{{1,2}})(?:[-/.]([0-9]{{1,2}}))?(?:(?:[Tt]|\s{{1,3}})\s?{_TIME})?\s{{0,3}}(.{{0,20}})"
)
_EUROPEAN = re.compile(
    rf"([0-9]{{1,2}})\.([0-9]{{1,2}})\.([0-9]{{4}})(?:,?\s{{1,3}}{_TIME})?\s{{0,3}}(.{{0,20}})"
)
_COMPACT = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})(?:[Tt ]?([0-9]{2})([0-9]{2})([0-9]{2})?)?\s?([Zz+-].{0,8})?"
)
_EPOCH = re.compile(r"([0-9]{9,10}|[0-9]{13}|[0-9]{16})(?:\.[0-9]{1,9})?")
_YEAR = re.compile(r"[0-9]{4}")
_RFC = re.compile(
    r"(?:[^\s,0-9]{1,12}[,.]?\s{0,3},?\s{0,3})?([0-9]{1,2})[\s-]{1,3}([^\W\d_]{3,12})\.?,?[\s-]{1,3}([0-9]{2,5})"
    rf",?(?:\s{{1,3}}{_TIME})?\s{{0,3}}(.{{0,30}})"
)
_US = re.compile(
    rf"(?:[^\W\d_]{{2,10}}[,.]?\s{{1,3}})?([^\W\d_]{{3,12}})\.?\s{{1,3}}([0-9]{{1,2}})(?:st|nd|rd|th)?,?\s{{1,3}}"
    rf"(?:([0-9]{{4}})(?:,?\s{{1,3}}(?:at\s)?{_TIME})?|{_TIME}\s{{1,3}}([A-Z]{{1,5}}\s)?([0-9]{{4}}))"
    r"\s{0,3}(.{0,20})"
)
_CJK_DATE = re.compile(
    r"(?:(令和|平成|民國|民国|中華民國|中华民国)\s?)?([0-9]{1,4}|元)\s?[年년][度\s]{0,2}([0-9]{1,2})\s?[月월]\s{0,2}([0-9]{1,2})\s?[日号號일]?"
)
_CJK_TIME = re.compile(
    r"(午前|午後|上午|下午|凌晨|早上|中午|晚上|오전|오후)?\s{0,2}([0-9]{1,2})\s?[:时時点點시]\s?"
    r"(?:([0-9]{1,2})\s?(?:[:分분]\s?(?:([0-9]{1,2})\s?[秒초]?)?)?)?\s{0,2}(.{0,12})"
)
_AFTERNOON: Final = frozenset({"午後", "下午", "晚上", "오후", "pm"})
_MORNING: Final = frozenset({"午前", "上午", "凌晨", "早上", "오전", "am"})
_ERA: Final = {"令和": 2018, "平成": 1988}
_AM_PM = re.compile(r"([ap])\.?m\.?(?![a-z])\s?", re.IGNORECASE)


def _epoch(text: str) -> _Fields | None:
    if match := _EPOCH.fullmatch(text):
        digits = match[1]
        seconds, fraction = int(digits[:10]), digits[10:]
        t = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            seconds=seconds, microseconds=int(fraction.ljust(6, "0")[:6]) if fraction else 0
        )
        return _Fields(t.year, t.month, t.day, t.hour, t.minute, t.second, t.microsecond)
    return None


def _iso(text: str) -> _Fields | None:
    if match := _ISO.match(text):
        year, month, day, hour, minute, second, fraction, rest = match.groups()
        return _with_time(
            _Fields(int(year), int(month), int(day or 1)), hour, minute, second, fraction, rest
        )
    if match := _COMPACT.fullmatch(text):
        year, month, day, hour, minute, second, zone = match.groups()
        return _with_time(
            _Fields(int(year), int(month), int(day)), hour, minute, second, None, zone or ""
        )
    return _Fields(int(text), 1, 1) if _YEAR.fullmatch(text) else None


def _european(text: str) -> _Fields | None:
    if match := _EUROPEAN.match(text):
        day, month, year, hour, minute, second, fraction, rest = match.groups()
        return _with_time(
            _Fields(int(year), int(month), int(day)), hour, minute, second, fraction, rest
        )
    return None


def _rfc(text: str) -> _Fields | None:
    if (match := _RFC.match(text)) and (month := _month(match[2])):
        day, _, year, hour, minute, second, fraction, rest = match.groups()
        return _with_time(
            _Fields(_full_year(year), month, int(day)), hour, minute, second, fraction, rest
        )
    return None


def _us(text: str) -> _Fields | None:
    if (match := _US.match(text)) and (month := _month(match[1])):
        g = match.groups()
        hour, minute, second, fraction = g[3:7] if g[2] else g[7:11]
        fields = _Fields(int(g[2] or g[12]), month, int(g[1]))
        return _with_time(fields, hour, minute, second, fraction, g[13] or g[11] or "")
    return None


def _cjk(text: str) -> _Fields | None:
    match = _CJK_DATE.search(text)
    if match is None:
        return None
    era, year_text, month, day = match.groups()
    year = 1 if year_text == "元" else int(year_text)
    if era:
        year += _ERA.get(era, 1911)
    fields = _Fields(year if year > 99 else 2000 + year, int(month), int(day))
    if time := _CJK_TIME.search(text, match.end()):
        half, hour, minute, second, rest = time.groups()
        return _with_time(fields, hour, minute or "0", second, None, rest, half or "")
    return fields


_READERS: Final[tuple[Callable[[str], _Fields | None], ...]] = (
    _rfc,
    _iso,
    _epoch,
    _us,
    _european,
    _cjk,
)


def _with_time(
    fields: _Fields,
    hour: str | None,
    minute: str | None,
    second: str | None,
    fraction: str | None,
    rest: str,
    half: str = "",
) -> _Fields:
    if hour is None:
        return fields
    if match := _AM_PM.match(rest):
        half = match[1].lower() + "m"
        rest = rest[match.end() :]
    fields.hour = int(hour)
    if half in _AFTERNOON and fields.hour < 12:
        fields.hour += 12
    elif half in _MORNING and fields.hour == 12:
        fields.hour = 0
    fields.minute = int(minute or 0)
    fields.second = int(second or 0)
    fields.micro = int((fraction or "0").ljust(6, "0")[:6])
    fields.zone = rest
    return fields


def _full_year(year: str) -> int:
    """RFC 5322, section 4.3: two digits below 50 are of this century."""
    number = int(year)
    if len(year) == 2:
        return number + (2000 if number < 50 else 1900)
    return number


_MONTHS: Final[dict[str, int]] = {
    name: number
    for number, names in enumerate(
        (
            (
                "jan january januar jänner janvier janv enero ene janeiro gennaio gen januari янв "
                "января январь"
            ),
            (
                "feb february februar février févr fév fevr febrero fevereiro fev febbraio "
                "februari фев февр февраля февраль"
            ),
            "mar march märz mär mrz mars marzo março marco maart мар марта март",
            "apr april avril avr abril abr aprile апр апреля апрель",
            "may mai mayo maio maggio mag mei мая май",
            "jun june juni juin junio junho giugno giu июн июня июнь",
            "jul july juli juillet juil julio julho luglio lug июл июля июль",
            "aug august août aout agosto ago augustus авг августа август",
            (
                "sep sept september septembre septiembre setembro set settembre сен сент сентября "
                "сентябрь"
            ),
            ("oct october oktober okt octobre octubre outubro out ottobre ott окт октября октябрь"),
            "nov november novembre noviembre novembro ноя нояб ноября ноябрь",
            (
                "dec december dezember dez décembre déc decembre diciembre dic dezembro dicembre "
                "дек декабря декабрь"
            ),
        ),
        start=1,
    )
    for name in names.split()
}
"""Names of months in the languages that feeds are known to use in dates, lower case."""


def _month(name: str) -> int | None:
    low = name.lower()
    return _MONTHS.get(low) or _MONTHS.get(low[:3])
