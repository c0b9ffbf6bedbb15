"""The connector on loopback feeds and a memory bus: what is fetched arrives, and adds up."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.feeds.hosts import Hosts
from connectors.feeds.parse.model import ParsedFeed
from connectors.feeds.state.records import State
from connectors.feeds.state.store import FeedStore
from pipeline.contracts.clock import SystemClock
from pipeline.contracts.topics import ARTICLES
from tests.integration.feeds_rig import DirectParser
from tests.integration.feeds_rig import articles_on as _articles
from tests.integration.feeds_rig import new_bus as _bus
from tests.integration.feeds_rig import running as _running
from tests.integration.feeds_rig import until as _until
from tests.integration.feeds_rig import values_on as _values
from tests.integration.feeds_site import Site, answer, rss


def test_what_a_feed_serves_arrives_once_and_edits_as_revisions(tmp_path: Path) -> None:
    async def scene() -> None:
        bus = _bus()
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens"), ("2", "Lock shut")))
            async with _running(tmp_path, bus, site, "/rss") as connector:
                await _until(lambda: len(_articles(bus)) == 2, "two articles")
                await _until(lambda: len(site.requests) >= 4, "more polls")
                assert len(_articles(bus)) == 2
                site.put("/rss", rss(("1", "Bridge opens late"), ("2", "Lock shut"), ("3", "New")))
                await _until(lambda: len(_articles(bus)) == 4, "an edit and a new one")
                await _until(lambda: connector.store.totals().accepted == 4, "the totals")
                await _until(
                    lambda: connector.metric("published_total", group="en") == 4, "metrics"
                )
            totals = connector.store.totals()
            assert totals.fetched == totals.accepted + totals.duplicates + totals.rejected
            assert (totals.accepted, totals.pending) == (4, 0)
            edits = [a for a in _articles(bus) if a.revision == 1]
            assert [a.title for a in edits] == ["Bridge opens late"]
            first = next(a for a in _articles(bus) if a.title == "Bridge opens")
            assert (edits[0].article_id, first.revision) == (first.article_id, 0)
            assert connector.metric("entries_total", outcome="new") == 3
            assert connector.metric("entries_total", outcome="updated") == 1
            assert connector.metric("published_total", group="en") == 4

    asyncio.run(scene())


def test_a_server_that_says_unchanged_is_believed_but_asked_in_full_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        bus = _bus()
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens")), etag='"same"')
            async with _running(tmp_path, bus, site, "/rss"):
                await _until(lambda: len(site.requests) > 3, "polls")
                assert all("if-none-match" in h for h in site.asked("/rss")[2:])
                # The text changes and the ETag stays, as careless servers do it.
                site.put("/rss", rss(("1", "Bridge shut")), etag='"same"')
                monkeypatch.setattr("connectors.feeds.schedule.FULL_EVERY", 0.0)
                await _until(lambda: len(_articles(bus)) == 2, "the change is seen")

    asyncio.run(scene())


def test_a_server_that_always_says_unchanged_fails_and_is_no_quiet_feed(tmp_path: Path) -> None:
    async def scene() -> None:
        bus = _bus()
        async with Site() as site:
            site.pages["/rss"] = answer(b"", "304 Not Modified")
            async with _running(tmp_path, bus, site, "/rss") as connector:
                await _until(
                    lambda: connector.metric("fetches_total", outcome="http_error") > 0,
                    "a failed fetch",
                )
                (row,) = connector.store.feeds()
                assert row.last_answer_at is None
                assert "304" in row.reason

    asyncio.run(scene())


class NotedHosts(Hosts):
    """Remembers who was asked."""

    def __init__(self) -> None:
        super().__init__(["127.0.0.1", "127.0.0.2"])
        self.asked: list[str] = []

    def enter(self, host: str, now: float) -> None:
        self.asked.append(host)
        super().enter(host, now)


def test_manners_are_towards_the_host_that_is_dialled_and_not_the_one_in_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.feeds.moves.SIGHTINGS", 1)
    monkeypatch.setattr("connectors.feeds.moves.LASTING", 0.0)

    async def scene() -> None:
        bus = _bus()
        async with Site("127.0.0.2") as new, Site() as old:
            new.put("/rss", rss(("1", "Bridge opens")))
            old.pages["/rss"] = answer(b"", "301 M", f"Location: {new.url('/rss')}\r\n")
            hosts = NotedHosts()
            async with _running(tmp_path, bus, old, "/rss", hosts=hosts, also=(new.allowed,)):
                await _until(lambda: "127.0.0.2" in hosts.asked, "the new host is asked")
                asked = hosts.asked.index("127.0.0.2")
                assert set(hosts.asked[:asked]) == {"127.0.0.1"}
                await _until(lambda: len(new.requests) > asked, "the new address answers")
                assert len(old.requests) == asked

    asyncio.run(scene())


def test_validators_are_kept_only_after_the_bus_has_the_articles(tmp_path: Path) -> None:
    async def scene() -> None:
        bus = _bus()
        bus.down = True
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens")), etag='"1"')
            async with _running(tmp_path, bus, site, "/rss") as connector:
                await _until(connector.journal.kafka_away.is_set, "the bus is missed")
                (row,) = connector.store.feeds()
                assert row.etag is None
                assert connector.store.totals().fetched == 0
                assert connector.store.totals().pending == 1
                await asyncio.sleep(0)
                assert len(site.requests) == 1, "a feed is not asked again before its last is safe"
                bus.down = False
                await _until(lambda: connector.store.totals().accepted == 1, "it goes on by itself")
                assert connector.metric("publish_failures_total") >= 1

    asyncio.run(scene())


def test_a_stop_in_between_loses_nothing_and_repeats_byte_for_byte(tmp_path: Path) -> None:
    async def scene() -> None:
        bus = _bus()
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens"), ("2", "Lock shut")))
            bus.down = True
            async with _running(tmp_path, bus, site, "/rss") as connector:
                await _until(lambda: connector.store.totals().pending == 2, "journalled")
                (journalled,) = connector.store.pending()
            # The feed forgets them before we are back.
            site.put("/rss", rss(("3", "Something else")))
            bus.down = False
            async with _running(tmp_path, bus, site, "/rss") as connector:
                await _until(lambda: connector.store.totals().accepted == 3, "all three")
            sent = _values(bus, ARTICLES)
            assert {m.value for m in journalled.messages} < set(sent)
            assert len(sent) == 3

    asyncio.run(scene())


def test_a_kill_after_sending_and_before_noting_it_repeats_the_same_bytes(tmp_path: Path) -> None:
    async def scene() -> None:
        bus = _bus()
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens")))
            bus.down = True
            async with _running(tmp_path, bus, site, "/rss") as connector:
                await _until(lambda: connector.store.totals().pending == 1, "journalled")
                (journalled,) = connector.store.pending()
            bus.down = False
            for m in journalled.messages:
                bus.append(ARTICLES, m.key, m.value)
            async with _running(tmp_path, bus, site, "/rss") as connector:
                await _until(lambda: connector.store.totals().accepted == 1, "completed")
            first, second = _values(bus, ARTICLES)
            assert first == second
            totals = connector.store.totals()
            assert totals.fetched == totals.accepted + totals.duplicates + totals.rejected

    asyncio.run(scene())


async def _silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


def test_bad_feeds_harm_only_themselves(tmp_path: Path) -> None:
    async def scene() -> None:
        bus = _bus()
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens")))
            site.pages["/slow"] = _silent
            site.put("/html", b"<html><body>no feed</body></html>")
            site.pages["/gone"] = answer(b"", "410 Gone")
            site.pages["/inside"] = answer(b"", "302 Found", "Location: http://127.0.0.1:1/\r\n")
            paths = ("/rss", "/slow", "/html", "/gone", "/inside", "/nothing")
            async with _running(tmp_path, bus, site, *paths) as connector:
                await _until(lambda: len(site.asked("/rss")) > 5, "the good one goes on")
                await _until(
                    lambda: sum(r.failures > 0 for r in connector.store.feeds()) == 5,
                    "the others fail",
                )
                await _until(lambda: len(site.asked("/gone")) >= 3, "a gone feed is asked again")
                await _until(
                    lambda: connector.store.states().get(State.GONE) == 1, "it is known as gone"
                )
            rows = {r.url.rsplit("/", 1)[1]: r for r in connector.store.feeds()}
            assert rows["rss"].state == State.HEALTHY
            assert {p: rows[p].outcome for p in ("slow", "html", "inside", "nothing")} == {
                "slow": "timeout",
                "html": "bad_feed",
                "inside": "refused",
                "nothing": "http_error",
            }
            assert len(_articles(bus)) == 1

    asyncio.run(scene())


def test_a_fault_of_our_own_in_one_poll_stops_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        bus = _bus()
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens")))
            site.put("/boom", rss(("1", "boom")))
            original = DirectParser.parse

            async def parse_or_break(self, data, *rest, **known):
                if b"boom" in data:
                    raise RuntimeError("broken on purpose")
                return await original(self, data, *rest, **known)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(DirectParser, "parse", parse_or_break)
                async with _running(tmp_path, bus, site, "/rss", "/boom"):
                    await _until(lambda: len(site.asked("/rss")) > 5, "the good one goes on")
            assert "broken on purpose" in caplog.text

    asyncio.run(scene())


def test_a_document_of_the_same_bytes_is_not_parsed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []

    class NotingParser(DirectParser):
        async def parse(self, data: bytes, *known: Any, **more: Any) -> ParsedFeed:
            parsed.append(data)
            return await super().parse(data, *known, **more)

    monkeypatch.setattr("tests.integration.feeds_rig.DirectParser", NotingParser)

    async def scene() -> None:
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens")))
            async with _running(tmp_path, _bus(), site, "/rss"):
                await _until(lambda: len(site.requests) > 3, "several polls")
                assert len(parsed) == 1
                site.put("/rss", rss(("1", "Bridge opens"), ("2", "Bridge closes")))
                await _until(lambda: len(parsed) == 2, "other bytes are parsed")

    asyncio.run(scene())


class SetClock(SystemClock):
    """The machine's, which somebody sets."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead


def test_a_clock_that_is_set_back_by_an_hour_stops_nobody(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens")))
            clock = SetClock()
            clock.ahead = timedelta(hours=1)
            start = _running(
                tmp_path, _bus(), site, "/rss", hosts=Hosts(), clock=clock, lease_seconds=0.4
            )
            async with start:
                await _until(lambda: len(site.requests) > 1, "the feed is polled")
                clock.ahead = timedelta(0)
                asked = len(site.requests)
                await _until(lambda: len(site.requests) > asked + 1, "it goes on")

    asyncio.run(scene())


def test_a_full_disk_is_waited_out_and_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        bus = _bus()
        items = tuple((str(n), "Bridge times " * 100) for n in range(200))
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens")))
            async with _running(tmp_path, bus, site, "/rss") as connector:
                await _until(lambda: connector.store.totals().accepted == 1, "the first article")
                # A file that may not grow is a disk that is full.
                pages = [1]
                sa.event.listen(
                    connector.store.engine,
                    "checkout",
                    lambda c, *_: c.execute(f"PRAGMA max_page_count = {pages[0]}"),
                )
                site.put("/rss", rss(*items))
                await _until(lambda: "cannot be written" in caplog.text, "the disk is missed")
                assert len(_articles(bus)) == 1
                pages[0] = 1_000_000
                await _until(lambda: connector.store.totals().pending == 0, "nothing waits")
                await _until(lambda: len(_articles(bus)) == 201, "all of it arrives")
            totals = connector.store.totals()
            assert totals.fetched == totals.accepted + totals.duplicates + totals.rejected

    asyncio.run(scene())


def test_damage_in_the_state_file_ends_the_poller_and_is_no_fault_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def seen(*_: object) -> None:
        damage = sqlite3.DatabaseError("database disk image is malformed")
        raise sa.exc.DatabaseError("SELECT", {}, damage)

    async def scene() -> None:
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens")))
            monkeypatch.setattr(FeedStore, "seen", seen)
            async with _running(tmp_path, _bus(), site, "/rss") as connector:
                await asyncio.wait([connector.task], timeout=20)

    with pytest.raises(sa.exc.DatabaseError, match="malformed"):
        asyncio.run(scene())
    assert "our own code" not in caplog.text


def test_a_nudge_outlives_a_database_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.feeds.poller._DATABASE_PAUSE", 0.01)
    nudged: list[tuple[str, ...]] = []

    def make_due(_: FeedStore, feed_ids: tuple[str, ...], now: float) -> None:
        del now
        nudged.append(feed_ids)
        if len(nudged) == 1:
            raise sa.exc.OperationalError("UPDATE", {}, Exception("away"))

    async def scene() -> None:
        async with Site() as site:
            site.put("/rss", rss(("1", "Bridge opens")))
            monkeypatch.setattr(FeedStore, "make_due", make_due)
            async with _running(tmp_path, _bus(), site, "/rss") as connector:
                connector.poller.nudge("f")
                await _until(lambda: nudged == [("f",), ("f",)], "it is tried again")

    asyncio.run(scene())
