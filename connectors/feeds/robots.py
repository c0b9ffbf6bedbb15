"""`Robots`: whether a site wants a page fetched by us (RFC 9309). Needs the extra ``fulltext``.

Asked for pages of articles only: a feed is published to be read by programs.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from connectors.feeds.hosts import Hosts
from connectors.feeds.http.address import parse_address
from connectors.feeds.http.fetch import Fetcher, FetchResult, Outcome
from pipeline.contracts.clock import Clock, SystemClock

AGENT: Final = "straitwatch"
"""The name by which a site can address us; it stands in the user agent of each request."""
MAX_BYTES: Final = 512 * 1024
"""Of a robots.txt: RFC 9309 wants at least 500 KiB read."""
KEEP: Final = 86_400.0
"""Seconds for which an answer holds (RFC 9309, 2.4)."""
KEEP_FAILURE: Final = 900.0
"""Seconds for which a site that could not be asked is left alone."""
LONGEST_DELAY: Final = 15.0
"""Seconds of a crawl delay that are kept; a site that wants more gets no request at all."""
_SITES: Final = 256
_ACCEPT: Final = "text/plain, */*;q=0.5"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a site wants of us, for one address."""

    allowed: bool
    delay: float = 0.0
    """Seconds between two requests that it asks for."""


@dataclass(frozen=True, slots=True)
class _Rules:
    parsed: Any
    """None: the same for all addresses, as in ``otherwise``."""
    otherwise: bool
    until: float


class Robots:
    """Knows the robots.txt of the sites whose pages are fetched; a few hundred at a time."""

    def __init__(self, fetcher: Fetcher, hosts: Hosts, clock: Clock | None = None) -> None:
        """``fetcher``: with limits of its own, `MAX_BYTES` among them."""
        self._fetcher = fetcher
        self._hosts = hosts
        self._clock = clock or SystemClock()
        self._sites: OrderedDict[str, _Rules] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    async def wish(self, url: str) -> Wish:
        """What the site of ``url`` wants.

        Raises:
            AddressError: it is no address.
        """
        address = parse_address(url)
        origin = address.join("/robots.txt").url
        rules = await self._rules(origin, address.host)
        if rules.parsed is None:
            return Wish(rules.otherwise)
        delay = float(rules.parsed.crawl_delay(AGENT) or 0.0)
        allowed = bool(rules.parsed.can_fetch(address.url, AGENT)) and delay <= LONGEST_DELAY
        return Wish(allowed, delay)

    async def _rules(self, robots_url: str, host: str) -> _Rules:
        lock = self._locks.setdefault(robots_url, asyncio.Lock())
        try:
            async with lock:
                known = self._sites.get(robots_url)
                if known is None or known.until <= self._now():
                    known = self._read(await self._fetch(robots_url, host))
                    self._sites[robots_url] = known
                self._sites.move_to_end(robots_url)
                while len(self._sites) > _SITES:
                    self._sites.popitem(last=False)
                return known
        finally:
            if not lock.locked():
                self._locks.pop(robots_url, None)

    async def _fetch(self, url: str, host: str) -> FetchResult:
        await self._hosts.turn(host, self._clock)
        try:
            return await self._fetcher.fetch(url, accept=_ACCEPT)
        finally:
            self._hosts.leave(host)

    def _read(self, result: FetchResult) -> _Rules:
        now = self._now()
        if result.outcome is Outcome.OK:
            from protego import Protego

            text = result.body.decode("utf-8", "replace")
            return _Rules(Protego.parse(text), True, now + KEEP)
        status = result.status or 0
        # RFC 9309, 2.3.1: a site without the file allows all; one that fails is left alone.
        if 400 <= status < 500 and status != 429:
            return _Rules(None, True, now + KEEP)
        return _Rules(None, False, now + KEEP_FAILURE)

    def _now(self) -> float:
        return self._clock.now().timestamp()
