"""What has arrived and waits for the next tick.

It is taken in a fixed order, so that the order in which it came inside a tick does not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pipeline.contracts.codec import from_dict, to_dict
from pipeline.contracts.records import FeedStatus, TaggedArticle

T = TypeVar("T")


class Arrivals:
    """Articles and feed reports, each with the second of its arrival."""

    __slots__ = ("articles", "statuses")

    def __init__(self) -> None:
        self.articles: list[tuple[int, TaggedArticle]] = []
        self.statuses: list[tuple[int, FeedStatus]] = []

    def waiting(self) -> list[int]:
        """The seconds of all arrivals."""
        return [a for a, _ in self.articles] + [a for a, _ in self.statuses]

    def before(
        self, second: int
    ) -> tuple[list[tuple[int, TaggedArticle]], list[tuple[int, FeedStatus]]]:
        """Take out what arrived before ``second``, in the order of (arrival, id)."""
        return (
            _take(self.articles, second, _article_key),
            _take(self.statuses, second, _status_key),
        )

    def to_json(self) -> dict[str, Any]:
        """The state as plain values."""
        return {
            "pending": [[a, to_dict(t)] for a, t in _ordered(self.articles, _article_key)],
            "pending_status": [[a, to_dict(s)] for a, s in _ordered(self.statuses, _status_key)],
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Arrivals:
        """The inverse of `to_json`."""
        self = cls()
        self.articles = [(a, from_dict(TaggedArticle, t)) for a, t in raw["pending"]]
        self.statuses = [(a, from_dict(FeedStatus, s)) for a, s in raw["pending_status"]]
        return self


def _article_key(tagged: TaggedArticle) -> tuple[Any, ...]:
    return tagged.article.article_id, tagged.article.revision


def _status_key(status: FeedStatus) -> tuple[Any, ...]:
    return status.group, status.connector, status.bucket, status.articles, status.answered


def _ordered(
    pending: list[tuple[int, T]], key: Callable[[T], tuple[Any, ...]]
) -> list[tuple[int, T]]:
    return sorted(pending, key=lambda p: (p[0], *key(p[1])))


def _take(
    pending: list[tuple[int, T]], second: int, key: Callable[[T], tuple[Any, ...]]
) -> list[tuple[int, T]]:
    due = _ordered([p for p in pending if p[0] < second], key)
    pending[:] = [p for p in pending if p[0] >= second]
    return due
