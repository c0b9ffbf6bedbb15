"""Dates as feeds write them: RFC 822 and its oddities, ISO 8601, epochs, CJK.

A date keeps the offset that it states. No zone is UTC; an offset that cannot be is UTC with a flag.
Absurd dates and dates in the future never leave this module.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

from connectors.feeds.parse.date_words import (
    AFTERNOON,
    ERAS,
    HALVES,
    MONTHS,
    MORNING,
    NOON,
    ZONES,
)
from connectors.feeds.parse.limits import MAX_DATE

MISSING: Final = "date_missing"
UNREADABLE: Final = "date_unreadable"
OUT_OF_RANGE: Final = "date_out_of_range"
FUTURE: Final = "date_future"
ZONE_UNKNOWN: Final = "date_zone_unknown"
TIME_UNKNOWN: Final = "date_time_unknown"

_FIRST_YEAR: Final = 1990
"""The web is not older: what is, is an epoch of 0 or a default."""
_CLOCK_SKEW: Final = timedelta(minutes=10)
"""A publisher's clock may run ahead of ours by so much; the pipeline clamps it."""


@dataclass(frozen=True, slots=True)
class ReadDate:
    """A date, or why there is none. A date may have a flag as well.

    `ZONE_UNKNOWN`: UTC was taken; `TIME_UNKNOWN`: the day is right, midnight was taken.
    """

    value: datetime | None
    flag: str | None = None


def read_date(text: str, now: datetime) -> ReadDate:
    """The date in ``text``, which is not empty.

    Args:
        text: as the feed has it; only the first `limits.MAX_DATE` characters count.
        now: what "in the future" is measured against.
    """
    text = text.strip()[:MAX_DATE]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_DASHES).strip()
    try:
        if (value := _epoch(text)) is not None:
            return _in_range(value, None, now)
        for find, day_of in _DAYS:
            if (match := find(text)) and (day := day_of(match)):
                return _in_range(*_with_time(day, text[match.end() :]), now)
    except (ValueError, OverflowError):
        return ReadDate(None, OUT_OF_RANGE)
    return ReadDate(None, UNREADABLE)


def _in_range(value: datetime, flag: str | None, now: datetime) -> ReadDate:
    if value.year < _FIRST_YEAR:
        return ReadDate(None, OUT_OF_RANGE)
    if value > now + _CLOCK_SKEW:
        return ReadDate(None, FUTURE)
    return ReadDate(value, flag)


_DASHES: Final = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")
"""What word processors and some locales write for a hyphen and for minus."""

_EPOCH = re.compile(r"([0-9]{9,10}|[0-9]{13}|[0-9]{16}|[0-9]{19})(?:\.[0-9]{1,9})?")


def _epoch(text: str) -> datetime | None:
    """Seconds since 1970, or thousandths, millionths, billionths of one."""
    match = _EPOCH.fullmatch(text)
    if match is None:
        return None
    seconds, fraction = match[1][:10], match[1][10:16]
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        seconds=int(seconds), microseconds=int(fraction.ljust(6, "0"))
    )


# --- the day: each reader takes one family of formats, or gives None

_RFC_822 = re.compile(
    r"(?:[^\s,0-9]{1,12}[,.]?\s{0,3},?\s{0,3})?"
    r"([0-9]{1,2})[\s-]{1,3}([^\W\d_]{2,12}|1?[0-9][月월])\.?,?[\s-]{1,3}([0-9]{2,5})"
)
_ISO_8601 = re.compile(
    r"([0-9]{4})(?:"
    r"([-/.])\s?([0-9]{1,2})(?:\2\s?([0-9]{1,2})\.?(?![0-9])|(?![-/.0-9]))"
    r"|-?W([0-9]{2})-?([1-7])"
    r"|-([0-9]{3})(?![0-9])"
    # Without hyphens; a time may follow at once.
    r"|([0-9]{2})([0-9]{2})(?=$|[TtZz\s]|[0-9]{4}(?:[0-9]{2})?(?![0-9]))"
    r"|$)"
)
_US = re.compile(
    r"(?:[^\W\d_]{2,10}[,.]?\s{1,3})?([^\W\d_]{3,12})\.?\s{1,3}([0-9]{1,2})(?:st|nd|rd|th)?,?\s{1,3}"
    # C's ctime has the year behind the time.
    r"(?:([0-9]{4})(?!:)|(?=[0-9:]{4,8}\s.{0,12}?\b([0-9]{4})$))"
)
_DOTTED = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_CJK = re.compile(
    rf"(?:({'|'.join(ERAS)})\s?)?([0-9]{{1,4}}|元)\s?[年년][度\s]{{0,2}}"
    r"([0-9]{1,2})\s?[月월]\s{0,2}([0-9]{1,2})\s?[日号號일]?"
)


def _rfc_822(match: re.Match[str]) -> date | None:
    month = _month(match[2])
    return date(_full_year(match[3]), month, int(match[1])) if month else None


def _iso_8601(match: re.Match[str]) -> date:
    year, _, month, day, week, weekday, ordinal, compact_month, compact_day = match.groups()
    if week:
        return date.fromisocalendar(int(year), int(week), int(weekday))
    if ordinal:
        found = date(int(year), 1, 1) + timedelta(days=int(ordinal) - 1)
        if found.year != int(year):
            raise ValueError("no such day in the year")
        return found
    return date(int(year), int(month or compact_month or 1), int(day or compact_day or 1))


def _us(match: re.Match[str]) -> date | None:
    month = _month(match[1])
    return date(int(match[3] or match[4]), month, int(match[2])) if month else None


def _dotted(match: re.Match[str]) -> date:
    return date(int(match[3]), int(match[2]), int(match[1]))


def _cjk(match: re.Match[str]) -> date:
    era, stated, month, day = match.groups()
    year = 1 if stated == "元" else int(stated)
    if era:
        year += ERAS[era]
    elif len(stated) == 2:
        year += 2000
    return date(year, int(month), int(day))


_Find = Callable[[str], re.Match[str] | None]
_DAYS: Final[tuple[tuple[_Find, Callable[[re.Match[str]], date | None]], ...]] = (
    (_RFC_822.match, _rfc_822),
    (_ISO_8601.match, _iso_8601),
    (_US.match, _us),
    (_DOTTED.match, _dotted),
    (_CJK.search, _cjk),
)


def _month(name: str) -> int | None:
    low = name.lower()
    if low[0].isdigit():
        return int(low[:-1])
    return MONTHS.get(low) or MONTHS.get(low[:3])


def _full_year(year: str) -> int:
    """RFC 5322, section 4.3: two digits below 50 are of this century."""
    number = int(year)
    if len(year) == 2:
        return number + (2000 if number < 50 else 1900)
    return number


# --- the time of the day and the zone, in what follows the day

_HALVES: Final = "|".join(HALVES)
_CLOCK = re.compile(
    # No offset ("+09:00"), and no part of a longer number.
    rf"(?:({_HALVES})\s{{0,2}})?(?<![0-9+-])([0-9]{{1,2}})\s?[:時时點点시]\s?"
    r"(?:([0-9]{1,2})(?:\s?[:分분]\s?(?:([0-9]{1,2})(?:[.,]([0-9]{1,9}))?\s?[秒초]?)?)?|([半반]))?"
)
_COMPACT = re.compile(r"[Tt ]?([0-9]{2})(?:([0-9]{2})([0-9]{2})?)?(?:[.,][0-9]{1,9})?(?![0-9:])")
_HALF_BEHIND = re.compile(rf"\s{{0,3}}({_HALVES}|[ap]\.?m\.?(?![a-z]))", re.IGNORECASE)


def _with_time(day: date, rest: str) -> tuple[datetime, str | None]:
    """The moment on ``day`` that ``rest`` names, and what is not known of it."""
    half, hour, minute, second, fraction = "", 0, 0, 0, ""
    if match := _CLOCK.search(rest):
        half, hour, fraction = match[1] or "", int(match[2]), match[5] or ""
        minute, second = 30 if match[6] else int(match[3] or 0), int(match[4] or 0)
    elif match := _COMPACT.match(rest):
        hour, minute, second = (int(g or 0) for g in match.groups())
    if match:
        rest = rest[match.end() :]
        if match := _HALF_BEHIND.match(rest):
            half, rest = match[1].lower().replace(".", ""), rest[match.end() :]
        # ctime: the year has been read.
        zone, flag = _zone(rest.removesuffix(str(day.year)))
    else:
        zone, flag = _zone(rest.strip(" ,"))
        flag = flag and TIME_UNKNOWN
    if (half in AFTERNOON and hour < 12) or (half in NOON and hour < 11):
        hour += 12
    elif half in MORNING and hour == 12:
        hour = 0
    next_day = (hour, minute, second) == (24, 0, 0)  # ISO 8601: the end of the day
    value = datetime(
        day.year,
        day.month,
        day.day,
        0 if next_day else hour,
        minute,
        59 if second == 60 else second,  # a leap second
        int(fraction.ljust(6, "0")[:6]),
        tzinfo=zone,
    )
    return value + timedelta(days=next_day), flag


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
    minutes_east = ZONES.get(name.split()[0].strip("()."))
    if minutes_east is None:
        return UTC, ZONE_UNKNOWN
    return timezone(timedelta(minutes=minutes_east)) if minutes_east else UTC, None
