"""Why an alert was revised, as a sentence for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.contracts.records import AlertState, severity_rank
from pipeline.rules.alerts.lifecycle import CALM_TO_CLOSE, CALM_TO_DE_ESCALATE, Episode
from pipeline.rules.times import HOUR

_LEVELS: Final = (
    "no escalation",
    "friction",
    "coercion without force",
    "the use of force",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the sentence is about."""

    independent: int
    publishers: int
    minutes: int
    expected: float
    level: int
    warm: bool


def reason(episode: Episode, before: Episode | None, facts: Facts) -> str:
    """The named reason of the newest revision of ``episode``; ``before`` is None at its raising."""
    if before is None:
        young = "" if facts.warm else " The baseline is still young, so this is a first guess."
        return f"{_count(facts)}{_level(facts)}.{young}"
    if episode.state is AlertState.ESCALATED:
        if severity_rank(episode.severity) > severity_rank(before.severity):
            return (
                f"Raised from {before.severity} to {episode.severity}: "
                f"{_count(facts)}{_level(facts)}."
            )
        return f"Rising again: {_count(facts)}{_level(facts)}."
    if episode.state is AlertState.DE_ESCALATED:
        hours = CALM_TO_DE_ESCALATE // HOUR
        if episode.severity is before.severity:
            return f"Calming down: no further rise for {hours} hours."
        return (
            f"Lowered from {before.severity} to {episode.severity}: "
            f"nothing as strong for {hours} hours."
        )
    return f"Closed: no further rise for {CALM_TO_CLOSE // HOUR} hours."


def _count(facts: Facts) -> str:
    stories = (
        "1 independent story"
        if facts.independent == 1
        else (f"{facts.independent} independent stories")
    )
    publishers = "1 publisher" if facts.publishers == 1 else f"{facts.publishers} publishers"
    return (
        f"{stories} from {publishers} within {_span(facts.minutes)}, "
        f"where {_number(facts.expected)} would be usual"
    )


def _level(facts: Facts) -> str:
    return f"; several report {_LEVELS[facts.level]}" if facts.level else ""


def _span(minutes: int) -> str:
    if minutes < 60:
        return f"{minutes} minutes"
    hours = minutes / 60
    return "1 hour" if minutes == 60 else f"{hours:.3g} hours"


def _number(value: float) -> str:
    if value < 0.1:
        return "almost none"
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"
