"""How long to wait before a part is started again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Bounds how often a part is started: the time between two starts doubles, with jitter.

    Between starts, and not from an end to the next start: one that worked for a while and was
    killed is back at once, however many kills there were before, and one that fails at once is not
    started in a circle. After a long run all begins anew.
    """

    first_s: float = 0.5
    limit_s: float = 30.0
    calm_s: float = 60.0
    """A run of this length says that the part is well."""
    dice: random.Random = field(default_factory=random.Random)
    _failures: int = 0
    _spacing_s: float = 0.0

    def after(self, ran_s: float) -> float:
        """Seconds to wait after a run of ``ran_s`` seconds."""
        if ran_s >= self.calm_s:
            self._failures = 0
        self._failures += 1
        # Step by step, and not by a power of the failures: those may be thousands in a night.
        longer = self.first_s if self._failures == 1 else 2 * self._spacing_s
        self._spacing_s = min(self.limit_s, longer)
        return max(0.0, self._spacing_s * self.dice.uniform(0.75, 1.25) - ran_s)

    @property
    def failures(self) -> int:
        """Short runs in a row."""
        return self._failures
