"""Which share of the news of a given age has been seen: feeds are polled, so it comes late."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Final

from pipeline.rules.baseline.late import Counted
from pipeline.rules.times import DAY

_LEAST_FRESH: Final = 0.5
"""However much comes late, at least half of what is expected is expected while it is news."""


class Completeness:
    """The shares by age, from delays in bins of a bucket; a day's count from the next day."""

    BINS: Final = 37
    """A bucket each, up to three hours."""

    __slots__ = ("_day", "_sums", "_today", "fresh", "shares")

    def __init__(self) -> None:
        # The last bin is that of the late ones.
        self._sums = [1.0] * 6 + [0.0] * (self.BINS - 5)
        self._today = [0] * (self.BINS + 1)
        self._day = 0
        self.shares: list[float] = []
        """Bin -> share of the fresh news seen by its end."""
        self.fresh = 1.0
        """Share of all news that comes while it is fresh: only such news is counted by a spike."""
        self._fold()

    def learn(self, counted: Counted, delay: int, seen: int) -> None:
        """Note that a story was seen ``delay`` seconds after its publication, and what it was."""
        if counted is Counted.NO_NEWS:
            return
        self._turn(seen)
        if counted is Counted.LATE:
            self._today[-1] += 1
        elif 0 <= delay // 300 < self.BINS:
            self._today[delay // 300] += 1

    def _turn(self, seen: int) -> None:
        if seen // DAY > self._day:
            self._day = seen // DAY
            self._fold()

    def _fold(self) -> None:
        self._sums = [0.9 * old + new for old, new in zip(self._sums, self._today, strict=True)]
        self._today = [0] * (self.BINS + 1)
        self._share()

    def _share(self) -> None:
        total = sum(self._sums[:-1])
        self.shares = [running / total for running in accumulate(self._sums[:-1])]
        self.fresh = max(total / (total + self._sums[-1]), _LEAST_FRESH)

    def to_json(self) -> list[Any]:
        """The state as plain values."""
        return [self._sums, self._today, self._day]

    @classmethod
    def from_json(cls, raw: list[Any]) -> Completeness:
        """The inverse of `to_json`."""
        self = cls()
        self._sums, self._today, self._day = list(raw[0]), list(raw[1]), raw[2]
        self._share()
        return self
