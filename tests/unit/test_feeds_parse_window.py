"""`feeds parse` has few documents in memory at a time, however many it is given."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from connectors.feeds.parse.model import FeedFormat, ParsedFeed
from deploy.cli.feeds_parse import _outcomes

MOST = 4


class Watched:
    """A pool that ends its documents in another order, and counts those under way."""

    def __init__(self) -> None:
        self.under_way = self.most = 0

    async def parse(self, data: bytes, *_: Any) -> ParsedFeed:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        for _turn in range(int(data) % 3):
            await asyncio.sleep(0)
        self.under_way -= 1
        return ParsedFeed(FeedFormat.RSS, detail=data.decode())


def test_documents_come_in_their_order_and_few_are_under_way(tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.xml" for n in range(50)]
    for n, file in enumerate(files):
        file.write_text(str(n))
    paths, pool = [str(f) for f in files], Watched()

    async def scene() -> list[tuple[str, str]]:
        found = _outcomes(pool, paths, paths, None, None, MOST)  # type: ignore[arg-type]
        return [(name, feed.detail) async for name, feed in found]

    assert asyncio.run(scene()) == [(path, str(n)) for n, path in enumerate(paths)]
    assert 1 < pool.most <= MOST


def test_what_is_under_way_ends_with_the_caller(tmp_path: Path) -> None:
    file = tmp_path / "1.xml"
    file.write_text("1")
    pool = Watched()

    async def scene() -> None:
        found = _outcomes(pool, [str(file)] * 9, ["x"] * 9, None, None, MOST)  # type: ignore[arg-type]
        async for _ in found:
            break
        await found.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scene())
