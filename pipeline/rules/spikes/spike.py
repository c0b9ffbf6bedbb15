"""What a spike is: the numbers of the decision, and how unlikely a count is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from pipeline.rules.times import HOUR

_LN10: Final = math.log(10)
_DEFAULT_RATE: Final = 0.10
_DECADE: Final = 1.2
USUAL_SENSITIVITY: Final = 4.0
"""Of a topic."""
_USUAL_ALERTS_A_MONTH: Final = 4.6
"""Told of one topic at that sensitivity, in real headlines."""


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


def sensitivity_for(alerts_a_month: float) -> float:
    """The sensitivity at which one is told so often of a topic in an ordinary month.

    Measured over five weeks of real headlines: 2.2 a topic-month at a sensitivity of 0.1, 4.6 at 4,
    7.3 at 13, 11 at 40, that is, about its cube root.
    """
    return USUAL_SENSITIVITY * float((alerts_a_month / _USUAL_ALERTS_A_MONTH) ** 3)


def tail_score(count: float, mean: float, variance: float) -> float:
    """−log10 of the mid-p tail P(N > count) + ½ P(N = count), N negative binomial.

    ``count`` may be fractional (a capped excess): the terms are continued by the gamma function.
    A variance at or below the mean is Poisson. 0.0 when the count is not above the mean.
    """
    if count <= mean:
        return 0.0
    excess = variance / mean - 1
    if excess < 1e-3:
        log_p = -mean + count * math.log(mean) - math.lgamma(count + 1)
        size, q = 0.0, mean
    else:
        size, q = mean / excess, excess / (1 + excess)
        log_p = (
            math.lgamma(count + size)
            - math.lgamma(size)
            - math.lgamma(count + 1)
            - size * math.log(1 + excess)
            + count * math.log(q)
        )
    total, term, k = 0.5, 1.0, count
    for _ in range(300):
        term *= (q * (k + size) if size else q) / (k + 1)
        k += 1
        total += term
        if term < 1e-4 * total:
            break
    return -(log_p + math.log(total)) / _LN10
