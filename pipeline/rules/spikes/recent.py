"""The stories of the last day that count as news, and the shares learned from them.

What a series needs to know beyond its counts: who reported, how grave, which event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

_FADE: Final = 0.97
"""What a day leaves of the sums: they halve in three weeks."""
_PRIOR_JOINED: Final = 2.0
_PRIOR_STORIES: Final = 20.0
"""One story in ten is believed to join another owner's event."""

Reported = tuple[str, int, str]
"""Owner, level and event of a story."""


class Recent:
    """Stories by bucket, and sums that are forgotten over weeks."""

    __slots__ = (
        "_copies",
        "_joined",
        "_reporters",
        "_stories",
        "group_weight",
        "owner_weight",
        "tiers",
        "weight",
    )

    def __init__(self) -> None:
        self._stories: dict[int, list[Reported]] = {}
        self._reporters: dict[str, set[str]] = {}
        """Event -> owners of the stories on it."""
        self._copies: dict[int, int] = {}
        """Bucket -> reprints of known stories."""
        self._joined = 0.0
        """Stories on an event that another owner had reported."""
        self.tiers: dict[int, float] = {}
        """Level of 2 or more -> stories of at least that level."""
        self.group_weight: Counter[str] = Counter()
        self.owner_weight: Counter[str] = Counter()
        self.weight = 0.0
        """All stories."""

    def add(self, bucket: int, group: str, story: Reported) -> None:
        """Note a story."""
        owner, level, event = story
        if event:
            owners = self._reporters.setdefault(event, set())
            self._joined += bool(owners - {owner})
            owners.add(owner)
        self._stories.setdefault(bucket, []).append(story)
        self.group_weight[group] += 1
        self.owner_weight[owner] += 1
        self.weight += 1
        for tier in range(2, level + 1):
            self.tiers[tier] = self.tiers.get(tier, 0.0) + 1

    def copy(self, bucket: int) -> None:
        """Note a reprint."""
        self._copies[bucket] = self._copies.get(bucket, 0) + 1

    def copies(self, bucket: int) -> int:
        """Reprints filed under a bucket."""
        return self._copies.get(bucket, 0)

    def newest(self, last: int, width: int, least_level: int = 0) -> list[Reported]:
        """The stories of the ``width`` buckets that end with ``last``."""
        first = last - width
        if width > len(self._stories):
            buckets: Iterable[int] = [b for b in self._stories if b > first]
        else:
            buckets = range(first + 1, last + 1)
        return [
            story
            for bucket in buckets
            for story in self._stories.get(bucket, ())
            if story[1] >= least_level
        ]

    @property
    def joining(self) -> float:
        """Share of stories that join an event of another owner."""
        return (self._joined + _PRIOR_JOINED) / (self.weight + _PRIOR_STORIES)

    def fade(self) -> None:
        """A day has passed."""
        for counter in (self.group_weight, self.owner_weight):
            for name in list(counter):
                counter[name] *= _FADE  # type: ignore[assignment]
                if counter[name] < 0.01:
                    del counter[name]
        self.weight *= _FADE
        self._joined *= _FADE
        self.tiers = {tier: _FADE * n for tier, n in self.tiers.items()}

    def forget(self, before: int) -> None:
        """Drop the stories of the buckets before ``before``."""
        self._stories = {b: f for b, f in self._stories.items() if b >= before}
        self._copies = {b: n for b, n in self._copies.items() if b >= before}
        self._find_reporters()

    def _find_reporters(self) -> None:
        self._reporters = {}
        for found in self._stories.values():
            for owner, _, event in found:
                if event:
                    self._reporters.setdefault(event, set()).add(owner)

    def clear(self) -> None:
        """Drop all stories; the sums stay."""
        self._stories.clear()
        self._reporters.clear()
        self._copies.clear()

    def to_json(self) -> dict[str, Any]:
        """The state as plain values."""
        return {
            "tiers": sorted(self.tiers.items()),
            "stories": [[b, found] for b, found in sorted(self._stories.items())],
            "joined": self._joined,
            "copies": sorted(self._copies.items()),
            "group_weight": sorted(self.group_weight.items()),
            "owner_weight": sorted(self.owner_weight.items()),
            "weight": self.weight,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Recent:
        """The inverse of `to_json`."""
        self = cls()
        self._stories = {b: [(o, n, e) for o, n, e in found] for b, found in raw["stories"]}
        self._find_reporters()
        self._joined = raw["joined"]
        self._copies = dict(raw["copies"])
        self.tiers = dict(raw["tiers"])
        self.group_weight = Counter(dict(raw["group_weight"]))
        self.owner_weight = Counter(dict(raw["owner_weight"]))
        self.weight = raw["weight"]
        return self
