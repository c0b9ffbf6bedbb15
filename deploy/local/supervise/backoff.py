"""How long to wait before a part is started again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Exponential, with jitter; a part that ran for a while starts at the beginning again."""

    first_s: float = 0.5
    limit_s: float = 30.0
    calm_s: float = 60.0
    """A run of this length says that the part is well."""
    dice: random.Random = field(default_factory=random.Random)
    _failures: int = 0

    def after(self, ran_s: float) -> float:
        """Seconds to wait after a run of ``ran_s`` seconds."""
        if ran_s >= self.calm_s:
            self._failures = 0
        wait = min(self.limit_s, self.first_s * 2.0**self._failures)
        self._failures += 1
        return wait * self.dice.uniform(0.75, 1.25)

    @property
    def failures(self) -> int:
        """Short runs in a row."""
        return self._failures
