"""The journal when the database's answer is lost, and when our own code breaks half-way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.bus.memory import MemoryBus, MemoryPublisher
from connectors.feeds.errors import LeaseLostError
from connectors.feeds.feed_list import Feed, FeedList
from connectors.feeds.journal import Batcher, Journal
from connectors.feeds.state.database import open_database, sqlite_url
from connectors.feeds.state.records import Effect, FinishedPoll, Outgoing
from connectors.feeds.state.store import LEASE_SECONDS, FeedStore
from connectors.feeds.state.tables import JOURNAL
from pipeline.contracts.clock import FakeClock
from pipeline.contracts.topics import ARTICLES, topic_specs

NOW = datetime(2026, 11, 25, tzinfo=UTC)
START = NOW.timestamp()


class LossyStore(FeedStore):
    """Loses the answer of the next call of each kind in ``lose``: it is done, and an error says
    the opposite."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(engine)
        self.lose: dict[str, Exception] = {}

    def journal(self, *arguments: Any) -> set[str]:
        return self._lossy("journal", super().journal, *arguments)

    def complete(self, *arguments: Any) -> set[str]:
        return self._lossy("complete", super().complete, *arguments)

    def _lossy(self, kind: str, work: Callable[..., set[str]], *arguments: Any) -> set[str]:
        done = work(*arguments)
        if error := self.lose.pop(kind, None):
            raise error
        return done


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LossyStore]:
    engine = open_database(sqlite_url(tmp_path))
    store = LossyStore(engine)
    store.sync_list(
        FeedList(tuple(Feed(f"f{n}", f"https://o{n}.example/") for n in range(9))), 0, 0
    )
    store.start(START)
    store.claim(START, 9)
    yield store
    engine.dispose()


def _lost() -> Exception:
    return sa.exc.OperationalError("COMMIT", {}, Exception("the connection was closed"))


def _poll(feed: int, articles: int) -> FinishedPoll:
    effect = Effect(f"f{feed}", {"etag": '"1"'}, counts=(("fetched", 2), ("accepted", articles)))
    messages = tuple(Outgoing(b"k", b"%d-%d" % (feed, n)) for n in range(articles))
    return FinishedPoll(f"p{feed}", effect, messages)


def _sent(bus: MemoryBus) -> list[bytes]:
    parts = bus.partitions([ARTICLES])
    return sorted(m.value or b"" for p in parts for m in bus.read(p, 0, 1000))


def _with_journal(store: FeedStore, scene: Callable[[Journal, MemoryBus], Any]) -> MemoryBus:
    bus = MemoryBus(topic_specs())

    async def run() -> None:
        with ThreadPoolExecutor(1) as database:
            journal = Journal(store, MemoryPublisher(bus), database, FakeClock(NOW))
            try:
                await scene(journal, bus)
            finally:
                journal.close()

    asyncio.run(run())
    return bus


@pytest.mark.parametrize("kind", ["journal", "complete"])
def test_a_lost_answer_of_the_database_neither_stops_nor_doubles_a_poll(
    store: LossyStore, kind: str
) -> None:
    store.lose = {kind: _lost()}

    async def scene(journal: Journal, bus: MemoryBus) -> None:
        await asyncio.gather(*(journal.commit(_poll(n, 1)) for n in range(5)))

    bus = _with_journal(store, scene)
    assert _sent(bus) == [b"%d-0" % n for n in range(5)]
    totals = store.totals()
    assert (totals.fetched, totals.accepted, totals.pending) == (10, 5, 0)


def test_a_poll_without_news_whose_answer_was_lost_is_counted_once(store: LossyStore) -> None:
    store.lose = {"complete": _lost()}

    async def scene(journal: Journal, bus: MemoryBus) -> None:
        with pytest.raises(LeaseLostError):
            await journal.commit(_poll(0, 0))

    _with_journal(store, scene)
    assert store.totals().fetched == 2


def test_what_a_fault_of_ours_left_in_the_journal_is_completed_by_the_next_round(
    store: LossyStore,
) -> None:
    store.lose = {"journal": ZeroDivisionError()}

    async def scene(journal: Journal, bus: MemoryBus) -> None:
        with pytest.raises(ZeroDivisionError):
            await journal.commit(_poll(0, 2))
        free = store.claim(START + 2 * LEASE_SECONDS, 9)
        assert {r.feed_id for r in free} == {f"f{n}" for n in range(1, 9)}
        assert await journal.recover() == 2

    bus = _with_journal(store, scene)
    assert _sent(bus) == [b"0-0", b"0-1"]
    assert store.totals().accepted == 2


def test_an_article_that_kafka_refuses_for_good_is_rejected_and_the_others_count(
    store: LossyStore,
) -> None:
    (most,) = (t.max_message_bytes for t in topic_specs() if t.name == ARTICLES)
    poll = _poll(1, 2)
    large = replace(poll, messages=(poll.messages[0], Outgoing(b"k", b"x" * (most + 1))))
    bus = _with_journal(store, lambda journal, _: journal.commit(large))
    assert _sent(bus) == [b"1-0"]
    totals = store.totals()
    assert (totals.fetched, totals.accepted, totals.pending) == (2, 1, 0)
    assert totals.rejected_by_reason == (("undeliverable", 1),)


def test_kafka_is_missed_aloud_each_time_that_it_is_away(
    store: LossyStore, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(journal: Journal, bus: MemoryBus) -> None:
        for feed in range(2):
            bus.down = True
            sending = asyncio.create_task(journal.commit(_poll(feed, 1)))
            await journal.kafka_away.wait()
            bus.down = False
            await sending
            assert not journal.kafka_away.is_set()

    _with_journal(store, scene)
    assert sum("Kafka does not take articles" in r.getMessage() for r in caplog.records) == 2


def test_a_recovery_leaves_alone_what_is_under_way(store: LossyStore) -> None:
    async def scene(journal: Journal, bus: MemoryBus) -> None:
        bus.down = True
        commit = asyncio.create_task(journal.commit(_poll(0, 1)))
        async with asyncio.timeout(10):
            await journal.kafka_away.wait()
        assert await journal.recover() == 0
        bus.down = False
        await commit

    assert _sent(_with_journal(store, scene)) == [b"0-0"]


def test_an_item_that_nothing_can_be_done_with_fails_alone() -> None:
    done: list[list[int]] = []

    def work(items: Sequence[int]) -> list[float]:
        done.append(list(items))
        return [1 / item for item in items]

    async def scene() -> list[float | BaseException]:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(work, executor)
            return await asyncio.gather(*map(batcher, (1, 0, 2)), return_exceptions=True)

    first, second, third = asyncio.run(scene())
    assert (first, third) == (1, 0.5)
    assert isinstance(second, ZeroDivisionError)
    assert done == [[1, 0, 2], [1], [0], [2]]


def test_a_database_that_is_away_is_asked_once_for_a_batch() -> None:
    done: list[list[int]] = []

    def work(items: Sequence[int]) -> list[int]:
        done.append(list(items))
        raise _lost()

    async def scene() -> list[int | BaseException]:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(work, executor)
            return await asyncio.gather(*map(batcher, (1, 2)), return_exceptions=True)

    assert all(isinstance(e, sa.exc.OperationalError) for e in asyncio.run(scene()))
    assert done == [[1, 2]]


class StubbornStore(LossyStore):
    """Breaks on the polls of one feed, as a fault of ours would."""

    breaks_on = "f0"

    def complete(self, polls: Sequence[FinishedPoll]) -> set[str]:
        if any(p.effect.feed_id == self.breaks_on for p in polls):
            raise ZeroDivisionError
        return super().complete(polls)


def test_a_poll_that_cannot_be_completed_stays_and_holds_no_other_up(
    store: LossyStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.journal([_poll(0, 1), _poll(1, 2)], START)
    stubborn = StubbornStore(store.engine)

    async def scene(journal: Journal, bus: MemoryBus) -> None:
        assert await journal.recover() == 2
        assert "a poll of f0 stays in the journal (p0)" in caplog.text
        assert await journal.recover() == 0
        assert len(_sent(bus)) == 3  # nor is it sent again all the time
        assert {r.feed_id for r in store.claim(START + 2 * LEASE_SECONDS, 9)} == {
            f"f{n}" for n in range(1, 9)
        }
        stubborn.breaks_on = ""
        journal._clock.advance(3601)
        assert await journal.recover() == 1

    _with_journal(stubborn, scene)
    assert (store.totals().accepted, store.totals().pending) == (3, 0)


def test_a_row_of_the_journal_that_cannot_be_read_holds_no_other_up(
    store: LossyStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.journal([_poll(n, 1) for n in range(3)], START)
    with store.engine.begin() as c:
        c.execute(sa.update(JOURNAL).where(JOURNAL.c.poll_id == "p1").values(effect="{"))

    async def scene(journal: Journal, bus: MemoryBus) -> None:
        assert await journal.recover() == 2

    assert _sent(_with_journal(store, scene)) == [b"0-0", b"2-0"]
    assert "poll p1 of f1 cannot be read" in caplog.text


def test_a_recovery_in_a_damaged_state_file_says_so(store: LossyStore) -> None:
    store.journal([_poll(0, 1)], START)
    damage = sqlite3.DatabaseError("database disk image is malformed")
    store.lose = {"complete": sa.exc.DatabaseError("DELETE", {}, damage)}

    async def scene(journal: Journal, bus: MemoryBus) -> None:
        with pytest.raises(sa.exc.DatabaseError, match="malformed"):
            await journal.recover()

    _with_journal(store, scene)
