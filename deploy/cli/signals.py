"""SIGTERM and SIGHUP as an orderly end, for commands that start processes of their own."""

from __future__ import annotations

import signal
from types import FrameType

from deploy.local.supervise import stops


def end_on_signals() -> None:
    """From now on SIGTERM and SIGHUP raise SystemExit, so that every ``finally`` has its say."""
    for number in stops.heard():
        if number != signal.SIGINT:  # a KeyboardInterrupt as it is
            signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    # Once is enough: a second one must not cut the tidying short.
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)
