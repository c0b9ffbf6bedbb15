"""What a channel is: it sends one message and says how that went; it never tries again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from connectors.desk.message import Message, compose
from connectors.desk.policy import Pace
from connectors.desk.store import ChannelRow
from pipeline.contracts.records import Alert


class ChannelKind(StrEnum):
    """A metric label."""

    CONSOLE = "console"
    WEBHOOK = "webhook"
    MAIL = "mail"
    SERVICE = "service"
    """Whatever apprise knows: chat, pager, phone."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One revision on its way to one channel."""

    alert: Alert
    record: bytes
    """As the codec writes it."""

    @property
    def message(self) -> Message:
        """For a person."""
        return compose(self.alert)

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt and every channel."""
        return f"{self.alert.alert_id}-{self.alert.revision}"


@dataclass(frozen=True, slots=True)
class Sent:
    """The other side took it."""

    note: str | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Not now: worth another attempt, not before ``after`` when the other side said so."""

    reason: str
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Never: another attempt would end the same."""

    reason: str


Outcome = Sent | Retry | Refused


class Channel(Protocol):
    """One way to one receiver. Used by one thread at a time."""

    @property
    def row(self) -> ChannelRow:
        """How the store knows it: the id is the same at every start, the label shows no secret."""
        ...

    @property
    def pace(self) -> Pace | None:
        """How many messages the receiver may get in a while; None: all at once."""
        ...

    def send(self, envelope: Envelope) -> Outcome:
        """Send, within seconds; faults of the other side are outcomes, not exceptions."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
