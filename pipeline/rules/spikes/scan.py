"""The windows that end now, and which of them stands out most."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

from pipeline.rules.baseline.exposure import BUCKETS_A_DAY
from pipeline.rules.spikes.recent import Recent, Reported
from pipeline.rules.spikes.spike import Spike, SpikeSettings, tail_score
from pipeline.rules.times import BUCKETS_AN_HOUR

WINDOWS: Final = (4, 6, 9, 12, 18, 24, 36, 54, 72, 108, 144, 288)
"""Buckets: 20 min to 24 h, each about half as long again. A coarser set costs minutes of delay."""

_YOUNG_WINDOWS: Final = (3, 6, 12)
"""Buckets: a quarter of an hour to one hour."""
_PRIOR_COUNT: Final = 1.0
_PRIOR_HOURS: Final = 2.0
"""What is believed of the rate before anything is known: one story in two hours."""

_MOST_COHERENCE: Final = 2.0
"""What agreement on one event can add is bounded."""


@dataclass(frozen=True, slots=True)
class Scan:
    """A look at one series at one moment."""

    settings: SpikeSettings
    recent: Recent
    bucket: int
    """The newest."""
    counts: list[int]
    """New stories of each bucket, up to the newest."""

    def against_baseline(
        self,
        expected_of: Callable[[int], list[float]],
        spread: tuple[float, float],
        last_spike: int,
    ) -> Spike | None:
        """The window that stands out most against what is expected.

        Args:
            expected_of: gives what should have been seen by now of each of the newest n buckets.
            spread: phi and kappa of an ordinary count.
            last_spike: bucket.
        """
        s = self.settings
        newest = BUCKETS_AN_HOUR
        count, expected = sum(self.counts[-newest:]), expected_of(newest)
        rising = count > sum(expected)
        if rising:
            # Else the last hour is ordinary, and longer windows that end with it say nothing new.
            newest = BUCKETS_A_DAY
            expected = expected_of(newest)
        elif count < s.strong_minimum:
            return None
        # Sums over the newest 1, 2, 3 … buckets.
        counts = list(accumulate(reversed(self.counts[-newest:])))
        means = list(accumulate(reversed(expected)))
        oldest = self.bucket - len(expected)
        copies = list(accumulate(self.recent.copies(b) for b in range(self.bucket, oldest, -1)))
        last = len(counts) - 1
        far = self.bucket - last_spike
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
        s = self.settings
        phi, kappa = spread
        if count >= s.minimum and count >= s.ratio * mean:
            found = self._judge(
                self.recent.newest(self.bucket, width), mean, phi, kappa, width, s.minimum
            )
            if found is not None:
                yield found
        if count < s.strong_minimum:
            return
        for tier, strong in self.recent.tiers.items():
            stories = self.recent.newest(self.bucket, width, tier)
            share = (strong + 1) / (self.recent.weight + 2)
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

    def young(self, shares: list[float], into: float) -> Spike | None:
        """Without a baseline: against the rate since the start, with wide doubt, and cautiously.

        There is no hour of day or weekday yet, so only short windows count, more stories of more
        owners are asked for, and the score is lowered.

        Args:
            shares: of the news of each age in buckets, the part that has been seen.
            into: part of the newest bucket that has passed.
        """
        s = self.settings
        fresh = self.counts[-BUCKETS_A_DAY:]
        best: Spike | None = None
        for width in _YOUNG_WINDOWS:
            before = fresh[:-width]
            count = _PRIOR_COUNT + sum(before)
            rate = count / (_PRIOR_HOURS + len(before) / BUCKETS_AN_HOUR)
            seen = into * shares[0] + sum(shares[1 : min(width, len(fresh))])
            mean = max(rate * seen / BUCKETS_AN_HOUR, 0.02)
            kappa = s.model_error + 0.1 + 1 / count
            stories = self.recent.newest(self.bucket, width)
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
        stories: list[Reported],
        mean: float,
        phi: float,
        kappa: float,
        width: int,
        minimum: float,
    ) -> Spike | None:
        """How unlikely the stories of the newest ``width`` buckets are; None: no spike at all."""
        s = self.settings
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

    def _coherence(self, stories: list[Reported]) -> float:
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
        share = self.recent.joining
        chance = len(stories) * share ** (most - 1)
        return min(max(-math.log10(chance), 0.0), _MOST_COHERENCE)

    def _cap(self, count: int, mean: float, owners: Counter[str]) -> float:
        """The count with the excess of a flooding owner cut to `cap` of the others' excess."""
        capped = float(count)
        weight = max(self.recent.weight, 1.0)
        for owner, n in sorted(owners.items(), key=lambda item: (-item[1], item[0]))[:3]:
            usual = mean * self.recent.owner_weight[owner] / weight
            rest = capped - n - (mean - usual)
            limit = max(1.0, self.settings.cap * max(rest, 0.0))
            if n - usual > limit:
                capped -= n - usual - limit
        return capped
