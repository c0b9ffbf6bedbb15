"""`Asking`: one poll of one feed, from the request to what lasts of it."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from connectors.feeds import schedule
from connectors.feeds.accept import Accepted, accept, is_met_anew
from connectors.feeds.article_pages import ArticlePages
from connectors.feeds.effects import Poll, effect_of
from connectors.feeds.feed_list import Feed
from connectors.feeds.hosts import Hosts
from connectors.feeds.http.address import parse_address
from connectors.feeds.http.fetch import Fetcher, FetchResult, Outcome, Validators
from connectors.feeds.journal import Batcher, Journal
from connectors.feeds.lanes import UNPROVEN_SHARE, Lanes, is_proven
from connectors.feeds.moves import asked_url
from connectors.feeds.parse.model import ParsedFeed
from connectors.feeds.polling import Observer, Parser
from connectors.feeds.schedule import Pace
from connectors.feeds.state.records import FeedRow, FinishedPoll, Outgoing, Seen
from connectors.feeds.state.store import FeedStore
from pipeline.contracts.clock import Clock
from pipeline.contracts.codec import encode
from pipeline.contracts.records import Article

_LARGE_BODY: Final = 256 * 1024
"""Bytes whose digest is made aside."""
_MANY: Final = 100
"""Entries that are looked through aside: each takes 25 µs."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a feed this time, from its claim to its end."""

    url: str
    host: str
    """That is dialled: of a feed that has moved not the listed one."""
    full: bool
    """Without validators."""

    @classmethod
    def of(cls, row: FeedRow, feed: Feed, now: float) -> Request:
        """What to ask ``feed`` now, seconds since 1970."""
        full = schedule.is_full_due(row, now)
        if row.moved_to is None:
            return cls(feed.url, row.host, full)
        url = asked_url(row, feed.url, full)
        return cls(url, parse_address(url).host, full)


class Asking:
    """Asks feeds, and hands what came to the journal."""

    def __init__(
        self,
        store: FeedStore,
        journal: Journal,
        fetcher: Fetcher,
        parser: Parser,
        hosts: Hosts,
        lanes: Lanes,
        database: ThreadPoolExecutor,
        observer: Observer,
        pace: Pace,
        large_bodies: int,
        clock: Clock,
        rng: random.Random,
        pages: ArticlePages | None,
    ) -> None:
        """As `Poller`; ``large_bodies`` as in its settings."""
        self._store = store
        self._journal = journal
        self._fetcher = fetcher
        self._parser = parser
        self._hosts = hosts
        self._lanes = lanes
        self._observer = observer
        self._pace = pace
        self._clock = clock
        self._rng = rng
        self._pages = pages
        # Names polls in the journal, in order; random once, not each time.
        self._run = secrets.token_hex(8)
        self._poll_number = itertools.count()
        self._seen = Batcher(self._seen_all, database)
        few = max(1, int(UNPROVEN_SHARE * large_bodies))
        self._large_unproven = asyncio.Semaphore(few)
        self._large_proven = asyncio.Semaphore(max(1, large_bodies - few))
        self._heavy = ThreadPoolExecutor(1, thread_name_prefix="heavy")

    def close(self) -> None:
        """End the thread; nothing is asked after this."""
        self._heavy.shutdown(wait=False)

    async def ask(self, row: FeedRow, feed: Feed, request: Request) -> None:
        """Ask one feed and make lasting what came of it.

        Raises:
            LeaseLostError: another connector has the feed by now.
            NoPlaceError: it lasts, and slow ones are many.
        """
        async with AsyncExitStack() as room:
            result = await self._fetched(row, request, room)
            digest, parsed = row.body_digest, None
            if result.outcome is Outcome.OK:
                digest = await self._aside(len(result.body) > _LARGE_BODY, _digest, result.body)
                # The same bytes as last time hold nothing new, whatever the status says.
                if digest != row.body_digest:
                    parsed = await self._parsed(row, feed, result)
            if parsed is not None and not parsed.ok:
                self._observer.document_rejected(str(parsed.reason))
                result = replace(result, outcome=Outcome.BAD_FEED, reason=parsed.detail)
                digest = parsed = None
            if result.body:
                result = replace(result, body=b"")
            accepted = None if parsed is None else await self._accepted(row, feed, request, parsed)
            articles = accepted.articles if accepted else ()
            finished = FinishedPoll(
                f"{self._run}-{next(self._poll_number):010}",
                effect_of(
                    Poll(feed, row, result, parsed, accepted, digest, request.full),
                    self._clock.now().timestamp(),
                    self._pace,
                    self._hosts.is_own(row.host),
                    self._rng,
                ),
                await self._aside(len(articles) > _MANY, _outgoing, articles),
            )
            await self._journal.commit(finished)
            self._observer.polled(feed, result, accepted)

    async def _fetched(self, row: FeedRow, request: Request, held: AsyncExitStack) -> FetchResult:
        """The answer; a large one keeps a room until ``held`` ends."""
        known = Validators(row.etag, row.last_modified, row.validators_from)
        asked = Validators() if request.full else known
        room = self._large_proven if is_proven(row) else self._large_unproven
        async with self._lanes.fetching():
            result = await self._fetcher.fetch(
                request.url, asked, before_large=lambda: held.enter_async_context(room)
            )
        return result.believed()

    async def _parsed(self, row: FeedRow, feed: Feed, result: FetchResult) -> ParsedFeed:
        return await self._parser.parse(
            result.body,
            result.content_type,
            result.final_url,
            feed.feed_id,
            proven=is_proven(row),
        )

    async def _accepted(
        self, row: FeedRow, feed: Feed, request: Request, parsed: ParsedFeed
    ) -> Accepted:
        known = await self._seen(feed.feed_id)
        now = self._clock.now()
        anew = is_met_anew(row.last_answer_at, now.timestamp())
        accepted = await self._aside(
            len(parsed.entries) > _MANY, accept, feed, parsed, known, now, anew
        )
        if not feed.full_text or self._pages is None:
            return accepted
        # The feed's own request is over: its place at the host is for the pages.
        with self._hosts.lent(request.host):
            return replace(accepted, articles=await self._pages.fill(accepted.articles))

    async def _aside(self, is_heavy: bool, work: Callable[..., T], *arguments: Any) -> T:
        """The result of ``work``; what takes milliseconds runs in a thread, one at a time."""
        if not is_heavy:
            return work(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._heavy, work, *arguments)

    def _seen_all(self, feed_ids: Sequence[str]) -> list[dict[str, Seen]]:
        found = self._store.seen(feed_ids)
        return [found[feed_id] for feed_id in feed_ids]


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _outgoing(articles: Sequence[Article]) -> tuple[Outgoing, ...]:
    return tuple(
        Outgoing(a.article_id.encode("utf-8", "surrogatepass"), encode(a)) for a in articles
    )
