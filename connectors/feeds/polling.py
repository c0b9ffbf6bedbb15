"""What the poller needs of others: somebody who parses, and somebody who is told of every poll."""

from __future__ import annotations

from typing import Protocol

from connectors.feeds.accept import Accepted
from connectors.feeds.feed_list import Feed
from connectors.feeds.http.fetch import FetchResult
from connectors.feeds.parse.model import ParsedFeed


class Parser(Protocol):
    """What turns bytes into entries: `parse.pool.ParsePool`."""

    async def parse(
        self,
        data: bytes,
        content_type: str | None = None,
        url: str | None = None,
        feed_id: str = "",
        *,
        proven: bool = True,
    ) -> ParsedFeed:
        """The document in ``data``."""
        ...


class Observer(Protocol):
    """Who is told of every poll: metrics."""

    def polled(self, feed: Feed, result: FetchResult, accepted: Accepted | None) -> None:
        """A poll is over and lasting."""
        ...

    def document_rejected(self, reason: str) -> None:
        """A document was no feed."""
        ...
