"""How urgent a spike is: from its score, from what is reported, and from how many say so."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.contracts.records import Severity


def corroborated_level(levels: Iterable[tuple[str, int]]) -> int:
    """The highest escalation level that at least two owners report.

    Args:
        levels: (owner, escalation 0–3) of each independent story.
    """
    best: dict[str, int] = {}
    for owner, level in levels:
        best[owner] = max(level, best.get(owner, 0))
    ordered = sorted(best.values(), reverse=True)
    return ordered[1] if len(ordered) > 1 else 0


def severity_of(strength: float, level: int, owners: int) -> Severity:
    """The severity of a spike.

    Args:
        strength: score over the threshold, 1 or more.
        level: `corroborated_level`.
        owners: distinct owners in the window. One alone can never make it critical.
    """
    if owners >= 4 and (level >= 3 or (level >= 2 and strength >= 2 and owners >= 5)):
        return Severity.CRITICAL
    if owners >= 2 and (level >= 2 or (strength >= 1.5 and owners >= 4)):
        return Severity.WARNING
    return Severity.INFO
