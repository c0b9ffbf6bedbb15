"""What connectors have told of a group: a report that comes again adds only what is new in it.

A report says all that its connector knows of a bucket by then, so a later one takes the place of
an earlier one, and one that is told twice (a crash between telling and noting it) changes nothing.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.contracts.records import FeedStatus

KEEP: Final = 64
"""Reports of a group, the newest told: an hour of five connectors."""


class Reports:
    """The newest reports of one group of feeds."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, int], tuple[int, int, int]] = {}
        """Group, connector and bucket -> polls, answers, articles; the newest told last."""

    def added(self, bucket: int, status: FeedStatus) -> tuple[int, int, int]:
        """Polls, answers and articles of ``status`` beyond what its connector told of ``bucket``.

        A time that is still to come has been corrected in ``bucket``.
        """
        key = (status.group, status.connector, bucket)
        before = self._told.pop(key, (0, 0, 0))
        told = (
            max(before[0], status.polled),
            max(before[1], status.answered),
            max(before[2], status.articles),
        )
        self._told[key] = told
        while len(self._told) > KEEP:
            del self._told[next(iter(self._told))]
        return told[0] - before[0], told[1] - before[1], told[2] - before[2]

    def to_json(self) -> list[Any]:
        """The state as plain values."""
        return [[*key, *told] for key, told in self._told.items()]

    @classmethod
    def from_json(cls, raw: list[Any]) -> Reports:
        """The inverse of `to_json`."""
        self = cls()
        self._told = {(g, c, b): (polls, answers, n) for g, c, b, polls, answers, n in raw}
        return self
