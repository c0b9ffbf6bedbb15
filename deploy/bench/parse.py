"""`straitwatch bench parse`: documents a second, beside feedparser on the same documents."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from html import escape
from typing import Any, Final

from connectors.feeds.parse import document
from connectors.feeds.parse.pool import ParsePool

_ROUNDS: Final = 3
"""Of each measurement; the best one counts: what disturbs it only ever makes it slower."""

_SENTENCES: Final = {
    "en": "The harbour office said on Monday that the ferry would <b>run again</b> this week. ",
    "ja": "港の事務所は月曜日、連絡船の<b>運航</b>を今週中に再開すると発表しました。",
    "zh": "港口辦公室週一表示，渡輪將於本週<b>恢復</b>通航，詳情稍後公布。",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of document; the figures are documents a second."""

    load: str
    bytes: int
    entries: int
    parser: float
    """`document.parse`, in this process, a second of processor time."""
    worker: float
    """Through a `ParsePool` of one worker, a second on the clock."""
    feedparser: float
    """`feedparser.parse` as it is by default, in this process, a second of processor time."""

    @property
    def times(self) -> float:
        """How many times as fast as feedparser the parser is."""
        return self.parser / self.feedparser


def run(seconds: float) -> Iterator[Row]:
    """A row for each kind of document; about ``seconds`` for each of its figures."""
    for load, lang, entries, sentences in (
        ("short, English", "en", 10, 2),
        ("typical, English", "en", 30, 8),
        ("typical, Japanese", "ja", 30, 8),
        ("typical, Chinese", "zh", 30, 8),
        ("long, English", "en", 60, 30),
    ):
        data = sample(lang, entries, sentences)
        yield Row(
            load=load,
            bytes=len(data),
            entries=entries,
            parser=_rate(partial(_parse, data), seconds),
            worker=asyncio.run(_worker_rate(data, seconds)),
            feedparser=_rate(partial(_feedparser, data), seconds),
        )


def sample(lang: str, entries: int, sentences: int) -> bytes:
    """An RSS document: entries with escaped HTML, links, guids, dates."""
    start = datetime(2026, 7, 6, tzinfo=UTC)
    items = "".join(
        f"<item><title>{n}: {escape(_SENTENCES[lang][:60])}</title>"
        f"<link>https://harbour.example/news/{n}?from=rss&amp;n={n}</link>"
        f"<guid isPermaLink='false'>harbour-{n}</guid>"
        f"<pubDate>{start - timedelta(minutes=7 * n):%a, %d %b %Y %H:%M:%S} GMT</pubDate>"
        f"<description>{escape('<p>' + _SENTENCES[lang] * sentences + '</p>')}</description></item>"
        for n in range(entries)
    )
    return (
        "<?xml version='1.0' encoding='UTF-8'?><rss version='2.0'><channel><title>Harbour</title>"
        f"<link>https://harbour.example/</link>{items}</channel></rss>"
    ).encode()


def _parse(data: bytes) -> None:
    document.parse(data, content_type="application/rss+xml", url=None, now=datetime.now(UTC))


def _feedparser(data: bytes) -> Any:
    import feedparser

    return feedparser.parse(io.BytesIO(data))


def _rate(call: Callable[[], Any], seconds: float) -> float:
    """Calls a second of processor time."""
    call()
    best = 0.0
    for _ in range(_ROUNDS):
        start, done = time.process_time(), 0
        while time.process_time() < start + seconds / _ROUNDS:
            call()
            done += 1
        best = max(best, done / (time.process_time() - start))
    return best


async def _worker_rate(data: bytes, seconds: float) -> float:
    best = 0.0
    async with ParsePool(1) as pool:
        await pool.parse(data)
        for _ in range(_ROUNDS):
            start, done = time.perf_counter(), 0
            while time.perf_counter() < start + seconds / _ROUNDS:
                await pool.parse(data)
                done += 1
            best = max(best, done / (time.perf_counter() - start))
    return best
