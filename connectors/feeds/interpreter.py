"""`settle`: an interpreter for a process that answers many connections and must never pause."""

from __future__ import annotations

import gc
import sys
from typing import Final

SWITCH_SECONDS: Final = 0.0001
"""How long a thread may keep the interpreter when another wants it. By default it is 5 ms, and the
event loop waits for a busy thread beside it after each system call: some fifteen in a fetch."""
_FULL_EVERY: Final = 100
"""Collections of the middle generation for a full one, and not 10: that of thousands of articles
under way holds all threads for 40 ms, and hardly anything here is left to it."""


def settle() -> None:
    """Call once when everything is loaded and the work begins.

    What exists by then stays for good, so the collector need not look through it (60 ms each time).
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], _FULL_EVERY)
