"""WebSub (W3C Recommendation, 2018): a hub says that a feed has news; polling stays on.

What a hub sends is taken as a nudge and nothing more: the feed itself is asked at once, through
the guarded fetcher. So a hub can put no words into a feed, and losing it costs minutes.
Needs an address under which hubs reach us; without one the connector polls only.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import sqlalchemy as sa

from connectors.feeds.http.fetch import Fetcher
from connectors.feeds.state.subscriptions import Subscription, SubscriptionStore
from pipeline.contracts.clock import Clock, SystemClock

_LOG: Final = logging.getLogger(__name__)
LEASE: Final = 7 * 86_400
"""Seconds that we ask for; the hub decides."""
LONGEST_LEASE: Final = 30 * 86_400
RENEW_LEFT: Final = 0.2
"""The part of a lease that is left when it is renewed."""
ASK_AGAIN: Final = 6 * 3600.0
"""Seconds until a hub that did not answer, or refused, is asked again."""
_LEAST_PAUSE: Final = 600.0
"""Seconds between two requests for one feed: leases of a few minutes are not worth more."""
_HUBS_AT_ONCE: Final = 8
_LOOK: Final = 60.0
_MAX_BODY: Final = 8 * 1024 * 1024
_MAX_HEAD: Final = 16 * 1024
_REQUEST_SECONDS: Final = 20.0
_MOST_CALLERS: Final = 64
"""Connections at a time: the open files of this process are the poller's."""
_MOST_BODIES: Final = 4
"""In memory at a time, of callers that know a token."""
_HASHES: Final = frozenset(("sha1", "sha256", "sha384", "sha512"))


@dataclass(frozen=True, slots=True)
class Reply:
    """What the callback answers."""

    status: int
    body: str = ""


class WebSub:
    """Subscribes feeds that name a hub, answers the hub's requests, renews."""

    def __init__(
        self,
        store: SubscriptionStore,
        fetcher: Fetcher,
        database: ThreadPoolExecutor,
        callback_url: str,
        nudge: Callable[[str], None],
        clock: Clock | None = None,
    ) -> None:
        """``callback_url``: where hubs reach us, without a final slash; ``nudge`` gets feed ids."""
        self._store = store
        self._fetcher = fetcher
        self._database = database
        self._callback_url = callback_url.rstrip("/")
        self._nudge = nudge
        self._clock = clock or SystemClock()

    async def run(self, stop: asyncio.Event) -> None:
        """Subscribe and renew until ``stop``."""
        while not stop.is_set():
            try:
                await self.subscribe_due()
            except sa.exc.SQLAlchemyError as e:
                # Polling goes on without us: nothing that happens here may end the connector.
                _LOG.warning("the subscriptions wait: %s", e)
            try:
                async with asyncio.timeout(_LOOK):
                    await stop.wait()
            except TimeoutError:
                continue

    async def subscribe_due(self) -> int:
        """Ask the hubs of feeds whose subscription is missing or runs out; how many were asked.

        Hubs are asked side by side, the feeds of one hub one after the other; a hub that does not
        answer is not asked for its other feeds in this round.
        """
        now = self._clock.now().timestamp()
        due = await self._in_database(self._store.due, now, ASK_AGAIN, RENEW_LEFT)
        by_hub: dict[str, list[tuple[str, str]]] = {}
        for feed_id, hub, topic in due:
            by_hub.setdefault(hub, []).append((feed_id, topic))
        places = asyncio.Semaphore(_HUBS_AT_ONCE)

        async def one(hub: str, feeds: list[tuple[str, str]]) -> int:
            async with places:
                try:
                    return await self._ask_hub(hub, feeds, now)
                except Exception:  # noqa: BLE001
                    # The boundary of one hub: a fault met there must not stop the others.
                    _LOG.exception("a hub could not be asked; it is asked again later")
                    return 0

        return sum(await asyncio.gather(*(one(hub, feeds) for hub, feeds in by_hub.items())))

    async def _ask_hub(self, hub: str, feeds: list[tuple[str, str]], now: float) -> int:
        asked = 0
        answers = True
        for feed_id, topic in feeds:
            wanted = Subscription(
                feed_id, secrets.token_urlsafe(24), hub, topic, secrets.token_urlsafe(32), now
            )
            # Written first: the hub may verify before it answers.
            subscription = await self._in_database(self._store.asked, wanted, _LEAST_PAUSE)
            if subscription is None:
                continue  # another connector asks
            if answers:
                asked += 1
                answers = await self._ask(subscription)
            else:
                await self._in_database(self._store.refused, feed_id)
        return asked

    async def knows(self, target: str) -> bool:
        """Whether ``target`` is the callback of a subscription of ours."""
        return await self._found(target) is not None

    async def callback(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> Reply:
        """Answer one request of a hub.

        Args:
            method: GET verifies a subscription, POST says that there is news.
            target: path and query as requested.
            headers: names in lower case.
            body: as sent.
        """
        found = await self._found(target)
        if found is None:
            return Reply(404)
        if method == "GET":
            query = parse_qs(urlsplit(target).query, max_num_fields=20)
            return await self._verify(found, query)
        if method != "POST":
            return Reply(405)
        if is_signed(body, headers.get("x-hub-signature", ""), found.secret):
            self._nudge(found.feed_id)
        else:
            _LOG.warning("a message for %s with a wrong signature was ignored", found.feed_id)
        # The same answer either way: a forger learns nothing (section 8).
        return Reply(202)

    async def _found(self, target: str) -> Subscription | None:
        token = urlsplit(target).path.rsplit("/", 1)[-1]
        found: Subscription | None = await self._in_database(self._store.by_token, token)
        return found

    async def _verify(self, found: Subscription, query: dict[str, list[str]]) -> Reply:
        mode = query.get("hub.mode", [""])[0]
        topic = query.get("hub.topic", [""])[0]
        if topic != found.topic:
            return Reply(404)
        if mode == "denied":
            await self._in_database(self._store.refused, found.feed_id)
            return Reply(200)
        challenge = query.get("hub.challenge", [""])[0]
        lease = query.get("hub.lease_seconds", [""])[0]
        # Nobody of ours ever unsubscribes: such a request is not our wish.
        if mode != "subscribe" or not challenge or len(challenge) > 2048:
            return Reply(404)
        seconds = int(lease) if lease.isascii() and lease.isdigit() and len(lease) < 10 else LEASE
        expires = self._clock.now().timestamp() + min(max(seconds, 60), LONGEST_LEASE)
        await self._in_database(self._store.verified, found.feed_id, expires)
        return Reply(200, challenge)

    async def _ask(self, s: Subscription) -> bool:
        """Whether the hub answers at all."""
        form = urlencode(
            {
                "hub.mode": "subscribe",
                "hub.topic": s.topic,
                "hub.callback": f"{self._callback_url}/websub/{s.token}",
                "hub.lease_seconds": LEASE,
                "hub.secret": s.secret,
            }
        )
        result = await self._fetcher.post_form(s.hub, form)
        if result.status is None or not 200 <= result.status < 300:
            await self._in_database(self._store.refused, s.feed_id)
            _LOG.info("the hub of %s does not take us: %s", s.feed_id, result.reason)
        return result.status is not None

    async def _in_database(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._database, work, *arguments)


def is_signed(body: bytes, signature: str, secret: str) -> bool:
    """Whether ``signature`` (``sha256=…``) is that of ``body`` under ``secret`` (section 7.1)."""
    method, _, digest = signature.partition("=")
    if method not in _HASHES:
        return False
    expected = hmac.new(secret.encode(), body, getattr(hashlib, method)).hexdigest()
    return hmac.compare_digest(expected.encode(), digest.strip().lower().encode())


async def serve(websub: WebSub, host: str, port: int) -> asyncio.Server:
    """A small HTTP/1.1 server for the callbacks; meant to stand behind a proxy that does TLS.

    Raises:
        OSError: the port is in use.
    """
    callers = 0
    bodies = asyncio.Semaphore(_MOST_BODIES)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal callers
        callers += 1
        try:
            if callers > _MOST_CALLERS:
                return
            async with asyncio.timeout(_REQUEST_SECONDS):
                reply = await _answer(websub, reader, bodies)
                body = reply.body.encode()
                head = f"HTTP/1.1 {reply.status} X\r\nContent-Type: text/plain\r\n"
                writer.write(
                    f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError):
            pass  # a caller that is slow, gone or no HTTP client gets nothing
        except sa.exc.SQLAlchemyError as e:
            _LOG.warning("a hub goes without an answer: %s", e)
        finally:
            callers -= 1
            writer.close()

    return await asyncio.start_server(handle, host, port, limit=_MAX_HEAD)


async def _answer(websub: WebSub, reader: asyncio.StreamReader, bodies: asyncio.Semaphore) -> Reply:
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return Reply(431)
    first, *lines = raw.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or "transfer-encoding" in headers:
        return Reply(411)
    if int(length) > _MAX_BODY:
        return Reply(413)
    # What a stranger sends is not read: only a hub of ours knows a token.
    if not await websub.knows(target):
        return Reply(404)
    async with bodies:
        body = await reader.readexactly(int(length))
        return await websub.callback(method, target, headers, body)
