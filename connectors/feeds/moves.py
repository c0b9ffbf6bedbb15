"""When a feed has really moved: a permanent redirect is believed after it was seen again and again.

A captive portal, a broken deploy or a thief of one afternoon answers 301 as well.
"""

from __future__ import annotations

from typing import Any, Final

from connectors.feeds.http.address import parse_address
from connectors.feeds.http.fetch import FetchResult
from connectors.feeds.state.records import FeedRow

SIGHTINGS: Final = 5
LASTING: Final = 86_400.0
"""Seconds between the first sighting and the one that is believed."""


def asked_url(row: FeedRow, listed: str, full: bool) -> str:
    """Where to ask now: the learned address, or the listed one.

    The listed one is asked again with each unconditional poll (``full``), since a move can be taken
    back, and after a failure. One with user info is always asked: that holds at its own origin, and
    redirects are followed from there.
    """
    if row.moved_to is None or full or row.failures:
        return listed
    return listed if parse_address(listed).authorization else row.moved_to


def moved(row: FeedRow, result: FetchResult, now: float) -> dict[str, Any]:
    """The changes of a feed's row after an answer.

    Sightings count when the feed's listed address was asked; an answer of the learned one confirms
    itself. A listed address that answers without a redirect, or with another, takes a move back.
    """
    if row.moved_to is not None and result.final_url == row.moved_to and result.moved_to is None:
        return {}
    target = result.moved_to
    if target is None:
        return {"moved_to": None, "moved_seen_to": None, "moved_seen": 0, "moved_since": None}
    if target != row.moved_seen_to:
        return {"moved_to": None, "moved_seen_to": target, "moved_seen": 1, "moved_since": now}
    seen = row.moved_seen + 1
    since = row.moved_since if row.moved_since is not None else now
    believed = seen >= SIGHTINGS and now - since >= LASTING
    return {
        "moved_to": target if believed else row.moved_to,
        "moved_seen_to": target,
        "moved_seen": seen,
        "moved_since": since,
    }
