"""How long a part may give no answer before it counts as hung, whatever the clocks do meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ASLEEP_SECONDS: Final = 30.0
"""No two looks are so far apart while we run: a longer gap means that nobody ran, we included."""


@dataclass(slots=True)
class Patience:
    """Adds up the time without an answer, as far as we were awake.

    A laptop that was suspended, or a virtual machine that was paused, comes back with clocks that
    may have jumped by hours. Such a gap is no silence of a part: the count begins again.
    """

    limit_s: float
    last_s: float
    """The moment of the last look, or of the beginning; seconds of a clock that never goes back."""
    waited_s: float = 0.0

    def answered(self, now_s: float) -> None:
        """There was an answer, or something else that shows life."""
        self.waited_s = 0.0
        self.last_s = now_s

    def is_over(self, now_s: float) -> bool:
        """One more look without an answer: whether it was one too many."""
        gap = now_s - self.last_s
        self.last_s = now_s
        self.waited_s = 0.0 if gap > ASLEEP_SECONDS else self.waited_s + gap
        return self.waited_s >= self.limit_s
