"""One suite for every bus: the memory bus keeps the promises that Kafka keeps."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from connectors.bus.base import (
    InFlight,
    Message,
    Outgoing,
    Publisher,
    Receipt,
    Start,
    Subscriber,
    drain,
    send_all,
)
from connectors.bus.errors import Closed, DeliveryFailed, Unavailable
from connectors.bus.kafka import KafkaPublisher, KafkaSubscriber
from connectors.bus.memory import MemoryBus, MemoryPublisher, MemorySubscriber
from connectors.bus.topics import ensure_topics
from pipeline.contracts.topics import TopicSpec

DAY = timedelta(days=1)
WAIT = 20.0


@dataclass
class Bus:
    """A fresh pair of topics on one kind of bus."""

    one: str
    two: str
    publisher: Callable[[], Publisher]
    subscriber: Callable[..., Subscriber]
    create: Callable[[str], None]


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    one, two = f"one-{uuid.uuid4().hex}", f"two-{uuid.uuid4().hex}"
    specs = [TopicSpec(one, 1, DAY), TopicSpec(two, 2, DAY)]
    opened: list[Publisher | Subscriber] = []

    def kept(thing: Publisher | Subscriber) -> Publisher | Subscriber:
        opened.append(thing)
        return thing

    if request.param == "memory":
        memory = MemoryBus(specs)
        yield Bus(
            one,
            two,
            lambda: kept(MemoryPublisher(memory)),
            lambda topics, **how: kept(MemorySubscriber(memory, topics, **how)),
            lambda name: memory.ensure([TopicSpec(name, 1, DAY)]),
        )
    else:
        bootstrap = request.getfixturevalue("kafka_bootstrap")
        ensure_topics(bootstrap, specs)
        yield Bus(
            one,
            two,
            lambda: kept(KafkaPublisher(bootstrap, client_id="test", patience=2)),
            lambda topics, **how: kept(KafkaSubscriber(bootstrap, topics, client_id="test", **how)),
            lambda name: ensure_topics(bootstrap, [TopicSpec(name, 1, DAY)]) and None,
        )
    for thing in opened:
        with suppress(DeliveryFailed):
            thing.close()


def read(subscriber: Subscriber, count: int) -> list[Message]:
    """At least ``count`` messages, or what came within the time."""
    deadline = datetime.now(UTC) + timedelta(seconds=WAIT)
    out: list[Message] = []
    while len(out) < count and datetime.now(UTC) < deadline:
        out += subscriber.poll(100, 0.2)
    return out


def test_what_was_sent_is_read_with_its_place_and_time(bus: Bus) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    receipt = bus.publisher().send(bus.one, b"k", b"v").result(WAIT)
    assert receipt == Receipt(bus.one, 0, 0)
    (message,) = read(bus.subscriber([bus.one], start=Start.EARLIEST), 1)
    assert (message.topic, message.partition, message.offset) == (bus.one, 0, 0)
    assert (message.key, message.value) == (b"k", b"v")
    assert before < message.timestamp < datetime.now(UTC) + timedelta(seconds=5)


def test_messages_of_one_key_keep_their_order(bus: Bus) -> None:
    publisher = bus.publisher()
    for n in range(60):
        publisher.send(bus.two, b"key-%d" % (n % 3), b"%d" % n)
    publisher.flush(WAIT)
    messages = read(bus.subscriber([bus.two], start=Start.EARLIEST), 60)
    assert len(messages) == 60
    for key in range(3):
        values = [int(m.value or b"") for m in messages if m.key == b"key-%d" % key]
        assert values == list(range(key, 60, 3))
    assert len({m.partition for m in messages if m.key == b"key-0"}) == 1


def test_messages_without_a_key_arrive_too(bus: Bus) -> None:
    publisher = bus.publisher()
    for _ in range(10):
        publisher.send(bus.two, None, b"v")
    publisher.flush(WAIT)
    assert len(read(bus.subscriber([bus.two], start=Start.EARLIEST), 10)) == 10


def test_a_message_that_is_too_large_fails_for_good_and_flush_tells_it(bus: Bus) -> None:
    publisher = bus.publisher()
    delivery = publisher.send(bus.one, b"k", b"v" * 1_500_000)
    error = delivery.exception(WAIT)
    assert isinstance(error, DeliveryFailed)
    assert not error.retriable
    publisher.send(bus.one, b"k", b"small")
    with pytest.raises(DeliveryFailed) as caught:
        publisher.flush(WAIT)
    assert caught.value.failed == 1
    publisher.flush(WAIT)
    assert [m.value for m in read(bus.subscriber([bus.one], start=Start.EARLIEST), 1)] == [b"small"]


def test_close_tells_a_failure_that_nobody_looked_at(bus: Bus) -> None:
    publisher = bus.publisher()
    publisher.send(bus.one, b"k", b"v" * 1_500_000)
    with pytest.raises(DeliveryFailed):
        publisher.close()
    publisher.close()
    with pytest.raises(Closed):
        publisher.send(bus.one, b"k", b"v")


def test_a_topic_that_does_not_exist_is_a_failed_delivery_that_may_be_tried_again(bus: Bus) -> None:
    delivery = bus.publisher().send(f"missing-{uuid.uuid4().hex}", b"k", b"v")
    error = delivery.exception(WAIT)
    assert isinstance(error, DeliveryFailed)
    assert error.retriable


def test_a_group_begins_after_its_commit_and_at_the_oldest_before_it(bus: Bus) -> None:
    publisher = bus.publisher()
    for n in range(4):
        publisher.send(bus.one, b"k", b"%d" % n)
    publisher.flush(WAIT)
    first = bus.subscriber([bus.one], group="desk")
    assert [m.value for m in first.poll(2, WAIT)] == [b"0", b"1"]
    again = bus.subscriber([bus.one], group="desk")
    assert [m.value for m in again.poll(2, WAIT)] == [b"0", b"1"]
    again.commit()
    rest = bus.subscriber([bus.one], group="desk")
    assert [m.value for m in read(rest, 2)] == [b"2", b"3"]
    other = bus.subscriber([bus.one], group="another")
    assert [m.value for m in read(other, 4)] == [b"0", b"1", b"2", b"3"]


def test_latest_begins_after_what_is_there(bus: Bus) -> None:
    publisher = bus.publisher()
    publisher.send(bus.two, b"k", b"old").result(WAIT)
    subscriber = bus.subscriber([bus.two], start=Start.LATEST)
    assert subscriber.poll(10, 0.1) in ((), [])
    publisher.send(bus.two, b"k", b"new").result(WAIT)
    assert [m.value for m in read(subscriber, 1)] == [b"new"]


def test_a_time_begins_at_the_first_message_not_older(bus: Bus) -> None:
    publisher = bus.publisher()
    publisher.send(bus.one, b"k", b"v").result(WAIT)
    (message,) = read(bus.subscriber([bus.one], start=Start.EARLIEST), 1)
    at = bus.subscriber([bus.one], start=message.timestamp)
    after = bus.subscriber([bus.one], start=message.timestamp + timedelta(seconds=60))
    assert at.positions() == {(bus.one, 0): 0}
    assert after.positions() == {(bus.one, 0): 1}


def test_a_poll_returns_as_soon_as_there_is_something(bus: Bus) -> None:
    subscriber = bus.subscriber([bus.one], start=Start.EARLIEST)
    publisher = bus.publisher()
    sender = threading.Timer(0.2, lambda: publisher.send(bus.one, b"k", b"v"))
    sender.start()
    began = datetime.now(UTC)
    messages = subscriber.poll(10, WAIT)
    sender.join()
    assert [m.value for m in messages] == [b"v"]
    assert datetime.now(UTC) - began < timedelta(seconds=WAIT / 2)


def test_positions_and_ends_tell_what_is_left(bus: Bus) -> None:
    publisher = bus.publisher()
    for n in range(3):
        publisher.send(bus.one, b"k", b"%d" % n)
    publisher.flush(WAIT)
    subscriber = bus.subscriber([bus.one], start=Start.EARLIEST)
    subscriber.poll(1, WAIT)
    assert subscriber.positions() == {(bus.one, 0): 1}
    assert subscriber.ends() == {(bus.one, 0): 3}


def test_drain_ends_at_the_end(bus: Bus) -> None:
    publisher = bus.publisher()
    for n in range(25):
        publisher.send(bus.two, b"%d" % n, b"%d" % n)
    publisher.flush(WAIT)
    subscriber = bus.subscriber([bus.two], start=Start.EARLIEST)
    assert {int(m.value or b"") for m in drain(subscriber, limit=7)} == set(range(25))
    assert list(drain(subscriber)) == []


def test_drain_before_a_time_ends_at_the_first_message_that_is_not_older(bus: Bus) -> None:
    publisher = bus.publisher()
    for n in range(6):
        publisher.send(bus.two, b"%d" % n, b"%d" % n).result(WAIT)
    subscriber = bus.subscriber([bus.two], start=Start.EARLIEST)
    stamps = {int(m.value or b""): m.timestamp for m in drain(subscriber)}
    # One that comes later than any clock's step between two messages.
    end = max(stamps.values()) + timedelta(milliseconds=1)
    while datetime.now(UTC) <= end:
        pass
    for n in range(6, 9):
        publisher.send(bus.two, b"%d" % n, b"%d" % n).result(WAIT)
    again = bus.subscriber([bus.two], start=Start.EARLIEST)

    assert {int(m.value or b"") for m in drain(again, limit=2, before=end)} == set(range(6))
    none = bus.subscriber([bus.two], start=Start.EARLIEST)
    assert list(drain(none, before=min(stamps.values()))) == []


def test_a_topic_created_later_is_read_from_its_beginning(bus: Bus) -> None:
    name = f"later-{uuid.uuid4().hex}"
    subscriber = bus.subscriber([name], start=Start.LATEST)
    assert list(subscriber.poll(10, 0.1)) == []
    bus.create(name)
    bus.publisher().send(name, b"k", b"v").result(WAIT)
    assert [m.value for m in read(subscriber, 1)] == [b"v"]


def test_a_coroutine_sends_and_awaits(bus: Bus) -> None:
    publisher = bus.publisher()

    async def send() -> list[Receipt]:
        single = await publisher.send(bus.one, b"k", b"first")
        return [
            single,
            *await send_all(publisher, [Outgoing(bus.one, b"k", b"%d" % n) for n in range(3)]),
        ]

    assert [r.offset for r in asyncio.run(send())] == [0, 1, 2, 3]


def test_a_coroutine_sees_each_failure_after_all_are_answered(bus: Bus) -> None:
    publisher = bus.publisher()
    outgoing = [Outgoing(bus.one, b"k", b"good"), Outgoing(bus.one, b"k", b"v" * 1_500_000)]
    with pytest.raises(DeliveryFailed):
        asyncio.run(send_all(publisher, outgoing))
    assert publisher.send(bus.one, b"k", b"next").result(WAIT)


def test_a_hopeless_message_only_delays_the_one_beside_it(bus: Bus) -> None:
    publisher = bus.publisher()
    hopeless = publisher.send(bus.one, b"k", b"v" * 1_500_000)
    beside = publisher.send(bus.one, b"k", b"good")
    assert isinstance(error := hopeless.exception(WAIT), DeliveryFailed)
    assert not error.retriable
    if isinstance(error := beside.exception(WAIT), DeliveryFailed):
        assert error.retriable
        publisher.send(bus.one, b"k", b"good").result(WAIT)
    assert [m.value for m in read(bus.subscriber([bus.one], start=Start.EARLIEST), 1)] == [b"good"]


def test_starting_at_a_commit_needs_a_group(bus: Bus) -> None:
    with pytest.raises(ValueError, match="group"):
        bus.subscriber([bus.one])
    with pytest.raises(ValueError, match="group"):
        bus.subscriber([bus.one], start=Start.EARLIEST).commit()


def test_a_sender_waits_for_room_and_is_told_when_none_comes() -> None:
    room = InFlight(records=2, size=100)
    first = room.enter(10, 0)
    room.enter(10, 0)
    with pytest.raises(Unavailable, match="2 messages"):
        room.enter(10, 0.01)
    first.set_result(Receipt("t", 0, 0))
    room.enter(10, 0)


def test_bytes_in_flight_are_bounded_but_a_large_message_goes_alone() -> None:
    room = InFlight(records=10, size=100)
    large = room.enter(1000, 0)
    with pytest.raises(Unavailable):
        room.enter(1, 0.01)
    large.set_result(Receipt("t", 0, 0))
    room.enter(60, 0)
    with pytest.raises(Unavailable):
        room.enter(60, 0.01)


def test_a_flush_that_is_not_answered_in_time_says_how_many_are_left() -> None:
    room = InFlight()
    room.enter(1, 0)
    with pytest.raises(Unavailable, match="1 messages"):
        room.settle(0.01)


def test_a_memory_bus_that_is_down_refuses_and_recovers() -> None:
    memory = MemoryBus([TopicSpec("t", 1, DAY)])
    publisher = MemoryPublisher(memory)
    memory.down = True
    publisher.send("t", b"k", b"v")
    with pytest.raises(DeliveryFailed, match="away"):
        publisher.flush(0)
    memory.down = False
    publisher.send("t", b"k", b"v")
    publisher.flush(0)


def test_nobody_at_the_address_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
        KafkaPublisher("127.0.0.1:1", client_id="test", patience=1)
