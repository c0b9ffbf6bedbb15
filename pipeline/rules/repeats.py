"""Which articles were there before: exact, by article id and revision, for at least 72 hours.

The connector sends an article once for each revision it saw. What comes more often is a repeat:
byte for byte the same after a crash between sending and noting it (same id, revision and
``seen_at``), or another sight of what is known (a feed that forgot its own state).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

from pipeline.contracts.records import Article

DAY_MS: Final = 86_400_000
DAYS_KEPT: Final = 4
"""The running day and three whole ones: a horizon of 72 to 96 hours."""
MAX_REVISION: Final = 2**31 - 1
_SIGHTS_KEPT: Final = 64
"""Sights of one article that are remembered; a feed that shows it more often harms only itself."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

SIGHT: Final = struct.Struct("<16sIq")
"""A sight in 28 bytes: digest of the article id, revision, ``seen_at`` in microseconds."""

_MASK: Final = 2**64 - 1


class Repeat(Enum):
    """What an article is to what came before."""

    NEW = "new"
    EDITED = "edited"
    """Known, with a higher revision."""
    DUPLICATE = "duplicate"
    """Known, seen once more."""
    REDELIVERED = "redelivered"
    """The same record once more, after a sender's crash."""


def digest(article_id: str) -> bytes:
    """16 bytes that stand for an article id."""
    return hashlib.blake2b(article_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def microseconds(time: datetime) -> int:
    """Since 1970, exact."""
    return (time - _EPOCH) // _MICROSECOND


def sight(article: Article) -> tuple[bytes, int, int]:
    """What `KnownArticles.judge` needs of an article."""
    return digest(article.article_id), article.revision, microseconds(article.seen_at)


class KnownArticles:
    """The articles of one partition, by day of arrival.

    About 130 bytes an article in memory, 28 in the log that it is rebuilt from.
    """

    def __init__(self) -> None:
        # A sight is one int, revision above seen_at; a tuple only where an article has several.
        self._days: dict[int, dict[bytes, int | tuple[int, ...]]] = {}
        self._newest_first: list[int] = []

    def __len__(self) -> int:
        """Articles known."""
        return sum(len(day) for day in self._days.values())

    def start_day(self, day: int) -> None:
        """Begin ``day`` (days since 1970) and forget what left the horizon."""
        self._days.setdefault(day, {})
        for old in [d for d in self._days if d <= day - DAYS_KEPT]:
            del self._days[old]
        self._newest_first = sorted(self._days, reverse=True)

    def judge(self, key: bytes, revision: int, seen_us: int, day: int) -> tuple[Repeat, bytes]:
        """What this sight is, remembered under ``day``, which was started.

        Returns:
            The verdict, and what to append to the log of ``day``: `SIGHT`s, none for a redelivery.
        """
        this = revision << 64 | seen_us & _MASK
        known, then = self._find(key)
        if this in known:
            return Repeat.REDELIVERED, b""
        row = SIGHT.pack(key, revision, seen_us)
        if not known:
            self._days[day][key] = this
            return Repeat.NEW, row
        kept = known[-_SIGHTS_KEPT + 1 :]
        self._days[day][key] = (*kept, this)
        if then != day:
            # They move to this day with it; in the log too, for that of their own day is dropped.
            row = b"".join(_pack(key, sight) for sight in kept) + row
        return Repeat.EDITED if revision > max(known) >> 64 else Repeat.DUPLICATE, row

    def remember(self, sights: bytes, day: int) -> None:
        """Take back what `judge` gave for the log of ``day``, day by day and in its order."""
        for key, revision, seen_us in SIGHT.iter_unpack(sights):
            self.judge(key, revision, seen_us, day)

    def _find(self, key: bytes) -> tuple[tuple[int, ...], int]:
        """The sights of an article, and the day that they stand under."""
        for day in self._newest_first:
            found = self._days[day].get(key)
            if found is not None:
                # The entry of the newest day holds the sights of the older ones too.
                return (found,) if isinstance(found, int) else found, day
        return (), -1


def _pack(key: bytes, sight: int) -> bytes:
    seen_us = sight & _MASK
    return SIGHT.pack(key, sight >> 64, seen_us - (1 << 64) if seen_us >> 63 else seen_us)


def days_left(then: int | None, now: int) -> Iterable[int]:
    """The slots, of `DAYS_KEPT`, whose day ended its horizon when day ``now`` follows ``then``."""
    if then is None or now - then >= DAYS_KEPT:
        return range(DAYS_KEPT)
    return [day % DAYS_KEPT for day in range(then + 1, now + 1)]
