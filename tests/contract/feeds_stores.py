"""Feeds and polls for tests of the stores."""

from __future__ import annotations

from connectors.feeds.feed_list import Feed, FeedList
from connectors.feeds.state.records import Effect, FinishedPoll, Outgoing, Seen

NOW = 1_800_000_000.0


def feeds(count: int) -> FeedList:
    return FeedList(
        tuple(
            Feed(f"f{n}", f"https://a:secret@outlet{n}.example/rss", group=f"g{n % 2}")
            for n in range(count)
        )
    )


def poll(feed_id: str, poll_id: str, articles: int = 1, **changes: object) -> FinishedPoll:
    effect = Effect(
        feed_id,
        {"etag": '"1"', "next_poll_at": NOW + 60} | changes,
        (Seen("a", "d", 0, NOW),),
        (("fetched", 3), ("accepted", articles), ("duplicates", 2), ("rejected:no_text", 1)),
        bucket=300,
        group="g0",
        polled=1,
        answered=1,
        articles=articles,
    )
    messages = tuple(Outgoing(b"k%d" % n, b"\x00v%d" % n) for n in range(articles))
    return FinishedPoll(poll_id, effect, messages)
