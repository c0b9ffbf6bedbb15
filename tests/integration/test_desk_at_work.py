"""The whole desk on a memory bus: threads, outbox, webhook, gauges."""

from __future__ import annotations

import io
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import inspect

from connectors.bus.base import Publisher, Start, Subscriber
from connectors.bus.memory import MemoryBus, MemoryPublisher, MemorySubscriber
from connectors.desk import service
from connectors.desk.archive import Archive
from connectors.desk.channels.base import Channel, ChannelKind, Envelope, Outcome, Sent
from connectors.desk.channels.console import ConsoleChannel
from connectors.desk.database import (
    VERSION_TABLE,
    database_url,
    held,
    migrate,
    open_database,
)
from connectors.desk.errors import AlreadyAtWork, DatabaseAway, WrongDatabase
from connectors.desk.schema import METADATA
from connectors.desk.service import GROUP, Bus, Desk
from connectors.desk.store import ChannelRow, Store
from pipeline.contracts import codec
from pipeline.contracts.clock import SystemClock
from pipeline.contracts.records import Alert, AlertState, DeadLetter, Series, SeriesPoint
from pipeline.contracts.topics import ALERTS, DEAD_LETTERS, SERIES, topic_specs
from tests.golden.desk.alert import ALERT

WAIT = 20.0


class Recorder:
    """A channel that keeps what it gets; it may be held up."""

    pace = None

    def __init__(self, name: str) -> None:
        self.row = ChannelRow(name, ChannelKind.WEBHOOK, name)
        self.got: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.news = threading.Condition()

    def send(self, envelope: Envelope) -> Outcome:
        self.entered.set()
        self.open.wait(WAIT)
        with self.news:
            self.got.append(envelope.idempotency_key)
            self.news.notify_all()
        return Sent()

    def close(self) -> None: ...

    def wait_for(self, count: int) -> list[str]:
        with self.news:
            assert self.news.wait_for(lambda: len(self.got) >= count, WAIT), self.got
        return self.got


class Running:
    """A desk in a thread."""

    def __init__(self, folder: Path, bus: MemoryBus) -> None:
        self._folder, self.bus = folder, bus
        self._cleanups: list[Callable[[], None]] = []

    def start(self, *channels: Channel) -> Desk:
        engine = open_database(database_url(self._folder, None))
        migrate(engine)
        bus = Bus(self._subscribe, self._publish)
        desk = Desk(Store(engine), channels, bus, SystemClock())
        thread = threading.Thread(target=desk.run)
        thread.start()

        def stop() -> None:
            desk.stop()
            thread.join(WAIT)
            engine.dispose()
            assert not thread.is_alive()

        self._cleanups.append(stop)
        return desk

    def stop(self) -> None:
        for cleanup in self._cleanups:
            cleanup()
        self._cleanups.clear()

    def send(self, *alerts: Alert) -> None:
        for alert in alerts:
            self.bus.append(ALERTS, alert.alert_id.encode(), codec.encode(alert))

    def archive(self) -> Archive:
        engine = open_database(database_url(self._folder, None), read_only=True)
        self._cleanups.append(engine.dispose)
        return Archive(engine)

    def _subscribe(self, topic: str, start: Start | datetime, group: str | None) -> Subscriber:
        return MemorySubscriber(self.bus, [topic], start=start, group=group)

    def _publish(self) -> Publisher:
        return MemoryPublisher(self.bus)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path, MemoryBus(topic_specs()))
    yield made
    made.stop()


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(WAIT / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    pytest.fail("the condition never held")


def test_each_revision_reaches_every_channel(running: Running) -> None:
    one, two, lines = Recorder("one"), Recorder("two"), io.StringIO()
    running.start(one, two, ConsoleChannel(lines))
    running.send(replace(ALERT, revision=1), ALERT)
    expected = [f"{ALERT.alert_id}-1", f"{ALERT.alert_id}-2"]
    assert one.wait_for(2) == two.wait_for(2) == expected
    until(lambda: lines.getvalue().count("\n") == 2)
    assert lines.getvalue().startswith("ALERT CRITICAL: japan-china – rising further")


def test_a_slow_channel_delays_no_other(running: Running) -> None:
    slow, quick = Recorder("slow"), Recorder("quick")
    slow.open.clear()
    running.start(slow, quick)
    running.send(*(replace(ALERT, alert_id=f"a{n}") for n in range(5)))
    quick.wait_for(5)
    assert slow.got == []
    slow.open.set()
    slow.wait_for(5)


def test_the_offset_is_committed_after_the_rows_and_a_restart_sends_nothing_again(
    running: Running,
) -> None:
    first = Recorder("one")
    running.start(first)
    running.send(ALERT)
    first.wait_for(1)
    until(lambda: running.bus.start((ALERTS, 0), Start.COMMITTED, GROUP) == 1)
    running.stop()
    running.bus.commit(GROUP, {(ALERTS, 0): 0})
    again = Recorder("one")
    running.start(again)
    running.send(replace(ALERT, revision=3))
    assert again.wait_for(1) == [f"{ALERT.alert_id}-3"]


def test_what_was_being_sent_at_the_end_is_sent_again_with_the_same_key(running: Running) -> None:
    engine = open_database(database_url(running._folder, None))
    migrate(engine)
    store, row = Store(engine), ChannelRow("one", ChannelKind.WEBHOOK, "one")
    now = datetime.now(UTC)
    store.start([row], now)
    store.take([ALERT], [row], now)
    store.claim("one", now)
    engine.dispose()
    channel = Recorder("one")
    desk = running.start(channel)
    assert channel.wait_for(1) == [f"{ALERT.alert_id}-2"]
    labels = {"channel": "webhook", "outcome": "repeat"}
    read = desk.metrics.registry.get_sample_value
    assert read("straitwatch_desk_deliveries_total", labels) == 1


@pytest.mark.parametrize(
    ("junk", "reason"),
    [
        (b"not json", "not_json"),
        (b'{"schema":99}', "newer_schema"),
        (codec.encode(replace(ALERT, alert_id="a\r\nb")), "bad_field"),
        (codec.encode(replace(ALERT, alert_id="")), "bad_field"),
        (codec.encode(replace(ALERT, alert_id="x" * 300)), "bad_field"),
        (codec.encode(replace(ALERT, revision=2**40)), "bad_field"),
    ],
)
def test_junk_is_a_dead_letter_with_its_place_and_the_next_alert_arrives(
    running: Running, junk: bytes, reason: str
) -> None:
    channel = Recorder("one")
    running.start(channel)
    running.bus.append(ALERTS, b"k", junk)
    running.send(ALERT)
    channel.wait_for(1)
    until(lambda: running.bus.end((DEAD_LETTERS, 0)) == 1)
    (message,) = running.bus.read((DEAD_LETTERS, 0), 0, 10)
    letter = codec.decode(DeadLetter, message.value)
    assert (letter.step, letter.reason, letter.payload) == ("desk", reason, junk)
    assert (letter.source_topic, letter.partition, letter.offset) == (ALERTS, 0, 0)


def test_prometheus_sees_the_newest_bucket_of_each_series(running: Running) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    point = SeriesPoint(
        "taiwan", Series.ESCALATION, now, 5, 7, 4, 1.5, 3.5, 2.2, 0.9, warm=True, blind=False,
        baseline_since=None, by_language=(("ja", 3), ("zh-Hant", 1)), by_level=(("2", 4),),
    )  # fmt: skip
    for p in (
        point,
        replace(point, bucket=now - timedelta(minutes=5), independent=99),
        replace(point, bucket=now + timedelta(days=1), independent=99),
    ):
        running.bus.append(SERIES, b"k", codec.encode(p))
    running.bus.append(SERIES, b"k", b"junk")
    channel = Recorder("one")
    desk = running.start(channel)
    port = desk.serve_metrics("127.0.0.1", 0)

    def page() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=WAIT) as answer:
            return str(answer.read().decode())

    until(lambda: 'straitwatch_desk_unreadable_records_total{reason="not_json"} 1.0' in page())
    text = page()
    labels = 'series="escalation",topic="taiwan"'
    assert f"straitwatch_series_independent{{{labels}}} 4.0" in text
    assert f"straitwatch_series_expected{{{labels}}} 1.5" in text
    assert 'straitwatch_series_by_language{language="ja",series="escalation"' in text
    assert 'straitwatch_series_by_level{level="0",series="escalation",topic="taiwan"} 0.0' in text


def test_an_alert_that_is_over_is_open_no_longer_on_the_page(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_GAUGE_SECONDS", 0.05)
    desk = running.start(Recorder("one"))
    read = desk.metrics.registry.get_sample_value
    labels = {"topic": ALERT.topic, "severity": ALERT.severity.value}
    refused = {"channel": "webhook", "outcome": "refused"}
    until(lambda: read("straitwatch_desk_deliveries_total", refused) == 0)

    running.send(replace(ALERT, revision=1))
    until(lambda: read("straitwatch_desk_open_alerts", labels) == 1)
    running.send(replace(ALERT, revision=2, state=AlertState.CLOSED))
    until(lambda: read("straitwatch_desk_open_alerts", labels) == 0)


def test_the_archive_reads_beside_a_desk_at_work(running: Running) -> None:
    channel = Recorder("one")
    running.start(channel)
    running.send(replace(ALERT, revision=1), ALERT)
    channel.wait_for(2)
    archive = running.archive()
    assert archive.is_ready()
    assert archive.newest() == (ALERT,)
    assert [a.revision for a in archive.revisions(ALERT.alert_id)] == [1, 2]
    assert archive.matching(ALERT.alert_id[:6]) == (ALERT.alert_id,)
    assert archive.matching("%") == ()


def test_a_second_desk_on_the_same_home_is_told_so(tmp_path: Path) -> None:
    engine = open_database(database_url(tmp_path, None))
    with held(engine), pytest.raises(AlreadyAtWork), held(engine):
        pass
    with held(engine):
        pass
    engine.dispose()


def test_a_desk_that_holds_its_database_no_longer_ends(tmp_path: Path) -> None:
    engine = open_database(database_url(tmp_path, None))
    migrate(engine)
    bus = MemoryBus(topic_specs())

    def lost() -> None:
        raise DatabaseAway("gone")

    desk = Desk(
        Store(engine),
        [Recorder("one")],
        Bus(
            lambda topic, start, group: MemorySubscriber(bus, [topic], start=start, group=group),
            lambda: MemoryPublisher(bus),
        ),
        SystemClock(),
        still_held=lost,
    )
    with pytest.raises(DatabaseAway):
        desk.run()
    engine.dispose()


def test_migrations_make_the_tables_that_the_program_knows(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = open_database(database_url(tmp_path, None))
    migrate(engine)
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_a_database_of_a_newer_program_is_refused_in_words(tmp_path: Path) -> None:
    engine = open_database(database_url(tmp_path, None))
    migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"update {VERSION_TABLE} set version_num = '9999'")
    with pytest.raises(WrongDatabase, match="newer Straitwatch"):
        migrate(engine)
    assert set(METADATA.tables) <= set(inspect(engine).get_table_names())
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "says"), [("mysql://h/x", "postgresql"), ("nonsense", "not a database URL")]
)
def test_a_database_that_we_do_not_know_is_wrong_use(tmp_path: Path, url: str, says: str) -> None:
    with pytest.raises(WrongDatabase, match=says):
        database_url(tmp_path, url)
