"""Which share of a group's feeds answers, from the polls that its connector reports.

A feed that works is asked every quarter of an hour, one that fails less and less: one report says
little. So the newest buckets are taken together until as many polls as the group has feeds are in
them, and what is found is compared with what is usual: most lists have feeds that died long ago.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.rules.times import BUCKETS_AN_HOUR

KEEP: Final = BUCKETS_AN_HOUR
"""Buckets: whoever has asked nobody for an hour hears nothing."""
_HALF_LIFE: Final = 576
"""Reports, two days: what is down for so long is usual, as soon as the level of a series."""
_KEEP_USUAL: Final = 0.5 ** (1 / _HALF_LIFE)
_WEATHER: Final = 0.9
"""Of the usual share: what is above it are the odd timeouts of a working internet."""


class Polls:
    """The polls of one group in the last hour, and how many answer usually."""

    __slots__ = ("_asked", "_usual")

    def __init__(self) -> None:
        self._asked: dict[int, tuple[int, int, int]] = {}
        """Bucket -> polls, answers, feeds: polls and answers of several connectors added up."""
        self._usual = 1.0

    def note(self, bucket: int, polled: int, answered: int, feeds: int) -> float:
        """Note what was asked in a bucket; the share of the usual feeds that answers by its end.

        Args:
            bucket: of the report.
            polled: feeds asked.
            answered: feeds that gave a usable answer.
            feeds: of the group, the same from every connector that shares its list; 0 when the
                reporter does not know.
        """
        before = self._asked.get(bucket, (0, 0, 0))
        self._asked[bucket] = before[0] + polled, before[1] + answered, max(before[2], feeds)
        for old in [b for b in self._asked if b <= bucket - KEEP]:
            del self._asked[old]
        asks = answers = 0
        for b in range(bucket, bucket - KEEP, -1):
            found = self._asked.get(b, (0, 0, 0))
            asks, answers = asks + found[0], answers + found[1]
            if asks and asks >= self._asked[bucket][2]:
                break
        if not answers:
            return 0.0
        answering = min(answers / asks, 1.0) if asks else 1.0
        self._usual = _KEEP_USUAL * self._usual + (1 - _KEEP_USUAL) * answering
        share = answering / self._usual
        return 1.0 if share >= _WEATHER else share

    def to_json(self) -> list[Any]:
        """The state as plain values."""
        return [self._usual, [[b, *found] for b, found in sorted(self._asked.items())]]

    @classmethod
    def from_json(cls, raw: list[Any]) -> Polls:
        """The inverse of `to_json`."""
        self = cls()
        self._usual = raw[0]
        self._asked = {b: (polls, answers, feeds) for b, polls, answers, feeds in raw[1]}
        return self
