"""How a feed does, in a word and a sentence. Pure: a feed's row, to a state with its reason."""

from __future__ import annotations

from typing import Final

from connectors.feeds.http.fetch import Outcome
from connectors.feeds.state.records import FeedRow, State

HOUR: Final = 3_600.0
DAY: Final = 24 * HOUR
FAILURES: Final = 3
"""In a row: fewer are the weather of the internet."""
GONE_SIGHTINGS: Final = 3
"""A 410 is said by mistake as well."""
QUIET_GAPS: Final = 6
SILENT_GAPS: Final = 20
"""Silence of so many usual gaps, and of the times below at least, is out of the ordinary."""
QUIET_AFTER: Final = 6 * HOUR
SILENT_AFTER: Final = DAY
SILENT_UNKNOWN: Final = 7 * DAY
"""The same for a feed that has had nothing new since we know it: it has no usual gap yet."""


def health(row: FeedRow, now: float) -> tuple[State, str]:
    """The state of a feed and why, for a person.

    Args:
        row: as it is after its last poll.
        now: seconds since 1970.
    """
    if row.last_polled_at is None:
        return State.NEW, "not asked yet"
    if row.outcome == Outcome.GONE and row.failures >= GONE_SIGHTINGS:
        return State.GONE, f"says that it is gone for good (410), {row.failures} failures in a row"
    if row.failures >= FAILURES:
        return State.FAILING, f"{row.failures} failures in a row, the last: {row.reason}"[:300]
    if row.last_entries == 0:
        return State.SILENT_ZERO, "it answers, but with no article in it"
    return _by_rhythm(row, now)


def _by_rhythm(row: FeedRow, now: float) -> tuple[State, str]:
    since = row.last_new_at if row.last_new_at is not None else row.first_polled_at
    silence = now - (since if since is not None else now)
    gap = row.gap_s
    if gap is not None and silence > max(SILENT_GAPS * gap, SILENT_AFTER):
        usual = f"usual: every {say_seconds(gap)}"
        return State.SILENT_ZERO, f"it answers, but nothing new for {say_seconds(silence)}; {usual}"
    if gap is None and silence > SILENT_UNKNOWN:
        met = say_seconds(silence)
        return State.SILENT_ZERO, f"it answers, but nothing new since we know it, for {met}"
    if silence > max(QUIET_GAPS * (gap or 0.0), QUIET_AFTER):
        return State.QUIET, f"nothing new for {say_seconds(silence)}"
    return State.HEALTHY, ""


def say_seconds(seconds: float) -> str:
    """A length of time for a person: ``3 min``, ``7 h``, ``12 days``."""
    for unit, size in (("days", DAY), ("h", HOUR), ("min", 60.0)):
        if seconds >= 2 * size or (unit == "min" and seconds >= size):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
