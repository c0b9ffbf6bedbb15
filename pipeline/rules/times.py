"""When an article counts as published: the stated time, made safe.

Times inside the detector are whole seconds since 1970 (UTC); a *bucket* is five minutes of them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400
BUCKET: Final = 300
"""Seconds in a bucket: what feeds are polled for, so finer counts would only show the polling."""
BUCKETS_AN_HOUR: Final = HOUR // BUCKET

ABSURD_AGE: Final = 3650 * DAY
"""A stamp ten years before the first sight is an unset clock (1970, 1904), not an old article."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def seconds(time: datetime) -> int:
    """Whole seconds since 1970 of an aware time; fractions are cut off."""
    delta = time - _EPOCH
    return delta.days * DAY + delta.seconds


def moment(second: int) -> datetime:
    """The aware time in UTC of ``second``, the inverse of `seconds`."""
    return datetime.fromtimestamp(second, UTC)


def published_second(published: int | None, seen: int) -> int:
    """The second under which an article is filed (design, section 4).

    Missing, in the future, or absurdly old: the time when it was first seen.
    """
    if published is None or published > seen or seen - published > ABSURD_AGE:
        return seen
    return published


class OutletClocks:
    """Finds outlets whose stamps are always old: a wrong zone or a date without a time.

    Such an outlet's articles would never be fresh. When its *quickest* article of each of several
    days came more than `STALE` after its stamp, its stamps are not believed, and its articles are
    filed shortly before they were seen. Causal: today is judged by the days before.
    """

    STALE: Final = 90 * MINUTE
    MIN_DAYS: Final = 2
    KEEP_DAYS: Final = 10
    USUAL_DELAY: Final = 10 * MINUTE
    MAX_OUTLETS: Final = 2000

    __slots__ = ("_quickest",)

    def __init__(self) -> None:
        self._quickest: dict[str, dict[int, int]] = {}

    def file(self, outlet: str, published: int | None, seen: int) -> int:
        """The second under which this article of ``outlet`` is filed; learns from its delay."""
        at = published_second(published, seen)
        if published is None or at != published:
            return at
        delay = seen - at
        days = self._quickest.get(outlet)
        if days is None:
            if delay > 60 * DAY or len(self._quickest) >= self.MAX_OUTLETS:
                return at
            days = self._quickest[outlet] = {}
        today = seen // DAY
        if delay < days.get(today, 60 * DAY):
            days[today] = delay
            while len(days) > self.KEEP_DAYS:
                del days[min(days)]
        if delay > self.STALE:
            past = [d for day, d in days.items() if today - self.KEEP_DAYS <= day < today]
            if len(past) >= self.MIN_DAYS and min(past) > self.STALE:
                return seen - self.USUAL_DELAY
        return at

    def forget(self, seen: int) -> None:
        """Drop outlets that have been silent for `KEEP_DAYS`."""
        oldest = seen // DAY - self.KEEP_DAYS
        for outlet in [o for o, days in self._quickest.items() if max(days) < oldest]:
            del self._quickest[outlet]

    def to_json(self) -> dict[str, list[tuple[int, int]]]:
        """The state as plain values."""
        return {o: sorted(days.items()) for o, days in sorted(self._quickest.items())}

    @classmethod
    def from_json(cls, raw: dict[str, list[tuple[int, int]]]) -> OutletClocks:
        """The inverse of `to_json`."""
        self = cls()
        self._quickest = {o: dict(days) for o, days in raw.items()}
        return self
