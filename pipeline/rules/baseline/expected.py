"""What a series ordinarily counts: level × hour of day × weekday, learned as it goes.

Each factor is a ratio of two exponentially forgotten sums, what was counted over what the other
factors expected, pulled towards a prior (a Gamma–Poisson posterior mean, so that a young series
knows little and says so). About 120 floats a series; learning an hour is O(1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from pipeline.rules.times import DAY, HOUR

HOURS: Final = 24
WEEKDAYS: Final = 7
_THURSDAY: Final = 3  # 1 January 1970, counted from Monday

Profile = tuple[tuple[float, ...], tuple[float, ...]]
"""Factors by hour of day (24) and by weekday (7, from Monday), each about 1 on average."""


def hour_of_day(hour: int) -> int:
    """0–23 (UTC) of an hour since 1970."""
    return hour % HOURS


def weekday(hour: int) -> int:
    """0–6 from Monday (UTC) of an hour since 1970."""
    return (hour // HOURS + _THURSDAY) % WEEKDAYS


@dataclass(frozen=True, slots=True)
class SeasonalSettings:
    """How fast a seasonal model learns, and what it believes before."""

    level_half_life: float = 48.0
    """Hours, at least. Follows a new normal within days."""
    level_slowest: float = 240.0
    """Hours, at most: a sparse series learns over longer."""
    level_counts: float = 20.0
    """Between them the half-life is the time that brings so many counts."""
    hour_half_life: float = 14.0
    """Days, of each hour of the day."""
    weekday_half_life: float = 6.0
    """Weeks, of each weekday."""
    hour_prior: float = 6.0
    """Counts that the prior profile weighs in each hour of the day."""
    weekday_prior: float = 50.0
    """The same for each weekday."""
    level_shape: float = 0.4
    level_hours: float = 1.0
    """Prior of the level: shape counts in so many hours."""


class Seasonal:
    """The expected count an hour, and its uncertainty."""

    __slots__ = (
        "_day_count",
        "_day_expected",
        "_hour_count",
        "_hour_expected",
        "_keep_day",
        "_keep_hour",
        "_settings",
        "count",
        "expected",
        "hours_learned",
        "prior",
    )

    def __init__(self, settings: SeasonalSettings) -> None:
        self._settings = settings
        self._keep_hour = 0.5 ** (1 / settings.hour_half_life)
        self._keep_day = 0.5 ** (1 / settings.weekday_half_life)
        self._hour_count = [0.0] * HOURS
        self._hour_expected = [0.0] * HOURS
        self._day_count = [0.0] * WEEKDAYS
        self._day_expected = [0.0] * WEEKDAYS
        self.count = settings.level_shape
        self.expected = settings.level_hours
        self.prior: Profile | None = None
        """What the profile is pulled towards; None: flat."""
        self.hours_learned = 0

    def factors(self, hour: int) -> tuple[float, float]:
        """Factor of the hour of day (its neighbours help) and of the weekday."""
        h, d = hour_of_day(hour), weekday(hour)
        before, after = h - 1, (h + 1) % HOURS
        count = self._hour_count[h] + 0.5 * (self._hour_count[before] + self._hour_count[after])
        expected = self._hour_expected[h] + 0.5 * (
            self._hour_expected[before] + self._hour_expected[after]
        )
        prior_hour, prior_day = (
            (self.prior[0][h], self.prior[1][d]) if self.prior is not None else (1.0, 1.0)
        )
        s = self._settings
        return (
            (count + s.hour_prior * prior_hour) / (expected + s.hour_prior),
            (self._day_count[d] + s.weekday_prior * prior_day)
            / (self._day_expected[d] + s.weekday_prior),
        )

    @property
    def _keep_level(self) -> float:
        s = self._settings
        half_life = s.level_counts / max(self.level, 1e-6)
        half_life = min(max(half_life, s.level_half_life), s.level_slowest)
        return math.pow(0.5, 1 / half_life)

    @property
    def level(self) -> float:
        """Counts an hour with every factor at 1."""
        return self.count / self.expected

    @property
    def relative_variance(self) -> float:
        """Squared coefficient of variation of the level: 1 over the counts that it rests on."""
        return 1.0 / max(self.count, 0.3)

    def mean(self, hour: int) -> float:
        """The expected count of an hour since 1970, feeds complete."""
        by_hour, by_day = self.factors(hour)
        return self.level * by_hour * by_day

    def learn(self, hour: int, count: float, weight: float, exposure: float) -> None:
        """Learn what an hour counted.

        Args:
            hour: since 1970; hours come in order, some may be left out.
            count: censored by the caller.
            weight: 0–1, how much this hour is believed to be ordinary.
            exposure: share of the feeds that delivered; below one the profile is left alone.
        """
        by_hour, by_day = self.factors(hour)
        mean = self.level * by_hour * by_day
        h, d = hour_of_day(hour), weekday(hour)
        s = self._settings
        if exposure > 0.97:
            self._hour_count[h] = self._keep_hour * self._hour_count[h] + weight * count
            self._hour_expected[h] = self._keep_hour * self._hour_expected[h] + weight * mean / max(
                by_hour, 0.02
            )
            keep = self._keep_day if h == 0 else 1.0
            self._day_count[d] = keep * self._day_count[d] + weight * count
            self._day_expected[d] = keep * self._day_expected[d] + weight * mean / max(by_day, 0.02)
        keep_level = self._keep_level
        forget = 1 - keep_level
        self.count = keep_level * self.count + weight * count + forget * s.level_shape
        self.expected = (
            keep_level * self.expected
            + weight * max(by_hour * by_day, 1e-4) * exposure
            + forget * s.level_hours
        )
        self.hours_learned += 1

    def add_late(self, hour: int, count: float, hours_ago: int) -> None:
        """Add to an hour that `learn` has had before with all feeds, at the weight that it has now.

        Exact for the profile, which forgets an hour of the day when it comes again; the level
        forgets at the pace of now.

        Args:
            hour: since 1970.
            count: to be added, by the weight that the hour was learned with.
            hours_ago: hours learned since; fewer than a day's.
        """
        self._hour_count[hour_of_day(hour)] += count
        self._day_count[weekday(hour)] += count
        self.count += count * self._keep_level**hours_ago

    def copy(self) -> Seasonal:
        """An independent equal."""
        return Seasonal.from_json(self.to_json(), self._settings)

    def absorb(self, past: Seasonal, hours_ago: int) -> None:
        """Add what ``past`` learned of the time that ended ``hours_ago``, forgotten accordingly."""
        keep = self._keep_level**hours_ago
        self.count += keep * max(past.count - self._settings.level_shape, 0.0)
        self.expected += keep * max(past.expected - self._settings.level_hours, 0.0)
        days = hours_ago / HOURS
        for mine, theirs, fade in (
            (self._hour_count, past._hour_count, self._keep_hour**days),
            (self._hour_expected, past._hour_expected, self._keep_hour**days),
            (self._day_count, past._day_count, self._keep_day ** (days / WEEKDAYS)),
            (self._day_expected, past._day_expected, self._keep_day ** (days / WEEKDAYS)),
        ):
            mine[:] = [a + fade * b for a, b in zip(mine, theirs, strict=True)]
        self.hours_learned += past.hours_learned

    def doubt(self) -> None:
        """Keep the level, but no more certainty about it than a day of counts gives."""
        factor = min(1.0, HOURS / self.expected)
        self.count *= factor
        self.expected *= factor

    def raise_level(self, factor: float) -> None:
        """The world that is counted has grown by ``factor`` (a new feed)."""
        self.count *= factor

    def profile(self) -> Profile:
        """The factors as they stand, as a prior for others."""
        monday = (4 * DAY) // HOUR  # 5 January 1970
        by_day = [self.factors(monday + d * HOURS)[1] for d in range(WEEKDAYS)]
        by_hour = [self.factors(monday + h)[0] for h in range(HOURS)]
        return tuple(by_hour), tuple(by_day)

    def to_json(self) -> dict[str, Any]:
        """The state as plain values."""
        return {
            "hc": self._hour_count,
            "he": self._hour_expected,
            "dc": self._day_count,
            "de": self._day_expected,
            "c": self.count,
            "e": self.expected,
            "n": self.hours_learned,
            "p": None if self.prior is None else [list(self.prior[0]), list(self.prior[1])],
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any], settings: SeasonalSettings) -> Seasonal:
        """The inverse of `to_json`."""
        self = cls(settings)
        self._hour_count, self._hour_expected = list(raw["hc"]), list(raw["he"])
        self._day_count, self._day_expected = list(raw["dc"]), list(raw["de"])
        self.count, self.expected, self.hours_learned = raw["c"], raw["e"], raw["n"]
        prior = raw["p"]
        self.prior = None if prior is None else (tuple(prior[0]), tuple(prior[1]))
        return self


class Dispersion:
    """How much wilder than Poisson a series is: variance = phi·mean + kappa·mean².

    Both from forgotten moments of hourly residuals, with the prior phi = 1, kappa = 0.
    """

    HALF_LIFE: Final = 336.0
    _PRIOR_HOURS: Final = 2.0
    _LEAN: Final = 20.0  # a ridge: kappa needs hours of different means to be told from phi

    __slots__ = ("_moments",)

    def __init__(self) -> None:
        # weight, weight·mean, weight·mean², weight·ratio, weight·ratio·mean
        self._moments = [self._PRIOR_HOURS, 0.0, 0.0, self._PRIOR_HOURS, 0.0]

    def values(self) -> tuple[float, float]:
        """(phi, kappa): 1–15 and 0–0.5."""
        n, mean, square, ratio, cross = self._moments
        kappa = (cross - ratio * mean / n) / ((square - mean * mean / n) + self._LEAN)
        kappa = min(max(kappa, 0.0), 0.5)
        return min(max((ratio - kappa * mean) / n, 1.0), 15.0), kappa

    def learn(self, count: float, mean: float, weight: float) -> None:
        """Learn from one full hour."""
        ratio = min((count - mean) ** 2 / max(mean, 0.05), 30.0)
        g = weight * mean / (mean + 0.3)
        keep = 0.5 ** (1 / self.HALF_LIFE)
        new = (g, g * mean, g * mean * mean, g * ratio, g * ratio * mean)
        self._moments = [keep * old + v for old, v in zip(self._moments, new, strict=True)]

    def to_json(self) -> list[float]:
        """The state as plain values."""
        return self._moments

    @classmethod
    def from_json(cls, raw: list[float]) -> Dispersion:
        """The inverse of `to_json`."""
        self = cls()
        self._moments = list(raw)
        return self


def standard_deviation(mean: float, phi: float, kappa: float) -> float:
    """Of a count with variance phi·mean + kappa·mean²."""
    return math.sqrt(phi * mean + kappa * mean * mean)
