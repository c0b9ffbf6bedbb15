"""Order, back-off, pace and giving up, on a clock that only moves when told."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from connectors.desk.archive import Archive
from connectors.desk.channels.base import (
    ChannelKind,
    Envelope,
    Outcome,
    Refused,
    Retry,
    Sent,
)
from connectors.desk.database import FILE_NAME, database_url, migrate, open_database
from connectors.desk.dispatcher import Dispatcher, measures_latency
from connectors.desk.metrics import DeskMetrics
from connectors.desk.policy import Backoff, DeliveryPolicy, Pace
from connectors.desk.store import ChannelRow, Store
from pipeline.contracts.clock import FakeClock
from pipeline.contracts.records import Alert, AlertState, Severity
from tests.golden.desk.alert import ALERT

START = datetime(2026, 3, 3, 1, tzinfo=UTC)
ROW = ChannelRow("fake", ChannelKind.WEBHOOK, "fake channel")


class FakeChannel:
    """Answers as told, then takes everything; remembers what it was given."""

    def __init__(self, *answers: Outcome | Exception, pace: Pace | None = None) -> None:
        self.answers = list(answers)
        self.got: list[str] = []
        self.pace = pace
        self.row = ROW

    def send(self, envelope: Envelope) -> Outcome:
        self.got.append(envelope.idempotency_key)
        answer = self.answers.pop(0) if self.answers else Sent()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None: ...


class Bench:
    """A store with a channel, and a dispatcher between them."""

    def __init__(self, folder: Path) -> None:
        self.engine = open_database(database_url(folder, None))
        self.store = Store(self.engine)
        self.clock = FakeClock(START)
        self.metrics = DeskMetrics(CollectorRegistry())
        self.archive = Archive(self.engine)
        self.store.start([ROW], START)

    def take(self, *alerts: Alert) -> None:
        self.store.take(alerts, [ROW], self.clock.now())

    def dispatcher(self, to: FakeChannel, **policy: object) -> Dispatcher:
        return Dispatcher(
            to,
            self.store,
            self.metrics,
            self.clock,
            policy=replace(DeliveryPolicy(), **policy),  # type: ignore[arg-type]
            chance=lambda: 1.0,
        )

    def work(self, dispatcher: Dispatcher, for_: timedelta = timedelta(0)) -> None:
        """Let it work, moving the clock over its waits, until there is nothing in that time."""
        end = self.clock.now() + for_
        for _ in range(10_000):
            wait = dispatcher.step()
            if wait > timedelta(0):
                if self.clock.now() + wait > end:
                    return
                self.clock.advance(wait.total_seconds())
        pytest.fail("the dispatcher never comes to rest")

    def states(self, alert_id: str = ALERT.alert_id) -> list[str]:
        return [f.state for f in self.archive.fates(alert_id)]

    def count(self, outcome: str) -> float:
        value = self.metrics.registry.get_sample_value(
            "straitwatch_desk_deliveries_total", {"channel": "webhook", "outcome": outcome}
        )
        return value or 0.0


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    engine = open_database(database_url(folder, None))
    migrate(engine)
    engine.dispose()
    return folder / FILE_NAME


@pytest.fixture
def bench(tmp_path: Path, migrated: Path) -> Iterator[Bench]:
    shutil.copy(migrated, tmp_path)
    made = Bench(tmp_path)
    yield made
    made.engine.dispose()


def revision(number: int, alert_id: str = ALERT.alert_id, **how: object) -> Alert:
    return replace(ALERT, alert_id=alert_id, revision=number, **how)  # type: ignore[arg-type]


def test_revisions_go_out_once_and_in_order(bench: Bench) -> None:
    bench.take(revision(1), revision(2), revision(3))
    channel = FakeChannel()
    bench.work(bench.dispatcher(channel))
    assert channel.got == [f"{ALERT.alert_id}-{n}" for n in (1, 2, 3)]
    assert bench.states() == ["sent"] * 3
    bench.work(bench.dispatcher(channel), timedelta(hours=1))
    assert len(channel.got) == 3


def test_a_later_revision_waits_for_the_earlier_one_but_another_alert_does_not(
    bench: Bench,
) -> None:
    bench.take(revision(1, "a"), revision(2, "a"), revision(1, "b"))
    channel = FakeChannel(Retry("busy"), Retry("busy"))
    # The channel is asked again long before the message is due again.
    message = Backoff(first=timedelta(minutes=1), longest=timedelta(minutes=1))
    bench.work(bench.dispatcher(channel, message=message), timedelta(seconds=30))
    assert channel.got == ["a-1", "b-1"]
    bench.work(bench.dispatcher(channel), timedelta(minutes=5))
    assert channel.got == ["a-1", "b-1", "a-1", "a-2", "b-1"]


def test_waits_grow_up_to_their_longest(bench: Bench) -> None:
    bench.take(revision(1))
    times: list[datetime] = []

    class Stamped(FakeChannel):
        def send(self, envelope: Envelope) -> Outcome:
            times.append(bench.clock.now())
            return super().send(envelope)

    channel = Stamped(*[Retry("busy")] * 7)
    short = Backoff(longest=timedelta(seconds=10))
    bench.work(bench.dispatcher(channel, message=short, channel=short), timedelta(minutes=5))
    waits = [(b - a).total_seconds() for a, b in pairwise(times)]
    assert waits == [1, 2, 4, 8, 10, 10, 10]
    assert bench.count("retry") == 7
    assert bench.count("sent") == 1


def test_what_the_receiver_asks_for_is_honoured_for_everything_that_waits(bench: Bench) -> None:
    bench.take(revision(1, "a"), revision(1, "b"))
    channel = FakeChannel(Retry("HTTP 429", timedelta(seconds=90)))
    dispatcher = bench.dispatcher(channel)
    bench.work(dispatcher, timedelta(seconds=89))
    assert channel.got == ["a-1"]
    bench.work(dispatcher, timedelta(seconds=91))
    assert sorted(channel.got) == ["a-1", "a-1", "b-1"]


def test_nobody_can_ask_for_silence_for_days(bench: Bench) -> None:
    bench.take(revision(1))
    channel = FakeChannel(Retry("HTTP 503", timedelta(days=30)))
    bench.work(bench.dispatcher(channel), timedelta(hours=1, minutes=1))
    assert len(channel.got) == 2


def test_a_refused_message_is_not_tried_again_and_shows_why(bench: Bench) -> None:
    bench.take(revision(1), revision(2))
    channel = FakeChannel(Refused("HTTP 413"))
    bench.work(bench.dispatcher(channel), timedelta(hours=1))
    assert channel.got == [f"{ALERT.alert_id}-1", f"{ALERT.alert_id}-2"]
    first, second = bench.archive.fates(ALERT.alert_id)
    assert (first.state, first.note) == ("refused", "HTTP 413")
    assert second.state == "sent"
    assert bench.count("refused") == 1


def test_a_message_that_never_arrives_is_dead_after_a_day_and_counted(bench: Bench) -> None:
    bench.take(revision(1))
    channel = FakeChannel(*[Retry("HTTP 500")] * 5000)
    rare = Backoff(longest=timedelta(hours=1))
    bench.work(bench.dispatcher(channel, message=rare), timedelta(hours=26))
    (fate,) = bench.archive.fates(ALERT.alert_id)
    assert fate.state == "dead"
    assert fate.finished_at is not None
    assert timedelta(hours=24) <= fate.finished_at - START < timedelta(hours=25, minutes=1)
    assert bench.count("dead") == 1
    assert bench.store.outbox_counts() == {"dead": 1}


def test_a_channel_that_works_again_takes_what_waits_at_once(bench: Bench) -> None:
    bench.take(*(revision(1, f"a{n}") for n in range(5)))
    channel = FakeChannel(*[Retry("no connection")] * 40)
    dispatcher = bench.dispatcher(channel)
    while channel.answers:
        wait = dispatcher.step()
        bench.clock.advance(wait.total_seconds())
    bench.work(dispatcher, timedelta(seconds=31))
    assert bench.store.outbox_counts() == {"sent": 5}


def test_a_fault_in_a_plugin_is_an_attempt_like_any_other_and_tells_no_secret(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.take(revision(1))
    channel = FakeChannel(RuntimeError("https://host/s3cret"))
    bench.work(bench.dispatcher(channel), timedelta(minutes=1))
    assert "fake channel failed in an unforeseen way: RuntimeError" in caplog.text
    assert "in send" in caplog.text
    assert "s3cret" not in caplog.text
    assert bench.states() == ["sent"]
    assert bench.count("retry") == 1


def test_a_person_gets_no_more_than_the_pace_allows(bench: Bench) -> None:
    bench.take(*(revision(1, f"a{n}") for n in range(7)))
    channel = FakeChannel(pace=Pace(3, timedelta(minutes=1)))
    dispatcher = bench.dispatcher(channel)
    bench.work(dispatcher, timedelta(seconds=50))
    assert len(channel.got) == 3
    bench.work(dispatcher, timedelta(minutes=1))
    assert len(channel.got) == 6


def test_fifty_updates_in_a_minute_wake_nobody_fifty_times(bench: Bench) -> None:
    rising, easing = AlertState.ESCALATED, AlertState.DE_ESCALATED
    bench.take(
        *(
            revision(n, state=rising, severity=severity)
            for n, severity in enumerate([Severity.WARNING, Severity.CRITICAL] * 24, 1)
        ),
        revision(49, state=rising, severity=Severity.WARNING),
        revision(50, state=easing, severity=Severity.WARNING),
    )
    person = FakeChannel(pace=Pace(20, timedelta(minutes=2)))
    bench.work(bench.dispatcher(person), timedelta(minutes=5))

    assert person.got == [f"{ALERT.alert_id}-{n}" for n in (48, 49, 50)]
    assert bench.count("overtaken") == 47
    assert bench.store.outbox_counts() == {"overtaken": 47, "sent": 3}
    held = [d for d in bench.archive.decisions(ALERT.alert_id) if d.action == "hold"]
    assert [d.revision for d in held] == list(range(1, 48))
    assert held[0].reason == "update 48 waited too, and says it as well"


def test_a_program_gets_every_revision(bench: Bench) -> None:
    bench.take(*(revision(n) for n in range(1, 51)))
    program = FakeChannel()
    bench.work(bench.dispatcher(program))
    assert len(program.got) == 50


def test_a_person_hears_the_newest_when_the_channel_comes_back(bench: Bench) -> None:
    person = FakeChannel(*[Retry("away")] * 3, pace=Pace(20, timedelta(minutes=2)))
    dispatcher = bench.dispatcher(person)
    bench.take(revision(1, state=AlertState.OPEN, severity=Severity.WARNING), revision(1, "b"))
    bench.work(dispatcher)
    bench.take(revision(2, state=AlertState.ESCALATED, severity=Severity.CRITICAL))
    bench.work(dispatcher, timedelta(minutes=1))
    assert f"{ALERT.alert_id}-2" in person.got
    assert person.got.count(f"{ALERT.alert_id}-1") == 1
    assert bench.states() == ["overtaken", "sent"]
    assert bench.states("b") == ["sent"]


def test_a_clock_that_is_set_back_silences_no_channel(bench: Bench) -> None:
    class SetBack(FakeClock):
        by = timedelta(0)

        def now(self) -> datetime:
            return super().now() - self.by

    bench.clock = clock = SetBack(START)
    channel = FakeChannel(Retry("away"))
    dispatcher = bench.dispatcher(channel)
    bench.take(ALERT)
    bench.work(dispatcher)
    clock.by = timedelta(hours=5)
    bench.take(replace(ALERT, alert_id="another"))

    bench.work(dispatcher, timedelta(minutes=1))

    first = f"{ALERT.alert_id}-{ALERT.revision}"
    assert channel.got == [first, f"another-{ALERT.revision}", first]


def test_messages_put_off_by_a_clock_that_was_set_back_since_are_due(bench: Bench) -> None:
    longest = DeliveryPolicy().longest_retry_after
    bench.take(revision(1, "asked"), revision(1, "put-off"), revision(1, "new"))
    for wait in (longest, longest + timedelta(seconds=1)):
        row = bench.store.claim(ROW.id, START)
        assert row is not None
        bench.store.postpone(row.id, START + wait, "away")
    channel = FakeChannel()
    # A desk that starts anew has no failure whose end would hasten them.
    dispatcher = bench.dispatcher(channel)

    bench.work(dispatcher)
    assert channel.got == ["new-1"], "as long as a receiver may ask for is waited"

    bench.clock = clock = FakeClock(START - timedelta(hours=5))
    dispatcher = bench.dispatcher(channel)
    bench.work(dispatcher)

    assert clock.now() == START - timedelta(hours=5)
    assert channel.got == ["new-1", "asked-1", "put-off-1"]


def test_what_was_being_sent_when_the_desk_died_is_sent_again_and_told(bench: Bench) -> None:
    bench.take(revision(1))
    assert bench.store.claim(ROW.id, bench.clock.now()) is not None
    assert bench.store.claim(ROW.id, bench.clock.now()) is None
    assert bench.store.start([ROW], bench.clock.now()) == {ROW.id: 1}
    channel = FakeChannel()
    bench.work(bench.dispatcher(channel))
    (fate,) = bench.archive.fates(ALERT.alert_id)
    assert (fate.state, fate.attempts, fate.repeats) == ("sent", 2, 1)


def test_messages_of_a_channel_that_is_gone_are_dropped_with_a_reason(bench: Bench) -> None:
    bench.take(revision(1))
    other = ChannelRow("other", ChannelKind.CONSOLE, "console")
    bench.store.start([other], bench.clock.now())
    assert bench.states() == ["dropped"]
    assert bench.archive.decisions(ALERT.alert_id)[-1].action == "hold"


def test_a_replay_of_the_same_revision_changes_nothing(bench: Bench) -> None:
    first = revision(1)
    bench.take(first)
    bench.work(bench.dispatcher(FakeChannel()))
    assert bench.store.take([replace(first, reason="another text")], [ROW], START) == ()
    (kept,) = bench.archive.revisions(ALERT.alert_id)
    assert kept == first
    assert len(bench.archive.decisions(ALERT.alert_id)) == 1


def test_the_same_revision_twice_in_one_batch_is_taken_once(bench: Bench) -> None:
    assert len(bench.store.take([revision(1), revision(1)], [ROW], START)) == 1


def test_latency_is_measured_where_a_story_made_the_revision(bench: Bench) -> None:
    seen = START - timedelta(seconds=4)
    bench.take(
        revision(
            1,
            state=AlertState.OPEN,
            newest_seen_at=seen,
            revised_at=START - timedelta(seconds=1),
        ),
        revision(2, state=AlertState.CLOSED, newest_seen_at=seen),
    )
    bench.work(bench.dispatcher(FakeChannel()))
    read = bench.metrics.registry.get_sample_value
    assert read("straitwatch_desk_seen_to_delivered_seconds_count") == 1
    assert read("straitwatch_desk_seen_to_delivered_seconds_sum") == 4
    assert read("straitwatch_desk_seen_to_alert_seconds_sum") == 3
    assert read("straitwatch_desk_alert_to_delivered_seconds_sum") == 1
    assert read("straitwatch_desk_alert_to_delivered_seconds_count") == 1
    assert read("straitwatch_desk_published_to_delivered_seconds_count") == 1
    newest = max(e.published_at for e in ALERT.evidence)
    told = read("straitwatch_desk_published_to_delivered_seconds_sum")
    assert told == (START - newest).total_seconds()


def test_a_first_refusal_rises_from_nought(bench: Bench) -> None:
    bench.metrics.expect("webhook")
    for outcome in ("sent", "retry", "refused", "dead", "repeat", "overtaken"):
        labels = {"channel": "webhook", "outcome": outcome}
        name = "straitwatch_desk_deliveries_total"
        assert bench.metrics.registry.get_sample_value(name, labels) == 0


def test_the_console_is_only_measured_when_it_is_all_there_is() -> None:
    assert not measures_latency("console", {"console", "webhook"})
    assert measures_latency("console", {"console"})
    assert measures_latency("webhook", {"console", "webhook"})


def test_open_alerts_are_those_whose_newest_revision_is_not_closed(bench: Bench) -> None:
    bench.take(revision(1, "a"), revision(2, "a", state=AlertState.CLOSED), revision(1, "b"))
    assert bench.store.open_alerts() == {("japan-china", "critical"): 1}
