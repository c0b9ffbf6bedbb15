"""How unlikely the newest counts are: tails of the negative binomial over sliding windows."""

from __future__ import annotations

import math
from typing import Final

_LN10: Final = math.log(10)


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
