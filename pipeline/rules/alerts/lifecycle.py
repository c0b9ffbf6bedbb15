"""One evolving alert for one episode: open → escalated → de-escalated → closed.

A pure state machine over moments. A higher severity shows at once and is never held back; a lower
one only after it has lasted, so that an alert does not flutter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pipeline.contracts.records import AlertState, Severity, severity_rank
from pipeline.rules.times import HOUR

CALM_TO_DE_ESCALATE: Final = 3 * HOUR
"""Seconds below what the alert stands at before it says so."""
CALM_TO_CLOSE: Final = 12 * HOUR
"""Seconds without a spike before the episode is over."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What the detector sees at one second."""

    now: int
    is_spike: bool
    """The score reaches the threshold."""
    severity: Severity
    """Of the spike; info when there is none."""


@dataclass(frozen=True, slots=True)
class Episode:
    """Where an alert stands."""

    alert_id: str
    raised_at: int
    onset_at: int
    revision: int
    state: AlertState
    severity: Severity
    last_spike: int
    """The last second with a spike."""
    last_full: int
    """The last second with a spike of at least the alert's severity."""
    held: Severity
    """The highest severity since `last_full`."""


def begin(alert_id: str, now: int, onset: int, severity: Severity) -> Episode:
    """An open episode, raised at second ``now`` about what began at ``onset``."""
    return Episode(
        alert_id=alert_id,
        raised_at=now,
        onset_at=onset,
        revision=1,
        state=AlertState.OPEN,
        severity=severity,
        last_spike=now,
        last_full=now,
        held=Severity.INFO,
    )


def is_over(episode: Episode, moment: Moment) -> bool:
    """Whether the episode has been calm long enough."""
    return not moment.is_spike and moment.now - episode.last_spike >= CALM_TO_CLOSE


def advance(episode: Episode, moment: Moment) -> Episode:
    """The episode after ``moment``; its revision is one higher when there is something to tell."""
    if is_over(episode, moment):
        return _revise(episode, AlertState.CLOSED, episode.severity)
    rank = severity_rank(moment.severity) if moment.is_spike else -1
    if moment.is_spike:
        episode = replace(episode, last_spike=moment.now)
    standing = severity_rank(episode.severity)
    if rank > standing:
        episode = _revise(episode, AlertState.ESCALATED, moment.severity)
        return replace(episode, last_full=moment.now, held=Severity.INFO)
    if rank == standing:
        episode = replace(episode, last_full=moment.now, held=Severity.INFO)
        if episode.state is AlertState.DE_ESCALATED:
            return _revise(episode, AlertState.ESCALATED, episode.severity)
        return episode
    if rank > severity_rank(episode.held):
        episode = replace(episode, held=moment.severity)
    if moment.now - episode.last_full >= CALM_TO_DE_ESCALATE and (
        episode.state is not AlertState.DE_ESCALATED or episode.held is not episode.severity
    ):
        episode = _revise(episode, AlertState.DE_ESCALATED, episode.held)
        return replace(episode, last_full=moment.now, held=Severity.INFO)
    return episode


def _revise(episode: Episode, state: AlertState, severity: Severity) -> Episode:
    return replace(episode, revision=episode.revision + 1, state=state, severity=severity)
