"""What one poll changes: of the feed's row, of what is remembered, of the totals. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any, Final

from connectors.feeds import health, schedule
from connectors.feeds.accept import Accepted
from connectors.feeds.feed_list import Feed
from connectors.feeds.http.fetch import FetchResult, Outcome
from connectors.feeds.moves import moved
from connectors.feeds.parse.model import ParsedFeed
from connectors.feeds.schedule import Pace
from connectors.feeds.state.records import Effect, FeedRow
from connectors.feeds.state.store import ACCEPTED, DUPLICATES, FETCHED, REJECTED

BUCKET_SECONDS: Final = 300
"""Of a FeedStatus."""


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll was and gave."""

    feed: Feed
    before: FeedRow
    result: FetchResult
    parsed: ParsedFeed | None
    """None when nothing was parsed: unchanged, the same bytes, or a failure."""
    accepted: Accepted | None
    digest: str | None
    """Of the body; as before when there was none."""
    full: bool
    """It was made without validators."""


def effect_of(poll: Poll, now: float, pace: Pace, own: bool, rng: random.Random) -> Effect:
    """What is to be written: the row with its next time and its state, entries, totals, status.

    Args:
        poll: what happened.
        now: seconds since 1970.
        pace: how often feeds may be asked.
        own: the operator has named the feed's host.
        rng: for the jitter.
    """
    row, result, accepted = poll.before, poll.result, poll.accepted
    after = after_poll(poll, now)
    if result.outcome.answered:
        pause = schedule.interval(after, pace, now, own)
    else:
        pause = schedule.back_off(result.outcome, result.status, after.failures, pace, own)
    pause = max(schedule.with_jitter(pause, rng), pace.shortest)
    if result.retry_after_s is not None:
        pause = max(pause, float(result.retry_after_s))
    state, why = health.health(after, now)
    after = replace(
        after,
        interval_s=pause,
        next_poll_at=now + pause,
        state=state,
        state_reason=why,
        state_since=row.state_since if state == row.state and row.state_since else now,
    )
    bucket = int(now // BUCKET_SECONDS) * BUCKET_SECONDS
    return Effect(
        poll.feed.feed_id,
        _changed(row, after),
        accepted.seen if accepted else (),
        _counts(accepted),
        bucket,
        poll.feed.group,
        # Many polls of one feed in a bucket are one feed asked.
        polled=int((row.last_polled_at or 0) < bucket),
        answered=int(result.outcome.answered and (row.last_answer_at or 0) < bucket),
        articles=accepted.live if accepted else 0,
    )


def after_poll(poll: Poll, now: float) -> FeedRow:
    """The feed's row after a poll; schedule and health are not yet in it."""
    row, result = poll.before, poll.result
    # Collected and replaced once: a row has forty fields, and this is done for every poll.
    new: dict[str, Any] = {
        "last_polled_at": now,
        "outcome": str(result.outcome),
        "status": result.status,
        "reason": result.reason[:300],
        "slow": result.seconds > schedule.SLOW_SECONDS,
    }
    if row.first_polled_at is None:
        new["first_polled_at"] = now
    if not result.outcome.answered:
        new |= {"failures": row.failures + 1, "body_digest": poll.digest, "moved_to": None}
        return replace(row, **new)
    new |= {"failures": 0, "last_answer_at": now, **moved(row, result, now)}
    if poll.full or result.outcome is Outcome.OK:
        # A whole answer is as good as one that was asked without validators.
        new["last_full_at"] = now
    if result.outcome is Outcome.OK:
        new |= {
            "etag": result.validators.etag,
            "last_modified": result.validators.last_modified,
            "validators_from": result.validators.given_by,
            "body_digest": poll.digest,
        }
        if poll.parsed is not None and poll.accepted is not None:
            new |= _after_document(row, result, poll.parsed, poll.accepted, now)
    return replace(row, **new)


def _after_document(
    row: FeedRow, result: FetchResult, parsed: ParsedFeed, accepted: Accepted, now: float
) -> dict[str, Any]:
    hints = [parsed.hints.ttl_seconds, parsed.hints.update_seconds, result.max_age_s]
    wishes = [h for h in hints if h]
    return {
        "last_entries": len(parsed.entries),
        "hint_s": float(max(wishes)) if wishes else None,
        "gap_s": _gap(row, accepted.new, now),
        "last_new_at": now if accepted.new else row.last_new_at,
        "articles": row.articles + len(accepted.articles),
        "hub": result.hub or parsed.hints.hub,
        "hub_topic": result.hub_topic or parsed.hints.self_link,
    }


def _changed(before: FeedRow, after: FeedRow) -> dict[str, Any]:
    """Column -> new value, of the columns that differ."""
    return {
        name: getattr(after, name)
        for name in FeedRow.__slots__
        if getattr(before, name) != getattr(after, name)
    }


def _gap(row: FeedRow, new: int, now: float) -> float | None:
    # The first document is the feed's past, not its rhythm.
    since = None if row.last_new_at is None else now - row.last_new_at
    return schedule.learned_gap(row.gap_s, since, new)


def _counts(accepted: Accepted | None) -> tuple[tuple[str, int], ...]:
    if accepted is None:
        return ()
    counts = [
        (FETCHED, accepted.fetched),
        (ACCEPTED, len(accepted.articles)),
        (DUPLICATES, accepted.duplicates),
    ]
    counts += [(REJECTED + reason, n) for reason, n in accepted.rejects]
    return tuple((name, n) for name, n in counts if n)
