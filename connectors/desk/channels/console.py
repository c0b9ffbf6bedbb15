"""The console channel: one readable line for each revision, to the desk's log."""

from __future__ import annotations

from typing import TextIO

from connectors.desk.channels.base import ChannelKind, Envelope, Outcome, Retry, Sent
from connectors.desk.message import as_line
from connectors.desk.policy import Pace
from connectors.desk.store import ChannelRow


class ConsoleChannel:
    """`Channel` to a text stream."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    @property
    def row(self) -> ChannelRow:
        """As `Channel.row`."""
        return ChannelRow("console", ChannelKind.CONSOLE, "console")

    @property
    def pace(self) -> Pace | None:
        """As `Channel.pace`."""
        return None

    def send(self, envelope: Envelope) -> Outcome:
        """As `Channel.send`."""
        try:
            self._out.write(f"ALERT {as_line(envelope.message)} [{envelope.idempotency_key}]\n")
            self._out.flush()
        except OSError as e:
            return Retry(f"the console cannot be written: {e.strerror}")
        return Sent()

    def close(self) -> None:
        """As `Channel.close`."""
