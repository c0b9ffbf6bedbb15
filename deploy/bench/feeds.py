"""How fast the connector polls, what it weighs, and whether hostile feeds delay the others."""

from __future__ import annotations

import asyncio
import math
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psutil

from deploy.bench.feed_farm import HOSTILE
from deploy.bench.feed_run import (
    addresses_of,
    connector,
    cpu_seconds,
    farm,
    feed_list,
    in_process,
    percentile,
)

ADDRESSES: Final = 200
FEEDS: Final = 2000
"""Of a measurement of speed."""
KINDS: Final = ("same", "old", "new", "mix")
HEALTHY, HOSTILE_FEEDS = 700, 300
PACE: Final = 10.0
"""Seconds between two polls of a feed while isolation is measured: the same load in every run."""
MEDIAN_MS, P95_MS = 150.0, 500.0
"""After what time the healthy servers of an isolation run answer: log-normal, a fixed time for each
feed. An assumption: news sites answer in some 50 to 500 ms, look-up and TLS included."""
_FARM_NICE: Final = 10


@dataclass(frozen=True, slots=True)
class Speed:
    """What one run at full speed measured."""

    kind: str
    feeds_per_s: float
    articles_per_s: float
    cpu_ms_per_feed: float
    """Of the connector and its parse workers."""
    rss_mib: float
    """Resident memory of the connector, without its parse workers."""
    plain_feeds_per_s: float = 0.0
    """Of a plain loop in the same run."""
    plain_cpu_ms_per_feed: float = 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """How one run at a steady load went for its healthy feeds."""

    polls: int
    p50_ms: float
    p99_ms: float
    """From a request's start to its body's end."""
    added_p50_ms: float
    added_p99_ms: float
    """The same without the server's delay: what the connector, and this machine, add to it."""
    loop_late_ms: float
    """99th percentile of how late the connector's event loop is: what its own work costs others."""
    cpu_share: float
    """Of one core, by the connector and its parse workers."""
    rss_mib: float
    hostile: tuple[tuple[str, int], ...] = ()
    """Kind and outcome -> polls of hostile feeds."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Healthy feeds alone and among hostile ones, one run after the other."""

    alone: Latency
    among: Latency

    @property
    def ratio(self) -> float:
        """Of the two 99th percentiles."""
        return self.among.p99_ms / self.alone.p99_ms

    @property
    def added_ratio(self) -> float:
        """The same without the servers' delays."""
        return self.among.added_p99_ms / self.alone.added_p99_ms


def speeds(seconds: float, say: Callable[[str], None]) -> list[Speed]:
    """For each kind: the connector, and a plain loop in the same run."""
    out = []
    with farm(0, ADDRESSES) as port:
        for kind in KINDS:
            urls = _urls(port, kind, FEEDS)
            speed = in_process(_speed, kind, urls, seconds)
            rate, cpu = in_process(_plain, urls, seconds)
            say(f"{kind}: {speed.feeds_per_s:,.0f} feeds/s, plain loop {rate:,.0f}")
            out.append(
                Speed(
                    kind,
                    speed.feeds_per_s,
                    speed.articles_per_s,
                    speed.cpu_ms_per_feed,
                    speed.rss_mib,
                    rate,
                    cpu,
                )
            )
    return out


def weights(sizes: tuple[int, ...], seconds: float) -> list[tuple[int, float]]:
    """MiB of resident memory with so many feeds in the list."""
    with farm(0, ADDRESSES) as port:
        return [
            (n, in_process(_speed, "same", _urls(port, "same", n), seconds).rss_mib) for n in sizes
        ]


def isolation(pairs: int, seconds: float, say: Callable[[str], None]) -> list[Pair]:
    """700 healthy feeds alone and among 300 hostile ones, so many times in turn."""
    out = []
    with farm(0, HEALTHY) as port, farm(HEALTHY, HOSTILE_FEEDS, _FARM_NICE) as hostile_port:
        places = addresses_of(0, HEALTHY, port)
        delays = delays_ms(HEALTHY)
        good = [f"http://{a}/mix/{n}/{delays[n]}" for n, a in enumerate(places)]
        places = addresses_of(HEALTHY, HOSTILE_FEEDS, hostile_port)
        bad = [f"http://{a}/{HOSTILE[n % len(HOSTILE)]}/{n}" for n, a in enumerate(places)]
        for n in range(pairs):
            pair = Pair(
                in_process(_latency, good, [], seconds), in_process(_latency, good, bad, seconds)
            )
            say(
                f"pair {n + 1}: p99 {pair.alone.p99_ms:.1f} ms alone, {pair.among.p99_ms:.1f} ms"
                f" among hostile feeds, {pair.ratio:.2f} times; without the servers' delay"
                f" {pair.alone.added_p99_ms:.1f} and {pair.among.added_p99_ms:.1f} ms,"
                f" {pair.added_ratio:.2f} times"
            )
            out.append(pair)
    return out


def delays_ms(count: int) -> list[int]:
    """What each of so many servers waits: quantiles of the distribution, the same in every run."""
    normal = statistics.NormalDist()
    sigma = math.log(P95_MS / MEDIAN_MS) / normal.inv_cdf(0.95)
    spread = [sigma * normal.inv_cdf((n + 0.5) / count) for n in range(count)]
    out = [round(MEDIAN_MS * math.exp(s)) for s in spread]
    random.Random(1).shuffle(out)  # noqa: S311 - which feed waits how long
    return out


def medians(pairs: list[Pair]) -> dict[str, float]:
    """Of all pairs, each figure by itself."""

    def median(figure: Callable[[Pair], float]) -> float:
        return round(statistics.median(figure(p) for p in pairs), 3)

    return {
        "p50_alone_ms": median(lambda p: p.alone.p50_ms),
        "p50_among_hostile_ms": median(lambda p: p.among.p50_ms),
        "p99_alone_ms": median(lambda p: p.alone.p99_ms),
        "p99_among_hostile_ms": median(lambda p: p.among.p99_ms),
        "added_p50_alone_ms": median(lambda p: p.alone.added_p50_ms),
        "added_p50_among_hostile_ms": median(lambda p: p.among.added_p50_ms),
        "added_p99_alone_ms": median(lambda p: p.alone.added_p99_ms),
        "added_p99_among_hostile_ms": median(lambda p: p.among.added_p99_ms),
        "polls_alone": median(lambda p: p.alone.polls),
        "polls_among_hostile": median(lambda p: p.among.polls),
        "loop_late_alone_ms": median(lambda p: p.alone.loop_late_ms),
        "loop_late_among_hostile_ms": median(lambda p: p.among.loop_late_ms),
        "cpu_alone": median(lambda p: p.alone.cpu_share),
        "cpu_among_hostile": median(lambda p: p.among.cpu_share),
        "ratio": median(lambda p: p.ratio),
        "added_ratio": median(lambda p: p.added_ratio),
    }


def _speed(kind: str, urls: list[str], seconds: float) -> Speed:
    return asyncio.run(_run_speed(kind, urls, seconds))


async def _run_speed(kind: str, urls: list[str], seconds: float) -> Speed:
    async with connector(urls, 0.001, _hosts(urls)) as it:
        # The first document of a feed is its past and no measurement.
        await it.until_met(min(len(urls), FEEDS))
        it.watch.reset()
        before, began = cpu_seconds(), time.monotonic()
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        used, polls, articles = cpu_seconds() - before, it.watch.polls, it.watch.articles
        rss = psutil.Process().memory_info().rss / 2**20
    return Speed(kind, polls / took, articles / took, 1000 * used / max(polls, 1), rss)


def _latency(good: list[str], bad: list[str], seconds: float) -> Latency:
    return asyncio.run(_run_latency(good, bad, seconds))


async def _run_latency(good: list[str], bad: list[str], seconds: float) -> Latency:
    """Hostile feeds are met, all for the first time, when the healthy ones have settled."""
    async with connector(good, PACE, _hosts(good + bad)) as it:
        await it.until_met(len(good))
        await it.poller.use(feed_list(good + bad))
        it.watch.reset()
        before = cpu_seconds()
        late = await _lateness(seconds)
        used, watch = cpu_seconds() - before, it.watch
        return Latency(
            watch.polls,
            1000 * percentile(watch.seconds, 0.5),
            1000 * percentile(watch.seconds, 0.99),
            1000 * percentile(watch.added, 0.5),
            1000 * percentile(watch.added, 0.99),
            1000 * percentile(late, 0.99),
            used / seconds,
            psutil.Process().memory_info().rss / 2**20,
            tuple(sorted(watch.hostile.items())),
        )


async def _lateness(seconds: float) -> list[float]:
    """How late the event loop woke us, each time, for ``seconds``."""
    out = []
    end = time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        await asyncio.sleep(0.01)
        out.append(time.monotonic() - began - 0.01)
    return out


def _plain(urls: list[str], seconds: float) -> tuple[float, float]:
    """Feeds/s and CPU ms a feed of the same HTTP client and feedparser in a bare loop.

    No guard, state or limits.
    """
    return asyncio.run(_run_plain(urls, seconds))


async def _run_plain(urls: list[str], seconds: float) -> tuple[float, float]:
    import feedparser
    import httpcore

    polls = 0
    began, before = time.monotonic(), time.process_time()
    queue = iter(urls * 1000)

    async def work() -> None:
        nonlocal polls
        while time.monotonic() < began + seconds:
            headers = [("Connection", "close"), ("If-None-Match", '"1"')]
            response = await pool.request("GET", next(queue), headers=headers)
            if response.status == 200:
                feedparser.parse(response.content)
            polls += 1

    async with httpcore.AsyncConnectionPool(max_connections=256) as pool:
        await asyncio.gather(*(work() for _ in range(64)))
        took, used = time.monotonic() - began, time.process_time() - before
    return polls / took, 1000 * used / max(polls, 1)


def _urls(port: int, kind: str, count: int) -> list[str]:
    places = addresses_of(0, ADDRESSES, port)
    return [f"http://{places[n % ADDRESSES]}/{kind}/{n}" for n in range(count)]


def _hosts(urls: list[str]) -> list[str]:
    return sorted({url.split("/")[2] for url in urls})
