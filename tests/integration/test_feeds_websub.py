"""WebSub: subscribing, the hub's verification, signed messages, renewal."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import importlib.util
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, quote

import sqlalchemy as sa

from connectors.feeds.feed_list import Feed, FeedList
from connectors.feeds.fetch import Fetcher, FetchLimits
from connectors.feeds.guard import Guard
from connectors.feeds.state.database import open_database, sqlite_url
from connectors.feeds.state.store import FeedStore
from connectors.feeds.state.subscriptions import ACTIVE, REFUSED, Subscription, SubscriptionStore
from connectors.feeds.state.tables import FEEDS
from connectors.feeds.websub import ASK_AGAIN, LEASE, WebSub, is_signed, serve
from pipeline.contracts.clock import FakeClock

_spec = importlib.util.spec_from_file_location(
    "feeds_site", Path(__file__).with_name("feeds_site.py")
)
assert _spec is not None
assert _spec.loader is not None
feeds_site = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(feeds_site)
Site, answer = feeds_site.Site, feeds_site.answer

TOPIC = "https://outlet.example/rss"


@dataclass
class Scene:
    websub: WebSub
    store: SubscriptionStore
    clock: FakeClock
    nudged: list[str]
    hub: Site

    def subscription(self) -> Subscription:
        token = parse_qs(self.hub.bodies[-1])["hub.callback"][0].rsplit("/", 1)[1]
        found = self.store.by_token(token)
        assert found is not None
        return found

    async def verify(self, topic: str = TOPIC, mode: str = "subscribe", lease: str = "3600"):
        target = (
            f"/websub/{self.subscription().token}?hub.mode={mode}&hub.topic={quote(topic)}"
            f"&hub.challenge=abc&hub.lease_seconds={lease}"
        )
        return await self.websub.callback("GET", target, {}, b"")


@asynccontextmanager
async def _scene(folder: Path, hub_answer: bytes) -> AsyncIterator[Scene]:
    engine = open_database(sqlite_url(folder))
    feeds = FeedStore(engine)
    feeds.sync_list(FeedList((Feed("f", TOPIC),)), 0, 0)
    clock = FakeClock(datetime(2026, 11, 25, tzinfo=UTC))
    nudged: list[str] = []
    async with Site() as hub:
        hub.pages["/hub"] = hub_answer
        with engine.connect().execution_options(write=True) as c, c.begin():
            c.execute(sa.update(FEEDS).values(hub=hub.url("/hub"), hub_topic=TOPIC))
        with ThreadPoolExecutor(1) as database:
            store = SubscriptionStore(engine)
            fetcher = Fetcher(Guard([hub.allowed]), "test", FetchLimits(total=5), clock)
            websub = WebSub(store, fetcher, database, "https://us.example", nudged.append, clock)
            yield Scene(websub, store, clock, nudged, hub)
    engine.dispose()


ACCEPTED = answer(b"", "202 Accepted")


def test_a_subscription_is_asked_for_verified_and_renewed_before_it_ends(tmp_path: Path) -> None:
    async def scene() -> None:
        async with _scene(tmp_path, ACCEPTED) as s:
            assert await s.websub.subscribe_due() == 1
            form = parse_qs(s.hub.bodies[0])
            assert form["hub.mode"] == ["subscribe"]
            assert form["hub.topic"] == [TOPIC]
            assert form["hub.callback"][0].startswith("https://us.example/websub/")
            reply = await s.verify(lease=str(LEASE))
            assert (reply.status, reply.body) == (200, "abc")
            assert s.subscription().state == ACTIVE
            assert await s.websub.subscribe_due() == 0
            s.clock.advance(0.9 * LEASE)
            assert await s.websub.subscribe_due() == 1
            assert parse_qs(s.hub.bodies[1])["hub.secret"] == form["hub.secret"]

    asyncio.run(scene())


def test_only_our_own_wish_is_confirmed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with _scene(tmp_path, ACCEPTED) as s:
            await s.websub.subscribe_due()
            assert (await s.verify(topic="https://other.example/rss")).status == 404
            assert (await s.verify(mode="unsubscribe")).status == 404
            assert (await s.websub.callback("GET", "/websub/guess?x=1", {}, b"")).status == 404
            assert s.subscription().state != ACTIVE

    asyncio.run(scene())


def test_a_signed_message_nudges_its_feed_and_a_forged_one_does_not(tmp_path: Path) -> None:
    async def scene() -> None:
        async with _scene(tmp_path, ACCEPTED) as s:
            await s.websub.subscribe_due()
            target = f"/websub/{s.subscription().token}"
            digest = hmac.new(s.subscription().secret.encode(), b"news", hashlib.sha256)
            signed = {"x-hub-signature": f"sha256={digest.hexdigest()}"}
            assert (await s.websub.callback("POST", target, {}, b"news")).status == 202
            assert (await s.websub.callback("POST", target, signed, b"other")).status == 202
            assert s.nudged == []
            assert (await s.websub.callback("POST", target, signed, b"news")).status == 202
            assert s.nudged == ["f"]

    asyncio.run(scene())


def test_a_hub_that_refuses_is_asked_again_later(tmp_path: Path) -> None:
    async def scene() -> None:
        async with _scene(tmp_path, answer(b"", "403 No")) as s:
            await s.websub.subscribe_due()
            assert s.subscription().state == REFUSED
            assert await s.websub.subscribe_due() == 0
            s.clock.advance(ASK_AGAIN + 1)
            assert await s.websub.subscribe_due() == 1

    asyncio.run(scene())


def test_the_callback_answers_over_http_and_refuses_what_is_too_large(tmp_path: Path) -> None:
    async def ask(port: int, raw: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw)
        try:
            return await reader.read(200)
        finally:
            writer.close()

    async def scene() -> None:
        async with _scene(tmp_path, ACCEPTED) as s:
            await s.websub.subscribe_due()
            server = await serve(s.websub, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            path = f"/websub/{s.subscription().token}"
            post = f"POST {path} HTTP/1.1\r\nHost: x\r\n"
            assert b" 202 " in await ask(port, f"{post}Content-Length: 4\r\n\r\nnews".encode())
            assert b" 413 " in await ask(port, f"{post}Content-Length: 999999999\r\n\r\n".encode())
            assert b" 411 " in await ask(port, f"{post}Transfer-Encoding: chunked\r\n\r\n".encode())
            assert b" 404 " in await ask(port, b"GET /websub/x HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await ask(port, b"nonsense\r\n\r\n") == b""
            server.close()

    asyncio.run(scene())


def test_unknown_signature_methods_are_no_signatures() -> None:
    assert not is_signed(b"x", "md5=abc", "s")
    assert not is_signed(b"x", "", "s")
