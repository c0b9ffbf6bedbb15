"""What an imported archive teaches a series: hourly counts of the time before it was watched.

An archive arrives at once, after the fact, so it is held until it has come to rest and then learned
as a whole. Kept afterwards, for a second import adds to the same hours.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.rules.baseline.expected import (
    Dispersion,
    Seasonal,
    SeasonalSettings,
    standard_deviation,
)

MAX_HOURS: Final = 90 * 24
"""Older ones would teach nothing: the slowest factor halves in six weeks."""
REST: Final = 30
"""Seconds without another article after which an import is over."""
MIN_DAYS: Final = 7
"""A shorter past is what a feed happens to show at its first poll, no archive."""
_DAY: Final = 24
_NEWEST: Final = 3


class History:
    """Back-filled stories by the hour of their publication."""

    __slots__ = ("_counts", "_since", "live", "touched")

    def __init__(self, since: int) -> None:
        self._since = since
        """The hour in which the series began to be watched, since 1970."""
        self._counts: dict[int, int] = {}
        self.touched: int | None = None
        """Second of the last article that waits to be learned."""
        self.live: Seasonal | None = None
        """What was learned without the archive; None before the first import."""

    def add(self, hour: int, seen: int) -> None:
        """Count a story published in ``hour``, before the series was watched."""
        if self._since - MAX_HOURS <= hour < self._since:
            self._counts[hour] = self._counts.get(hour, 0) + 1
            self.touched = seen

    def is_at_rest(self, now: int) -> bool:
        """Whether something waits, and has come to rest."""
        return self.rests_at is not None and now >= self.rests_at

    @property
    def rests_at(self) -> int | None:
        """Second at which what waits has come to rest; None: nothing waits."""
        return None if self.touched is None else self.touched + REST

    def first_hour(self) -> int | None:
        """Where the archive begins to be complete; None when it is too short to be one.

        What feeds show at their first poll thins out towards the past, each feed where its oldest
        entry is. So a past counts from the first four days that have a quarter of the daily stories
        of the newest three, which may be a crisis.
        """
        if not self._counts:
            return None
        oldest = min(self._counts)
        length = (self._since - oldest) // _DAY
        days = [0] * length
        for hour, count in self._counts.items():
            index = length - 1 - (self._since - 1 - hour) // _DAY
            if index >= 0:
                days[index] += count
        usual = sum(days[-_NEWEST:]) / _NEWEST
        for first in range(length - MIN_DAYS + 1):
            early = days[first : first + MIN_DAYS - _NEWEST]
            if sum(early) / len(early) >= 0.25 * usual:
                return self._since - (length - first) * _DAY
        return None

    def teach(
        self, model: Seasonal, dispersion: Dispersion, settings: SeasonalSettings, hour: int
    ) -> tuple[Seasonal, int] | None:
        """The model with the archive learned, and the archive's first hour; None: no archive.

        Args:
            model: as it stands; with or without an earlier import.
            dispersion: learns from the archive in place, at its first import.
            settings: of the model.
            hour: now.
        """
        self.touched = None
        first = self.first_hour()
        if first is None:
            return None
        is_first = self.live is None
        if self.live is None:
            self.live = model.copy()
        past = Seasonal(settings)
        past.prior = model.prior
        for h in range(first, self._since):
            mean = past.mean(h)
            count: float = self._counts.get(h, 0)
            if past.hours_learned >= 3 * _DAY:
                phi, kappa = dispersion.values()
                kappa += past.relative_variance
                count = min(count, max(3.0, mean + 4 * standard_deviation(mean, phi, kappa)))
                if is_first:
                    dispersion.learn(count, max(mean, 1e-6), 1.0)
            past.learn(h, count, 1.0, 1.0)
        merged = self.live.copy()
        merged.absorb(past, max(0, hour - self._since))
        return merged, first

    def to_json(self) -> dict[str, Any]:
        """The state as plain values."""
        return {
            "since": self._since,
            "counts": sorted(self._counts.items()),
            "touched": self.touched,
            "live": None if self.live is None else self.live.to_json(),
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any], settings: SeasonalSettings) -> History:
        """The inverse of `to_json`."""
        self = cls(raw["since"])
        self._counts = dict(raw["counts"])
        self.touched = raw["touched"]
        self.live = None if raw["live"] is None else Seasonal.from_json(raw["live"], settings)
        return self
