"""The hours that a series learned in the last day: what comes late to them still teaches.

An hour is learned two hours after its end. A story that comes later is added to what the hour
taught, as if it had been there in time: cut like a spike, at the weight that the hour had.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

STILL_OPEN: Final = 23
"""Hours that a learned hour stays open. After a day its place in the profile is another day's."""
NO_LIMIT: Final = 1e9
"""Room of an hour that belongs to a new normal: nothing of it is cut."""


class Counted(Enum):
    """What a story was to its series."""

    NEWS = auto()
    LATE = auto()
    """Too old to be news when it was seen: it teaches, and tells how late news comes."""
    NO_NEWS = auto()
    """Back-filled, out of a heap, from new feeds, or older than all that is kept."""


@dataclass(slots=True)
class _Hour:
    weight: float
    room: float


class LearnedHours:
    """Hours by number since 1970, at most `STILL_OPEN` of them."""

    __slots__ = ("_hours",)

    def __init__(self) -> None:
        self._hours: dict[int, _Hour] = {}

    def add(self, hour: int, weight: float, room: float) -> None:
        """Note an hour that was learned.

        Args:
            hour: since 1970; hours come in order.
            weight: that it was learned with.
            room: stories that it may still take until it is cut like a spike.
        """
        self._hours[hour] = _Hour(weight, room)

    def close(self, hour: int) -> None:
        """Forget what was learned `STILL_OPEN` hours before ``hour``, and earlier."""
        for old in [h for h in self._hours if h <= hour - STILL_OPEN]:
            del self._hours[old]

    def take(self, hour: int) -> float:
        """What one more story adds to the sums of ``hour``; 0 where it teaches nothing any more."""
        found = self._hours.get(hour)
        if found is None or found.room <= 0:
            return 0.0
        count = found.weight * min(found.room, 1.0)
        found.room -= 1.0
        return count

    def clear(self) -> None:
        """Forget all."""
        self._hours.clear()

    def to_json(self) -> list[list[float]]:
        """The state as plain values."""
        return [[hour, h.weight, h.room] for hour, h in sorted(self._hours.items())]

    @classmethod
    def from_json(cls, raw: list[Any]) -> LearnedHours:
        """The inverse of `to_json`."""
        self = cls()
        self._hours = {hour: _Hour(weight, room) for hour, weight, room in raw}
        return self
