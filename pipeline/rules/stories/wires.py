"""Which outlets share a wire, learned from how often their headlines are verbatim.

Two clients of one agency, two papers of one house: most of what they report alike they report in
the same words. Two rivals: most of it in their own. So a pair of owners is known by the share of
verbatim headlines among their alike ones (a Beta mean with a prior of one in twenty: unknown pairs
share nothing).
"""

from __future__ import annotations

from typing import Final

_PRIOR: Final = (0.5, 9.5)
_MOST: Final = 64.0
"""Sightings of a pair that are remembered in full; then both counts are halved, so that a wire that
was given up is forgotten."""
_PAIRS: Final = 20_000


class WireTable:
    """Verbatim and merely alike headlines of each pair of owners."""

    __slots__ = ("_pairs",)

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], list[float]] = {}

    def affinity(self, a: str, b: str) -> float:
        """How readily ``a`` and ``b`` run one text: 0 to 1."""
        verbatim, alike = self._pairs.get(_pair(a, b), (0.0, 0.0))
        return (_PRIOR[0] + verbatim) / (sum(_PRIOR) + verbatim + alike)

    def learn(self, a: str, b: str, *, verbatim: bool) -> None:
        """Count one sighting of a pair of alike headlines of two owners."""
        key = _pair(a, b)
        counts = self._pairs.pop(key, None) or [0.0, 0.0]
        counts[0 if verbatim else 1] += 1.0
        if sum(counts) > _MOST:
            counts = [n / 2 for n in counts]
        # Last in the order: the pairs that nobody has seen for longest go first.
        self._pairs[key] = counts
        if len(self._pairs) > _PAIRS:
            del self._pairs[next(iter(self._pairs))]

    def dump(self) -> list[list[str | float]]:
        """The table as plain JSON values, in order."""
        return [[a, b, *counts] for (a, b), counts in self._pairs.items()]

    def load(self, rows: list[list[str | float]]) -> None:
        """Take the place of whatever was known."""
        self._pairs = {
            (str(a), str(b)): [float(verbatim), float(alike)] for a, b, verbatim, alike in rows
        }


def _pair(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a <= b else (b, a)
