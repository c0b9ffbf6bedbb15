"""WebSub: subscribing, the hub's verification, signed messages, renewal."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, quote

import pytest
import sqlalchemy as sa

from connectors.feeds.feed_list import Feed, FeedList
from connectors.feeds.http.fetch import Fetcher, FetchLimits
from connectors.feeds.http.guard import Guard
from connectors.feeds.state.database import open_database, sqlite_url
from connectors.feeds.state.store import FeedStore
from connectors.feeds.state.subscriptions import (
    ACTIVE,
    ASKED,
    REFUSED,
    Subscription,
    SubscriptionStore,
)
from connectors.feeds.state.tables import FEEDS, SUBSCRIPTIONS
from connectors.feeds.websub import ASK_AGAIN, LEASE, WebSub, is_signed, serve
from pipeline.contracts.clock import FakeClock
from tests.integration.feeds_site import Site, answer

TOPIC = "https://outlet.example/rss"


@dataclass
class Scene:
    websub: WebSub
    store: SubscriptionStore
    clock: FakeClock
    nudged: list[str]
    hub: Site
    engine: sa.Engine

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
async def _scene(folder: Path, hub_answer: bytes, seconds: float = 5) -> AsyncIterator[Scene]:
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
            fetcher = Fetcher(Guard([hub.allowed]), "test", FetchLimits(total=seconds), clock)
            websub = WebSub(store, fetcher, database, "https://us.example", nudged.append, clock)
            yield Scene(websub, store, clock, nudged, hub, engine)
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


async def _silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


def _add_feeds(s: Scene, hubs: dict[str, str]) -> None:
    """Feed id -> path of its hub."""
    feeds = FeedStore(s.engine)
    urls = {name: f"https://{name}.example/rss" for name in hubs}
    feeds.sync_list(FeedList(tuple(Feed(name, url) for name, url in urls.items())), 0, 0)
    with s.engine.connect().execution_options(write=True) as c, c.begin():
        for name, path in hubs.items():
            values = {"hub": s.hub.url(path), "hub_topic": urls[name]}
            c.execute(sa.update(FEEDS).where(FEEDS.c.feed_id == name).values(values))


def _state(s: Scene, feed_id: str) -> str | None:
    with s.engine.connect() as c:
        query = sa.select(SUBSCRIPTIONS.c.state).where(SUBSCRIPTIONS.c.feed_id == feed_id)
        return c.execute(query).scalar()


def test_a_hub_that_hangs_and_one_that_breaks_hold_no_other_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with _scene(tmp_path, ACCEPTED, seconds=1) as s:
            s.hub.pages |= {"/hang": _silent, "/good": ACCEPTED, "/odd": ACCEPTED}
            hanging = {f"a{n}": "/hang" for n in range(4)}
            _add_feeds(s, hanging | {"b0": "/odd", "c0": "/good", "c1": "/good"})
            original = SubscriptionStore.asked

            def breaks(self, wanted, pause):
                if wanted.feed_id == "b0":
                    raise sa.exc.IntegrityError("INSERT", {}, Exception("broken on purpose"))
                return original(self, wanted, pause)

            monkeypatch.setattr(SubscriptionStore, "asked", breaks)
            round_ = asyncio.create_task(s.websub.subscribe_due())
            async with asyncio.timeout(10):
                while len(s.hub.asked("/good")) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert not round_.done(), "the good hub waits for nobody"
            # One try at the hub that hangs, none for its other feeds; both of the good one.
            assert await round_ == 3
            assert len(s.hub.asked("/hang")) == 1
            assert {_state(s, f) for f in hanging} == {REFUSED}
            assert (_state(s, "b0"), _state(s, "c0")) == (None, ASKED)
            assert "broken on purpose" in caplog.text
            monkeypatch.undo()
            assert await s.websub.subscribe_due() == 1, "the one that broke is asked again"

    asyncio.run(scene())


def test_an_error_of_the_database_ends_neither_the_subscriptions_nor_the_connector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with _scene(tmp_path, ACCEPTED) as s:
            tries: list[float] = []
            stop = asyncio.Event()

            def broken(*_: object) -> None:
                tries.append(1)
                if len(tries) == 3:
                    stop.set()
                raise sa.exc.InterfaceError("SELECT", {}, Exception("closed"))

            monkeypatch.setattr("connectors.feeds.websub._LOOK", 0.01)
            monkeypatch.setattr(SubscriptionStore, "due", broken)
            async with asyncio.timeout(10):
                await s.websub.run(stop)
            assert len(tries) == 3

    asyncio.run(scene())


def test_two_connectors_ask_a_hub_once(tmp_path: Path) -> None:
    async def scene() -> None:
        async with _scene(tmp_path, ACCEPTED) as s:
            asked = await asyncio.gather(s.websub.subscribe_due(), s.websub.subscribe_due())
            assert sorted(asked) == [0, 1]
            assert len(s.hub.bodies) == 1

    asyncio.run(scene())


def test_a_short_lease_is_renewed_before_it_ends_and_not_all_the_time(tmp_path: Path) -> None:
    async def scene() -> None:
        async with _scene(tmp_path, ACCEPTED) as s:
            await s.websub.subscribe_due()
            await s.verify(lease="7200")
            asked = 0
            for _ in range(72):
                s.clock.advance(100)
                asked += await s.websub.subscribe_due()
            # At four fifths, and at four fifths of what was left then: the hub never verified.
            assert asked == 2

    asyncio.run(scene())


def test_a_feed_with_another_hub_leaves_the_old_one(tmp_path: Path) -> None:
    async def scene() -> None:
        async with _scene(tmp_path, ACCEPTED) as s:
            await s.websub.subscribe_due()
            await s.verify(lease=str(LEASE))
            before = s.subscription()
            s.hub.pages["/new"] = ACCEPTED
            with s.engine.connect().execution_options(write=True) as c, c.begin():
                c.execute(sa.update(FEEDS).values(hub=s.hub.url("/new")))
            s.clock.advance(3600)
            assert await s.websub.subscribe_due() == 1
            assert len(s.hub.asked("/new")) == 1
            assert s.subscription().secret != before.secret
            assert s.store.by_token(before.token) is None

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


def test_what_strangers_send_to_the_callback_is_not_read(tmp_path: Path) -> None:
    async def scene() -> None:
        async with _scene(tmp_path, ACCEPTED) as s:
            server = await serve(s.websub, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            # The body never comes: an answer all the same means that nobody waits for it.
            writer.write(b"POST /websub/guess HTTP/1.1\r\nContent-Length: 8000000\r\n\r\n")
            async with asyncio.timeout(10):
                assert b" 404 " in await reader.read(200)
            writer.close()
            server.close()

    asyncio.run(scene())


def test_callers_beyond_the_most_are_turned_away(tmp_path: Path) -> None:
    async def scene() -> None:
        async with _scene(tmp_path, ACCEPTED) as s:
            server = await serve(s.websub, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(64)]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.timeout(10):
                assert await reader.read(1) == b""
            for _, caller in [*idle, (reader, writer)]:
                caller.close()
            server.close()

    asyncio.run(scene())


def test_unknown_signature_methods_are_no_signatures() -> None:
    assert not is_signed(b"x", "md5=abc", "s")
    assert not is_signed(b"x", "", "s")
