"""How fast the connector polls, what it weighs, and whether hostile feeds delay the others.

Everything of the connector runs but Kafka: guard, HTTP, parse workers, SQLite journal and state.
The server is a process of its own on the same machine and takes its share of the cores.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeVar

import psutil

from connectors.bus.base import Delivery, Receipt
from connectors.feeds.accept import Accepted
from connectors.feeds.address import feed_id_of
from connectors.feeds.feed_list import Feed, FeedList
from connectors.feeds.fetch import Fetcher, FetchLimits, FetchResult
from connectors.feeds.guard import Guard
from connectors.feeds.hosts import Hosts
from connectors.feeds.journal import Journal
from connectors.feeds.parse_workers import ParsePool
from connectors.feeds.poller import Poller, PollerSettings
from connectors.feeds.schedule import Pace
from connectors.feeds.state.database import open_database, sqlite_url
from connectors.feeds.state.store import FeedStore
from deploy.bench.feed_farm import HOSTILE

ADDRESSES: Final = 200
KINDS: Final = ("same", "old", "new", "mix")

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Speed:
    """What one run measured."""

    kind: str
    feeds_per_s: float
    articles_per_s: float
    cpu_ms_per_feed: float
    """Of the connector and its parse workers."""
    rss_mib: float
    """Resident memory of the connector, without its parse workers."""
    p99_ms: float
    """Of the fetches of well-behaved feeds."""


def speeds(seconds: float, say: Callable[[str], None]) -> list[tuple[Speed, float]]:
    """For each kind: the connector, and the feeds/s of a plain loop in the same run."""
    out = []
    with farm() as port:
        for kind in KINDS:
            urls = _urls(port, kind, 2000)
            speed = _in_process(measure, kind, urls, seconds)
            plain = _in_process(plain_loop, urls, seconds)
            say(f"{kind}: {speed.feeds_per_s:,.0f} feeds/s, plain loop {plain:,.0f}")
            out.append((speed, plain))
    return out


def weights(sizes: tuple[int, ...], seconds: float) -> list[tuple[int, Speed]]:
    """Memory with so many feeds in the list."""
    with farm() as port:
        return [(n, _in_process(measure, "same", _urls(port, "same", n), seconds)) for n in sizes]


def isolation(pairs: int, seconds: float, say: Callable[[str], None]) -> tuple[float, float, float]:
    """Medians: p99 in ms of 700 healthy feeds alone, among 300 hostile ones, and the ratio."""
    healthy, hostile = 700, 300
    ratios, alone_all, among_all = [], [], []
    with farm(1000) as port:
        good = _urls(port, "mix", healthy, addresses=healthy)
        bad = [
            f"http://127.1.{n // 250}.{n % 250 + 1}:{port}/{HOSTILE[n % len(HOSTILE)]}/{n}"
            for n in range(healthy, healthy + hostile)
        ]
        for _ in range(pairs):
            alone = _in_process(measure, "mix", good, seconds, 5.0).p99_ms
            among = _in_process(measure, "mix", _mixed(good, bad), seconds, 5.0).p99_ms
            say(f"p99 {alone:.1f} ms alone, {among:.1f} ms among hostile feeds")
            ratios.append(among / alone)
            alone_all.append(alone)
            among_all.append(among)
    return statistics.median(alone_all), statistics.median(among_all), statistics.median(ratios)


@contextmanager
def farm(addresses: int = ADDRESSES) -> Iterator[int]:
    """A running `feed_farm`; its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.bench.feed_farm", str(addresses)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdout is None:
            raise RuntimeError("no output of the feed farm")
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def measure(kind: str, urls: list[str], seconds: float, shortest: float = 0.001) -> Speed:
    """The connector on ``urls`` for ``seconds``; for a process of its own."""
    return asyncio.run(_measure(kind, urls, seconds, shortest))


def plain_loop(urls: list[str], seconds: float) -> float:
    """Feeds/s of the same HTTP client and feedparser in a bare loop: no guard, state or limits."""
    return asyncio.run(_plain(urls, seconds))


async def _measure(kind: str, urls: list[str], seconds: float, shortest: float) -> Speed:
    watch = _Watch()
    hosts = sorted({url.split("/")[2] for url in urls})
    feeds = FeedList(tuple(Feed(feed_id_of(u), u, group="bench") for u in urls))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as database:
        engine = open_database(sqlite_url(Path(folder)))
        store = FeedStore(engine)
        journal = Journal(store, _Discard(), database)
        async with ParsePool(2) as pool:
            poller = Poller(
                store,
                journal,
                Fetcher(Guard(hosts), "bench", FetchLimits(total=10)),
                pool,
                Hosts([h.rpartition(":")[0] for h in hosts]),
                database,
                watch,
                PollerSettings(pace=Pace(shortest), spread=shortest),
            )
            await poller.use(feeds)
            stop = asyncio.Event()
            running = asyncio.create_task(poller.run(stop))
            warm = min(len(urls), 2000)
            deadline = time.monotonic() + 60
            while watch.polls < warm and shortest < 1 and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            watch.reset()
            before, began = _cpu(), time.monotonic()
            await asyncio.sleep(seconds)
            took = time.monotonic() - began
            used, polls, articles = _cpu() - before, watch.polls, watch.articles
            rss = psutil.Process().memory_info().rss / 2**20
            latencies = sorted(watch.seconds) or [0.0]
            stop.set()
            await running
        journal.close()
        engine.dispose()
    p99 = latencies[min(len(latencies) - 1, int(0.99 * len(latencies)))]
    return Speed(kind, polls / took, articles / took, 1000 * used / max(polls, 1), rss, 1000 * p99)


async def _plain(urls: list[str], seconds: float) -> float:
    import feedparser
    import httpcore

    polls = 0
    end = time.monotonic() + seconds
    queue = iter(urls * 1000)

    async def work() -> None:
        nonlocal polls
        while time.monotonic() < end:
            url = next(queue)
            headers = [("Connection", "close"), ("If-None-Match", '"1"')]
            response = await pool.request("GET", url, headers=headers)
            if response.status == 200:
                feedparser.parse(response.content)
            polls += 1

    async with httpcore.AsyncConnectionPool(max_connections=256) as pool:
        began = time.monotonic()
        await asyncio.gather(*(work() for _ in range(64)))
        return polls / (time.monotonic() - began)


class _Watch:
    """An `Observer` that counts."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.polls = 0
        self.articles = 0
        self.seconds: list[float] = []

    def polled(self, feed: Feed, result: FetchResult, accepted: Accepted | None) -> None:
        self.polls += 1
        self.articles += len(accepted.articles) if accepted else 0
        if feed.url.split("/")[3] not in HOSTILE:
            self.seconds.append(result.seconds)

    def document_rejected(self, reason: str) -> None:
        del reason


class _Discard:
    """A `Publisher` that acknowledges at once: Kafka is measured by `bench pipeline`."""

    def send(self, topic: str, key: bytes | None, value: bytes) -> Delivery:  # noqa: ARG002
        delivery = Delivery()
        delivery.set_result(Receipt(topic, 0, 0))
        return delivery

    def flush(self, timeout: float) -> None:
        del timeout

    def close(self, timeout: float = 10) -> None:
        del timeout


def _urls(port: int, kind: str, count: int, addresses: int = ADDRESSES) -> list[str]:
    hosts = [f"127.1.{n // 250}.{n % 250 + 1}" for n in range(addresses)]
    return [f"http://{hosts[n % addresses]}:{port}/{kind}/{n}" for n in range(count)]


def _mixed(good: list[str], bad: list[str]) -> list[str]:
    every = max(1, len(good) // len(bad))
    out = []
    for n, url in enumerate(good):
        out.append(url)
        if n % every == 0 and n // every < len(bad):
            out.append(bad[n // every])
    return out + bad[len(out) - len(good) :]


def _cpu() -> float:
    """CPU seconds of this process and its children, ended ones too."""
    me = psutil.Process()
    running = sum(sum(c.cpu_times()[:2]) for c in me.children(recursive=True))
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(me.cpu_times()[:2]) + running + ended.ru_utime + ended.ru_stime


def _in_process(work: Callable[..., R], *arguments: Any) -> R:
    """Run ``work`` in a fresh process: one run's memory is not the next one's."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()
