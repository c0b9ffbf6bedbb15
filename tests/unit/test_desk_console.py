"""The console channel: a line for each revision, and a disk that is full."""

from __future__ import annotations

import errno
import io

from connectors.desk.channels.base import Envelope, Retry, Sent
from connectors.desk.channels.console import ConsoleChannel
from tests.golden.desk.alert import ALERT, GOLDEN

ENVELOPE = Envelope(ALERT, b"")


def test_a_revision_is_one_line_with_its_key() -> None:
    out = io.StringIO()
    assert ConsoleChannel(out).send(ENVELOPE) == Sent()
    line = (GOLDEN / "line.txt").read_text().rstrip("\n")
    assert out.getvalue() == f"ALERT {line} [{ALERT.alert_id}-2]\n"


def test_a_full_disk_is_worth_another_attempt() -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    outcome = ConsoleChannel(Full()).send(ENVELOPE)
    assert outcome == Retry("the console cannot be written: No space left on device")
