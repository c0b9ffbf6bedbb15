"""One counted series: its recent buckets, its expected counts, its spike score at any second.

Used by `detector.TopicDetector` (two a topic) and by ``straitwatch detect`` (one a stream).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Final

from pipeline.rules.expected import (
    Dispersion,
    Seasonal,
    SeasonalSettings,
    standard_deviation,
)
from pipeline.rules.exposure import BUCKETS_A_DAY, KEEP_BUCKETS, Completeness, Exposure
from pipeline.rules.history import History
from pipeline.rules.spike import tail_score
from pipeline.rules.times import BUCKET, BUCKETS_AN_HOUR, HOUR

WINDOWS: Final = (4, 6, 9, 12, 18, 24, 36, 54, 72, 108, 144, 288)
"""Buckets: 20 min to 24 h, each about half as long again. A coarser set costs minutes of delay."""

START_GRACE: Final = HOUR // 2
"""Seconds: what was published so shortly before the watch began is news; connectors mark older
entries of a first poll as back-filled."""

_YOUNG_WINDOWS: Final = (3, 6, 12)
"""Buckets: a quarter of an hour to one hour."""
_PRIOR_COUNT: Final = 1.0
_PRIOR_HOURS: Final = 2.0
"""What is believed of the rate before anything is known: one story in two hours."""

_PRIOR_JOINED: Final = 2.0
_PRIOR_STORIES: Final = 20.0
_MOST_COHERENCE: Final = 2.0
"""One story in ten is believed to join another owner's event; what agreement can add is bounded."""

_MODEL: Final = SeasonalSettings()
_DEFAULT_RATE: Final = 0.10
_DECADE: Final = 1.2


@dataclass(frozen=True, slots=True)
class SpikeSettings:
    """The numbers of the decision; the defaults are measured on the benchmark (detector page)."""

    threshold: float = 3.75
    """Score from which a spike is one; by `at_sensitivity` for another rate of false alerts."""
    minimum: float = 4.0
    """Fewest stories in the window."""
    strong_minimum: float = 3.0
    """The same where only stories of coercion or force are counted."""
    ratio: float = 1.6
    """Smallest multiple of the expected count."""
    owners: int = 3
    """Fewest distinct owners."""
    cap: float = 0.2
    """One owner's excess counts at most this share of the excess of all others, or one story."""
    model_error: float = 0.02
    """Squared relative error of the expected count that no learning removes."""
    fresh: int = 3 * HOUR
    """Seconds: an article older than this when seen only teaches."""
    warm_hours: int = 72
    """Hours learned until the baseline is called warm."""
    leak: float = 0.1
    """Share of reprints, beyond one a story, that the collapse may have let pass for new stories:
    so many are expected on top."""
    level_penalty: float = 0.3
    """What a look at one level alone costs."""
    young_minimum: float = 5.0
    young_owners: int = 4
    young_penalty: float = 1.0
    """Fewest stories, fewest owners, and what the score loses, until the baseline is warm."""

    def at_sensitivity(self, rate: float) -> SpikeSettings:
        """The same settings for ``rate`` false alerts a series-week.

        The false alerts of the benchmark fall by ten for each `_DECADE` of threshold. They lie a
        quarter below the rate asked for: a margin for streams that were not seen.
        """
        decades = math.log10(_DEFAULT_RATE / max(rate, 1e-3))
        return replace(self, threshold=self.threshold + _DECADE * decades)


@dataclass(frozen=True, slots=True)
class Spike:
    """What stands out at one moment."""

    score: float
    buckets: int
    """Length of the window that stands out most."""
    observed: int
    expected: float
    variance: float
    owners: int
    level: int = 0
    """Only stories of at least this level are counted in it."""


class SeriesCore:
    """Counts, learns and scores one series. Buckets are closed in order by `close`."""

    __slots__ = (
        "_base",
        "_begun",
        "_completeness",
        "_copies",
        "_dispersion",
        "_exposed",
        "_exposure",
        "_fresh",
        "_group_weight",
        "_history",
        "_hour_score",
        "_joined",
        "_late",
        "_owner_weight",
        "_probation",
        "_rate",
        "_relearn",
        "_settings",
        "_stories",
        "_tiers",
        "_weight",
        "bucket",
        "last_spike",
        "model",
        "since",
    )

    def __init__(
        self, settings: SpikeSettings, exposure: Exposure, completeness: Completeness
    ) -> None:
        self._settings = settings
        self._exposure = exposure
        self._completeness = completeness
        self.model = Seasonal(_MODEL)
        self._dispersion = Dispersion()
        self.bucket = 0
        """The newest bucket, not yet ended."""
        self.since: int | None = None
        """The bucket in which learning began."""
        self._base = self._begun = 0
        self._history = History(0)
        self._fresh: list[int] = []
        self._late: list[int] = []
        self._rate: list[float] = []
        self._exposed: list[float] = []
        self._stories: dict[int, list[tuple[str, int, str]]] = {}
        """Bucket -> owner, level and event of each story that counts."""
        self._copies: dict[int, int] = {}
        """Bucket -> reprints of known stories."""
        self._joined = 0.0
        """Stories on an event that another owner had reported, forgotten as `_weight` is."""
        self._tiers: dict[int, float] = {}
        """Level of 2 or more -> stories of at least that level, forgotten as `_weight` is."""
        self._group_weight: Counter[str] = Counter()
        self._owner_weight: Counter[str] = Counter()
        self._weight = 0.0
        self._probation: Counter[str] = Counter()
        self._hour_score: dict[int, float] = {}
        self._relearn = 0
        self.last_spike = -(10**9)
        """The last bucket whose score reached the threshold."""

    # -- counting

    def begin(self, second: int) -> None:
        """Start watching at ``second``: what was published `START_GRACE` before is no news."""
        bucket = second // BUCKET
        self._begun = second
        self.since = self.bucket = bucket
        self._base = (second - START_GRACE) // BUCKET
        self._history = History(bucket // BUCKETS_AN_HOUR)
        for b in range(self._base, bucket + 1):
            self._append(b)

    def add(
        self,
        at: int,
        seen: int,
        owner: str,
        group: str,
        *,
        level: int = 0,
        event: str = "",
        teach_only: bool = False,
    ) -> bool:
        """Count a story once, filed under second ``at``.

        Returns:
            Whether it counts as news: fresh, and from feeds that are neither new nor importing.
        """
        bucket = min(at // BUCKET, self.bucket)
        index = bucket - self._base
        if teach_only:
            self._history.add(at // HOUR, seen)
        if index < 0:
            return False
        age = seen - at
        s = self._settings
        if self._exposure.on_probation(self.bucket, group):
            if age < s.fresh:
                self._probation[group] += 1
            return False
        if (
            teach_only
            or age > s.fresh
            or at < self._begun - START_GRACE
            or (age > HOUR // 2 and self._exposure.is_flooding(self.bucket, group))
        ):
            self._late[index] += 1
            return False
        self._fresh[index] += 1
        if event and any(
            e == event and o != owner for found in self._stories.values() for o, _, e in found
        ):
            self._joined += 1
        self._stories.setdefault(bucket, []).append((owner, level, event))
        self._group_weight[group] += 1
        self._owner_weight[owner] += 1
        self._weight += 1
        for tier in range(2, level + 1):
            self._tiers[tier] = self._tiers.get(tier, 0.0) + 1
        return True

    def copy(self, at: int, seen: int) -> None:
        """Note a reprint filed under second ``at``: some of its like pass for new stories."""
        if seen - at <= self._settings.fresh:
            bucket = min(at // BUCKET, self.bucket)
            if bucket >= self._base:
                self._copies[bucket] = self._copies.get(bucket, 0) + 1

    def close(self) -> None:
        """End the newest bucket and begin the next. `Exposure.close` comes first."""
        index = self.bucket - self._base
        self._exposed[index] = e = self._share(self.bucket)
        if e >= 0.97 and index and self._exposed[index - 1] < 0.97:
            # All back: late copies of the hole may still come.
            j = index - 1
            while j >= 0 and self._exposed[j] < 0.97:
                self._exposed[j] = 1.0
                j -= 1
        self.bucket += 1
        if self.bucket % BUCKETS_A_DAY == 0:
            self._fade()
        for group in self._exposure.graduates:
            self._graduate(group)
        if self.bucket % BUCKETS_AN_HOUR == 0:
            self._learn(self.bucket // BUCKETS_AN_HOUR - 3)
        self._append(self.bucket)

    @property
    def rests_at(self) -> int | None:
        """When `rest` may learn; None: no archive waits."""
        return self._history.rests_at

    def rest(self, now: int) -> bool:
        """Learn from an imported archive once it has come to rest; whether that was now."""
        if not self._history.is_at_rest(now):
            return False
        taught = self._history.teach(
            self.model, self._dispersion, _MODEL, self.bucket // BUCKETS_AN_HOUR
        )
        if taught is None:
            return False
        self.model, first_hour = taught
        self.since = first_hour * BUCKETS_AN_HOUR
        rate = self.model.mean(self.bucket // BUCKETS_AN_HOUR) / BUCKETS_AN_HOUR
        self._rate = [rate] * len(self._rate)
        return True

    def skip_to(self, bucket: int) -> None:
        """Go on at ``bucket`` after a time without any news or feed report: nothing was learned.

        The profile stays, the level is remembered as a belief of a day's worth of counts.
        """
        self.model.doubt()
        for values in (self._fresh, self._late, self._rate, self._exposed):
            values.clear()
        self._stories.clear()
        self._copies.clear()
        self._hour_score.clear()
        self._relearn = 0
        self.bucket = self._base = bucket
        self._append(bucket)

    def _append(self, bucket: int) -> None:
        if bucket % BUCKETS_AN_HOUR == 0 or not self._rate:
            rate = self.model.mean(bucket // BUCKETS_AN_HOUR) / BUCKETS_AN_HOUR
        else:
            rate = self._rate[-1]
        self._fresh.append(0)
        self._late.append(0)
        self._rate.append(rate)
        self._exposed.append(self._exposed[-1] if self._exposed else 1.0)

    def _fade(self) -> None:
        self.model.prior = self._exposure.profile
        for counter in (self._group_weight, self._owner_weight):
            for name in list(counter):
                counter[name] *= 0.97  # type: ignore[assignment]
                if counter[name] < 0.01:
                    del counter[name]
        self._weight *= 0.97
        self._joined *= 0.97
        self._tiers = {tier: 0.97 * n for tier, n in self._tiers.items()}
        drop = len(self._fresh) - KEEP_BUCKETS
        if drop > 0:
            for values in (self._fresh, self._late, self._rate, self._exposed):
                del values[:drop]
            self._base += drop
            self._stories = {b: f for b, f in self._stories.items() if b >= self._base}
            self._copies = {b: n for b, n in self._copies.items() if b >= self._base}

    def _share(self, bucket: int) -> float:
        by_group = self._exposure.shares.get(bucket)
        if not by_group or self._weight < 20:
            return 1.0
        total = delivered = 0.0
        for group, weight in self._group_weight.items():
            total += weight
            delivered += weight * by_group.get(group, 1.0)
        return delivered / total if total else 1.0

    def _graduate(self, group: str) -> None:
        length = self._exposure.usual_buckets_of_probation()
        usual = self.model.level * length / BUCKETS_AN_HOUR
        if usual > 0:
            factor = 1 + min(self._probation.pop(group, 0) / max(usual, 3.0), 3.0)
            self.model.raise_level(factor)
            self._group_weight[group] += self._weight * (factor - 1)  # type: ignore[assignment]

    # -- what is expected

    @property
    def is_warm(self) -> bool:
        """Whether the baseline has learned long enough to be trusted."""
        return self.model.hours_learned >= self._settings.warm_hours

    @property
    def is_young(self) -> bool:
        """Whether the baseline is not warm yet."""
        return not self.is_warm

    @property
    def exposed(self) -> float:
        """Share of the usual feeds that deliver now."""
        return self._exposed[-1]

    def exposed_in(self, bucket: int) -> float:
        """The same of a past bucket; 1.0 where it is forgotten."""
        index = bucket - self._base
        return self._exposed[index] if 0 <= index < len(self._exposed) else 1.0

    def expected_in(self, bucket: int) -> tuple[float, float]:
        """Mean and variance of the count of one whole bucket."""
        index = bucket - self._base
        if not 0 <= index < len(self._rate):
            return 0.0, 0.0
        mean = self._rate[index] * self._exposed[index]
        phi, kappa = self.spread()
        return mean, phi * mean + kappa * mean * mean

    def expected(self, buckets: int, now: int) -> tuple[float, float]:
        """Mean and variance of the count in the window of so many buckets that ends at ``now``."""
        mean = max(sum(self._expected_by_bucket(now)[-buckets:]), 0.02)
        phi, kappa = self.spread()
        return mean, phi * mean + kappa * mean * mean

    def spread(self) -> tuple[float, float]:
        """(phi, kappa): an ordinary count with mean m has the variance phi·m + kappa·m²."""
        phi, kappa = self._dispersion.values()
        kappa += self._settings.model_error + self.model.relative_variance
        if self._exposed[-1] < 0.97:
            kappa += 0.1
        return phi, kappa

    def _expected_by_bucket(self, now: int, newest: int = BUCKETS_A_DAY) -> list[float]:
        """What should have been seen by ``now`` of each of the newest buckets."""
        rates, exposed = self._rate[-newest:], self._exposed[-newest:]
        expected = [r * e for r, e in zip(rates, exposed, strict=True)]
        shares, n, into = self._completeness.shares, len(expected), now % BUCKET
        expected[-1] *= 0.5 * shares[0] * (into / BUCKET)
        for age in range(1, min(len(shares), n)):
            expected[n - 1 - age] *= 0.5 * (shares[age] + shares[age - 1])
        return expected

    # -- scoring

    def score(self, now: int) -> Spike | None:
        """The window that stands out most at second ``now``; None when none does."""
        s = self._settings
        if self._exposed[-1] < 0.2:
            return None
        if self.is_young:
            best = self._scan_young(self._fresh[-BUCKETS_A_DAY:], now)
        else:
            best = self._scan(now)
        if best is not None:
            hour = self.bucket // BUCKETS_AN_HOUR
            self._hour_score[hour] = max(self._hour_score.get(hour, 0.0), best.score)
            if best.score >= s.threshold:
                self.last_spike = self.bucket
        return best

    def _scan(self, now: int) -> Spike | None:
        s = self._settings
        newest = BUCKETS_AN_HOUR
        count, expected = sum(self._fresh[-newest:]), self._expected_by_bucket(now, newest)
        rising = count > sum(expected)
        if rising:
            # Else the last hour is ordinary, and longer windows that end with it say nothing new.
            newest = BUCKETS_A_DAY
            expected = self._expected_by_bucket(now, newest)
        elif count < s.strong_minimum:
            return None
        # Sums over the newest 1, 2, 3 … buckets.
        counts = list(accumulate(reversed(self._fresh[-newest:])))
        means = list(accumulate(reversed(expected)))
        oldest = self.bucket - len(expected)
        copies = list(accumulate(self._copies.get(b, 0) for b in range(self.bucket, oldest, -1)))
        last = len(counts) - 1
        far = self.bucket - self.last_spike
        spread = self.spread()
        best: Spike | None = None
        for window in WINDOWS:
            # After a spike, do not look back into it.
            width = min(window, far - 1) if far > 24 else window
            if width > BUCKETS_AN_HOUR and not rising:
                break
            at = min(width - 1, last)
            leaked = s.leak * max(copies[at] - counts[at], 0)
            for found in self._looks(width, counts[at], max(means[at], 0.02) + leaked, spread):
                if best is None or found.score > best.score:
                    best = found
        return best

    def _looks(
        self, width: int, count: int, mean: float, spread: tuple[float, float]
    ) -> Iterator[Spike]:
        """The window with all its stories, and with those of each higher level alone.

        The expected count of a level is its share of the stories so far; looking again costs.
        """
        s = self._settings
        phi, kappa = spread
        if count >= s.minimum and count >= s.ratio * mean:
            found = self._judge(self._stories_in(width), mean, phi, kappa, width, s.minimum)
            if found is not None:
                yield found
        if count < s.strong_minimum:
            return
        for tier, strong in self._tiers.items():
            stories = self._stories_in(width, tier)
            share = (strong + 1) / (self._weight + 2)
            found = self._judge(
                stories,
                max(mean * share, 0.02),
                phi,
                kappa + 1 / (strong + 1),
                width,
                s.strong_minimum,
            )
            if found is not None:
                yield replace(found, score=found.score - s.level_penalty, level=tier)

    def _scan_young(self, fresh: list[int], now: int) -> Spike | None:
        """Without a baseline: against the rate since the start, with wide doubt, and cautiously.

        There is no hour of day or weekday yet, so only short windows count, more stories of more
        owners are asked for, and the score is lowered.
        """
        s = self._settings
        shares, into = self._completeness.shares, now % BUCKET / BUCKET
        best: Spike | None = None
        for width in _YOUNG_WINDOWS:
            before = fresh[:-width]
            count = _PRIOR_COUNT + sum(before)
            rate = count / (_PRIOR_HOURS + len(before) / BUCKETS_AN_HOUR)
            seen = into * shares[0] + sum(shares[1 : min(width, len(fresh))])
            mean = max(rate * seen / BUCKETS_AN_HOUR, 0.02)
            kappa = s.model_error + 0.1 + 1 / count
            stories = self._stories_in(width)
            if len(stories) < s.young_minimum or len({o for o, *_ in stories}) < s.young_owners:
                continue
            found = self._judge(stories, mean, 1.5, kappa, width, s.minimum)
            if found is not None and (best is None or found.score > best.score):
                best = found
        if best is None or best.score <= s.young_penalty:
            return None
        return replace(best, score=best.score - s.young_penalty)

    def _judge(
        self,
        stories: list[tuple[str, int, str]],
        mean: float,
        phi: float,
        kappa: float,
        width: int,
        minimum: float,
    ) -> Spike | None:
        """How unlikely the stories of the newest ``width`` buckets are; None: no spike at all."""
        s = self._settings
        count = len(stories)
        owners = Counter(owner for owner, _, _ in stories)
        if len(owners) < s.owners or count < minimum or count < s.ratio * mean:
            return None
        capped = self._cap(count, mean, owners)
        if capped < minimum or capped < s.ratio * mean:
            return None
        variance = phi * mean + kappa * mean * mean
        score = tail_score(capped, mean, variance) + self._coherence(stories)
        return Spike(score, width, count, mean, variance, len(owners))

    def _coherence(self, stories: list[tuple[str, int, str]]) -> float:
        """−log10 of the chance that so many owners among ``stories`` report one event.

        A union bound: ordinarily a story joins another owner's event with a share that is learned,
        so k owners on one of n events have a chance of at most n · share^(k−1).
        """
        owners: dict[str, set[str]] = {}
        for owner, _, event in stories:
            if event:
                owners.setdefault(event, set()).add(owner)
        most = max((len(o) for o in owners.values()), default=0)
        if most < 2:
            return 0.0
        share = (self._joined + _PRIOR_JOINED) / (self._weight + _PRIOR_STORIES)
        chance = len(stories) * share ** (most - 1)
        return min(max(-math.log10(chance), 0.0), _MOST_COHERENCE)

    def _stories_in(self, width: int, least_level: int = 0) -> list[tuple[str, int, str]]:
        first = self.bucket - width
        if width > len(self._stories):
            buckets: Iterable[int] = [b for b in self._stories if b > first]
        else:
            buckets = range(first + 1, self.bucket + 1)
        return [
            story
            for bucket in buckets
            for story in self._stories.get(bucket, ())
            if story[1] >= least_level
        ]

    def _cap(self, count: int, mean: float, owners: Counter[str]) -> float:
        """The count with the excess of a flooding owner cut to `cap` of the others' excess."""
        capped = float(count)
        weight = max(self._weight, 1.0)
        for owner, n in sorted(owners.items(), key=lambda item: (-item[1], item[0]))[:3]:
            usual = mean * self._owner_weight[owner] / weight
            rest = capped - n - (mean - usual)
            limit = max(1.0, self._settings.cap * max(rest, 0.0))
            if n - usual > limit:
                capped -= n - usual - limit
        return capped

    # -- learning

    def _learn(self, hour: int) -> None:
        """Learn an hour that ended two hours ago, censored if it looks like a spike."""
        start = hour * BUCKETS_AN_HOUR - self._base
        if start < 0 or hour * BUCKETS_AN_HOUR < self._begun // BUCKET:
            return
        part = slice(start, start + BUCKETS_AN_HOUR)
        count = sum(self._fresh[part])
        exposure = sum(self._exposed[part]) / BUCKETS_AN_HOUR
        top = self._hour_score.pop(hour, 0.0)
        if exposure < 0.5:
            return
        s = self._settings
        mean = max(self.model.mean(hour) * exposure, 1e-6)
        phi, kappa = self._dispersion.values()
        kappa += s.model_error + self.model.relative_variance
        self._relearn = self._relearn + 1 if top >= 0.7 * s.threshold else max(0, self._relearn - 2)
        young = self.model.hours_learned < s.warm_hours
        new_normal = self._relearn >= 72
        limit = mean + 4 * standard_deviation(mean, phi, kappa)
        weight = 1.0
        if not young and not new_normal:
            doubt = (top - 2.0) / max(s.threshold - 2.0, 0.5)
            weight = min(1.0, max(0.05, 1 - 0.95 * doubt))
        censored = count if new_normal else min(count, max(limit, 3.0))
        if exposure > 0.97:
            self._dispersion.learn(censored, mean, weight)
        self.model.learn(hour, censored, weight, exposure)
        if self._history.live is not None:
            self._history.live.learn(hour, censored, weight, exposure)

    # -- state

    def to_json(self) -> dict[str, Any]:
        """The state as plain values; exposure and completeness are shared and kept by the owner."""
        keep = max(0, len(self._fresh) - KEEP_BUCKETS)
        base = self._base + keep
        return {
            "model": self.model.to_json(),
            "dispersion": self._dispersion.to_json(),
            "bucket": self.bucket,
            "since": self.since,
            "base": base,
            "begun": self._begun,
            "history": self._history.to_json(),
            "fresh": self._fresh[keep:],
            "late": self._late[keep:],
            "rate": self._rate[keep:],
            "exposed": self._exposed[keep:],
            "tiers": sorted(self._tiers.items()),
            "stories": [[b, found] for b, found in sorted(self._stories.items()) if b >= base],
            "joined": self._joined,
            "copies": sorted((b, n) for b, n in self._copies.items() if b >= base),
            "group_weight": sorted(self._group_weight.items()),
            "owner_weight": sorted(self._owner_weight.items()),
            "weight": self._weight,
            "probation": sorted(self._probation.items()),
            "hour_score": sorted(self._hour_score.items()),
            "relearn": self._relearn,
            "last_spike": self.last_spike,
        }

    @classmethod
    def from_json(
        cls,
        raw: dict[str, Any],
        settings: SpikeSettings,
        exposure: Exposure,
        completeness: Completeness,
    ) -> SeriesCore:
        """The inverse of `to_json`."""
        self = cls(settings, exposure, completeness)
        self.model = Seasonal.from_json(raw["model"], _MODEL)
        self._dispersion = Dispersion.from_json(raw["dispersion"])
        self.bucket, self.since, self._base = raw["bucket"], raw["since"], raw["base"]
        self._begun = raw["begun"]
        self._history = History.from_json(raw["history"], _MODEL)
        self._fresh, self._late = list(raw["fresh"]), list(raw["late"])
        self._rate, self._exposed = list(raw["rate"]), list(raw["exposed"])
        self._stories = {b: [(o, n, e) for o, n, e in found] for b, found in raw["stories"]}
        self._joined = raw["joined"]
        self._copies = dict(raw["copies"])
        self._tiers = dict(raw["tiers"])
        self._group_weight = Counter(dict(raw["group_weight"]))
        self._owner_weight = Counter(dict(raw["owner_weight"]))
        self._weight = raw["weight"]
        self._probation = Counter(dict(raw["probation"]))
        self._hour_score = dict(raw["hour_score"])
        self._relearn, self.last_spike = raw["relearn"], raw["last_spike"]
        return self
