"""What asks the service to stop: SIGTERM, Ctrl-C, a terminal that is closed."""

from __future__ import annotations

import signal


def heard() -> list[signal.Signals]:
    """The signals that stop us: those that whoever started us did not switch off.

    `nohup` switches SIGHUP off, and a shell's `&` in a script SIGINT.
    """
    return [
        number
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]


def interrupt() -> None:
    """From now on each of them is a KeyboardInterrupt, so that every ``finally`` has its say."""
    for number in heard():
        signal.signal(number, signal.default_int_handler)
