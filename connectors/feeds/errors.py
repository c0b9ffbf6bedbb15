"""Errors of the feed connector.

FeedsError
├── AddressError     a URL that we never fetch: no http(s) URL, or hidden tricks in it
├── BlockedError          an address inside, or a port that no feed lives on
├── NoHttpError           an answer that HTTP does not have
├── FeedListError    faults of a feed list, one line each
├── LeaseLostError        another connector polls this feed now
└── UnreadablePollError   a row of the journal that is none
"""

from __future__ import annotations


class FeedsError(Exception):
    """The root of this package's errors."""


class AddressError(FeedsError):
    """A URL that is none, or that we never fetch. The text never repeats its user info."""


class BlockedError(FeedsError):
    """The guard said no: the text says why, in words for the operator."""


class NoHttpError(FeedsError):
    """An answer that is no proper HTTP, or more of it than a feed has."""


class FeedListError(FeedsError):
    """A feed list with faults; ``faults`` has one ``file:line: message`` for each."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class UnreadablePollError(FeedsError):
    """A poll in the journal is not in the form in which we write them: its feed waits for it."""

    def __init__(self, poll_id: str, feed_id: str, why: str) -> None:
        super().__init__(f"poll {poll_id} of {feed_id} cannot be read: {why}")
        self.poll_id = poll_id
        self.feed_id = feed_id


class LeaseLostError(FeedsError):
    """The feed's lease ran out and another connector has it: what we read of it is dropped."""
