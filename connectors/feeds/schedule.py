"""When a feed is asked next. Pure: what is known of it, to a time.

Often enough to hear of news within minutes, seldom enough to be a good guest: by the feed's own
rhythm, within bounds, with what it asks for taken as a wish and not as an order.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from connectors.feeds.http.fetch import Outcome
from connectors.feeds.state.records import FeedRow

HOUR: Final = 3_600.0
DAY: Final = 24 * HOUR
LONGEST: Final = 900.0
"""Seconds between two polls of a feed that works: an alert is due within minutes of the news."""
POLLS_A_GAP: Final = 4
"""Polls in the usual time between two articles: an article waits an eighth of it on average."""
LONGEST_WISH: Final = 900.0
"""A ttl of 60 minutes stands in countless feeds that change every minute: it is capped."""
_BACK_OFF_LIMIT: Final = {
    Outcome.NETWORK_ERROR: HOUR,
    Outcome.TIMEOUT: HOUR,
    Outcome.HTTP_ERROR: 2 * HOUR,
    Outcome.BAD_FEED: HOUR,
    Outcome.TOO_LARGE: 6 * HOUR,
    Outcome.REFUSED: 6 * HOUR,
    Outcome.GONE: DAY,
}
"""The longest pause by class of error: never for good, since most feeds come back."""
_REFUSING_STATUS: Final = frozenset((401, 402, 403, 404, 451))
_JITTER: Final = 0.1
FULL_EVERY: Final = HOUR
"""Some servers send the same ETag for changed content: once an hour a feed is asked without."""
SLOW_SECONDS: Final = 5.0
"""A fetch of this length makes a feed a slow one: it waits in a lane of its own."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often feeds may be asked."""

    shortest: float = 120.0
    """Seconds between two polls of one feed, whatever happens."""

    def longest(self, own: bool) -> float:
        """The longest pause of a feed that works; the operator's own hosts need no restraint."""
        return self.shortest if own else max(LONGEST, self.shortest)


def interval(row: FeedRow, pace: Pace, now: float, own: bool) -> float:
    """Seconds until the next poll of a feed that works, before jitter.

    Args:
        row: as it is after this poll.
        pace: the bounds.
        now: seconds since 1970.
        own: the operator has named the feed's host: the shortest interval is wanted.
    """
    longest = pace.longest(own)
    if own:
        return longest
    gap = row.gap_s
    if row.last_new_at is not None:
        # Silence tells as much as news does: the rhythm slows down while nothing comes.
        gap = max(gap or 0.0, (now - row.last_new_at) / 2)
    wanted = 2 * pace.shortest if gap is None else gap / POLLS_A_GAP
    if row.hint_s is not None:
        wanted = max(wanted, min(row.hint_s, LONGEST_WISH))
    return min(max(wanted, pace.shortest), longest)


def back_off(outcome: Outcome, status: int | None, failures: int, pace: Pace, own: bool) -> float:
    """Seconds until the next try after ``failures`` failures in a row, before jitter."""
    limit = _BACK_OFF_LIMIT[outcome]
    if outcome is Outcome.HTTP_ERROR and status in _REFUSING_STATUS:
        limit = 6 * HOUR
    if own:
        # The operator's own server is restarted, not offended.
        limit = min(limit, 30 * pace.shortest)
    return float(min(pace.shortest * 2 ** min(failures, 16), max(limit, pace.shortest)))


def with_jitter(seconds: float, rng: random.Random) -> float:
    """``seconds`` give or take a tenth, so that feeds that fell due together part."""
    return seconds * rng.uniform(1 - _JITTER, 1 + _JITTER)


def learned_gap(gap: float | None, since_last_new: float | None, new: int) -> float | None:
    """The usual seconds between two new articles.

    ``new`` articles came ``since_last_new`` seconds after the last.

    An exponential mean with weight 1/4: a day's change of rhythm is learned within a few articles.
    """
    if new == 0 or since_last_new is None:
        return gap
    seen = max(since_last_new, 1.0) / new
    return seen if gap is None else 0.75 * gap + 0.25 * seen


def is_full_due(row: FeedRow, now: float) -> bool:
    """Whether this poll is made without validators."""
    if row.last_full_at is None:
        return True
    # A time that is still to come was written by a clock that was ahead.
    return not 0 <= now - row.last_full_at < FULL_EVERY
