"""What keeps one feed's work in small portions: reads, lines of entries, rows of a transaction."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from connectors.feeds.http.network import Wire
from connectors.feeds.journal import Batcher
from connectors.feeds.parse import wire
from connectors.feeds.parse.model import FeedFormat, ParsedEntry, ParsedFeed


def _take(wire_: Wire, length: int) -> None:
    wire_.take(b" " * length)
    wire_.was_body(length)


def test_an_answer_in_crumbs_is_let_gather_and_any_other_is_read_at_once() -> None:
    crumbs, fast = Wire(10_000_000), Wire(10_000_000)
    for _ in range(63):
        _take(crumbs, 1024)
        _take(fast, 16_384)
    assert (crumbs.pause, fast.pause) == (0.0, 0.0)
    _take(crumbs, 1024)
    _take(fast, 16_384)
    assert crumbs.pause > 0.0
    assert fast.pause == 0.0
    # What has gathered is a large read: the next one follows at once.
    _take(crumbs, 500_000)
    assert crumbs.pause == 0.0
    crumbs.start_answer()
    assert crumbs.pause == 0.0


def test_no_line_of_a_parsers_answer_holds_many_entries() -> None:
    entries = tuple(
        ParsedEntry(str(n), None, "Bridge\nopens", "Boats\u2028wait", None, None, None, (), ())
        for n in range(1_001)
    )
    feed = ParsedFeed(FeedFormat.RSS, entries)
    lines = wire.dump(feed).split(b"\n")
    assert max(len(json.loads(line)) for line in lines) <= wire.ENTRIES_A_LINE
    assert wire.load(wire.dump(feed)) == feed


def test_a_batch_ends_with_the_item_that_fills_it() -> None:
    batches: list[list[int]] = []

    def work(items: Sequence[int]) -> Sequence[int]:
        batches.append(list(items))
        return items

    async def scene() -> None:
        with ThreadPoolExecutor(1) as thread:
            batcher: Batcher[int, int] = Batcher(work, thread, most=10, weigh=lambda n: n)
            items = [4, 4, 4, 1, 50, 50, 1]
            assert await asyncio.gather(*(batcher(n) for n in items)) == items

    asyncio.run(scene())
    assert all(sum(batch[:-1]) < 10 for batch in batches)
