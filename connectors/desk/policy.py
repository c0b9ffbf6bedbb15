"""When to try again, and what need not be sent any more: pure, with the chance handed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from pipeline.contracts.records import CALMING, AlertState, Severity, severity_rank


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential, with full jitter above half: 1 s, 2 s, 4 s … up to ``longest``.

    Half is kept so that a wait is never nothing, and the rest is left to chance so that desks that
    failed together do not return together.
    """

    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=1)

    def wait(self, failures: int, chance: float) -> timedelta:
        """How long to wait after so many failures in a row (1 or more).

        Args:
            failures: how many.
            chance: 0 to 1.
        """
        # 2**32 s is longer than any `longest`, and no float is overrun.
        full: timedelta = min(self.longest, self.first * 2 ** min(failures - 1, 32))
        return full * (0.5 + 0.5 * chance)


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """How long and how often the dispatcher tries."""

    message: Backoff = Backoff(longest=timedelta(minutes=5))
    """Between attempts of one message."""
    channel: Backoff = Backoff(longest=timedelta(seconds=30))
    """A channel that fails is left alone for this long, whatever waits for it."""
    give_up: timedelta = timedelta(hours=24)
    """After that a message is dead: it shows in the metrics, the log and `alerts show`."""
    longest_retry_after: timedelta = timedelta(hours=1)
    """What a receiver may ask for; more would silence it for days."""

    @property
    def longest_wait(self) -> timedelta:
        """No message is put off for longer: one that is was put off by another clock."""
        return max(self.message.longest, self.longest_retry_after)


@dataclass(frozen=True, slots=True)
class Pace:
    """At most ``burst`` messages in any ``window``: a fault upstream must not flood a person."""

    burst: int
    window: timedelta


Chance = Callable[[], float]
"""0 to 1, as `random.random`."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits for its channel."""

    row_id: int
    alert_id: str
    revision: int
    state: AlertState
    severity: Severity


def overtaken(waiting: Iterable[Waiting]) -> dict[int, int]:
    """What of one channel's messages a later revision tells as well: row -> that revision.

    A revision is complete in itself, so a rise makes an earlier one needless unless that was more
    severe, and whatever comes later makes an easing needless. An easing never hides a rise: it has
    no evidence.
    """
    needless: dict[int, int] = {}
    newest: dict[str, int] = {}
    highest: dict[str, tuple[int, int]] = {}
    for message in sorted(waiting, key=lambda m: m.revision, reverse=True):
        alert_id, later = message.alert_id, newest.get(message.alert_id)
        newest.setdefault(alert_id, message.revision)
        if message.state in CALMING:
            if later is not None:
                needless[message.row_id] = later
            continue
        rank = severity_rank(message.severity)
        standing, by = highest.get(alert_id, (-1, 0))
        if rank <= standing:
            needless[message.row_id] = by
        else:
            highest[alert_id] = (rank, message.revision)
    return needless
