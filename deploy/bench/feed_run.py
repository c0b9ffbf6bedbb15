"""One run of the connector against a `feed_farm`, and what it measured: for `bench feeds`.

Everything of the connector runs but Kafka: guard, HTTP, parse workers, SQLite journal and state.
The farm is a process of its own on the same machine and takes its share of the cores.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeVar

import psutil

from connectors.bus.base import Delivery, Receipt
from connectors.feeds.accept import Accepted
from connectors.feeds.feed_list import Feed, FeedList
from connectors.feeds.hosts import Hosts
from connectors.feeds.http.address import feed_id_of
from connectors.feeds.http.fetch import Fetcher, FetchResult
from connectors.feeds.http.guard import Guard
from connectors.feeds.interpreter import settle
from connectors.feeds.journal import Journal
from connectors.feeds.parse.pool import ParsePool
from connectors.feeds.poller import Poller, PollerSettings
from connectors.feeds.schedule import Pace
from connectors.feeds.state.database import open_database, sqlite_url
from connectors.feeds.state.store import FeedStore
from deploy.bench.feed_farm import HOSTILE, host
from deploy.errors import Fault

_START_SECONDS: Final = 120.0
"""The longest wait until every feed was asked once."""

R = TypeVar("R")


class Watch:
    """An `Observer` that counts, and times the fetches of well-behaved feeds."""

    def __init__(self) -> None:
        self.met: set[str] = set()
        """Well-behaved feeds that were asked at all; kept by `reset`."""
        self.reset()

    def reset(self) -> None:
        """Forget everything so far."""
        self.polls = 0
        self.articles = 0
        self.seconds: list[float] = []
        """From a request's start to its body's end."""
        self.added: list[float] = []
        """The same without the delay that the server was told to make: ours, and the machine's."""
        self.hostile: Counter[str] = Counter()
        """Kind and outcome -> polls of hostile feeds."""

    def polled(self, feed: Feed, result: FetchResult, accepted: Accepted | None) -> None:
        """A poll is over."""
        kind, _, delay_ms = (*feed.url.split("/")[3:], "", "")[:3]
        if kind in HOSTILE:
            self.hostile[f"{kind} {result.outcome}"] += 1
            return
        self.met.add(feed.feed_id)
        self.polls += 1
        self.articles += len(accepted.articles) if accepted else 0
        self.seconds.append(result.seconds)
        self.added.append(result.seconds - int(delay_ms or 0) / 1000)

    def document_rejected(self, reason: str) -> None:
        """Not counted."""
        del reason


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a ``share`` of them are; 0.0 of nothing."""
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Running:
    """A connector at work."""

    poller: Poller
    watch: Watch

    async def until_met(self, count: int) -> None:
        """Wait until so many feeds were asked.

        Raises:
            Fault: they are not in two minutes.
        """
        try:
            async with asyncio.timeout(_START_SECONDS):
                while len(self.watch.met) < count:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise Fault(
                f"{len(self.watch.met)} of {count} feeds asked in {_START_SECONDS:.0f} s: this "
                "machine is too busy to measure; try again when it is quiet"
            ) from None


@asynccontextmanager
async def connector(
    urls: Iterable[str], pace: float, may_ask: Iterable[str]
) -> AsyncIterator[Running]:
    """The connector on the feeds ``urls``, each ``pace`` seconds; ``may_ask``: hosts with ports."""
    watch = Watch()
    allowed = tuple(may_ask)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as database:
        engine = open_database(sqlite_url(Path(folder)))
        store = FeedStore(engine)
        journal = Journal(store, _Discard(), database)
        async with ParsePool(2) as pool:
            poller = Poller(
                store,
                journal,
                Fetcher(Guard(allowed), "bench"),
                pool,
                Hosts([item.rpartition(":")[0] for item in allowed]),
                database,
                watch,
                PollerSettings(pace=Pace(pace), spread=pace),
            )
            await poller.use(feed_list(urls))
            stop = asyncio.Event()
            running = asyncio.create_task(poller.run(stop))
            settle()
            try:
                yield Running(poller, watch)
            finally:
                stop.set()
                await running
                journal.close()
                engine.dispose()


def feed_list(urls: Iterable[str]) -> FeedList:
    """One group of feeds."""
    return FeedList(tuple(Feed(feed_id_of(u), u, group="bench") for u in urls))


@contextmanager
def farm(first: int, addresses: int, nice: int = 0) -> Iterator[int]:
    """A running `feed_farm` on so many addresses from number ``first`` on; its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.bench.feed_farm", str(first), str(addresses), str(nice)],
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


def addresses_of(first: int, count: int, port: int) -> list[str]:
    """Hosts with port, as the farm listens on them."""
    return [f"{host(n)}:{port}" for n in range(first, first + count)]


def cpu_seconds() -> float:
    """CPU seconds of this process and its children, ended ones too."""
    me = psutil.Process()
    running = sum(sum(c.cpu_times()[:2]) for c in me.children(recursive=True))
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(me.cpu_times()[:2]) + running + ended.ru_utime + ended.ru_stime


def in_process(work: Callable[..., R], *arguments: Any) -> R:
    """Run ``work`` in a fresh process: one run's memory is not the next one's."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


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
