"""`settle`: an interpreter for a process that answers many connections and must never pause."""

from __future__ import annotations

import gc
import sys
from typing import Final

SWITCH_SECONDS: Final = 0.0005
"""How long a thread may keep the interpreter when another wants it. By default it is 5 ms, and the
event loop waits for the database's thread after each of its system calls."""


def settle() -> None:
    """Call once when everything is loaded and the work begins.

    What exists by then stays for good, so the collector need not look through it (60 ms each time).
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
