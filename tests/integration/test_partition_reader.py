"""A partition's reader on a real Kafka: what it reads, and when it says that nothing is left."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from pipeline.io import partition_reader
from pipeline.io.partition_reader import LogChangedError, PartitionReader

pytestmark = [pytest.mark.kafka]

_names = itertools.count()
DEADLINE = 30.0


@pytest.fixture
def admin(kafka_bootstrap: str) -> Iterator[KafkaAdminClient]:
    with closing(KafkaAdminClient(bootstrap_servers=kafka_bootstrap)) as made:
        yield made


@pytest.fixture
def topic(admin: KafkaAdminClient) -> str:
    """A topic of one partition."""
    name = f"partition-{next(_names)}"
    create(admin, name)
    return name


@pytest.fixture
def open_reader(kafka_bootstrap: str) -> Iterator[Callable[[str], PartitionReader]]:
    """Makes readers of the first partition, of one."""
    made = []

    def make(topic: str) -> PartitionReader:
        made.append(PartitionReader(kafka_bootstrap, topic, 0, of=1))
        return made[-1]

    yield make
    for reader in made:
        reader.close()


def create(admin: KafkaAdminClient, name: str) -> None:
    admin.create_topics([NewTopic(name, 1, 1)])


def send(kafka: str, topic: str, count: int) -> None:
    with closing(KafkaProducer(bootstrap_servers=kafka)) as producer:
        for future in [producer.send(topic, b"%d" % n) for n in range(count)]:
            future.get(DEADLINE)


def read(reader: PartitionReader, count: int) -> list[int]:
    """So many offsets."""
    found: list[int] = []
    until(lambda: found.extend(r.offset for r in reader.poll(500, 0.1)) or len(found) >= count)
    return found


def until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + DEADLINE
    while not (result := condition()):
        assert time.monotonic() < end, "not in time"
    return result


def complete(reader: PartitionReader) -> float:
    """What it says once it says that nothing is left."""

    def ask() -> float | None:
        assert reader.poll(500, 0.1) == ()
        return reader.complete_until(0)

    return float(until(ask))


def test_a_log_is_complete_when_all_was_read_and_not_before(
    kafka_bootstrap: str, topic: str, open_reader: Callable[[str], PartitionReader]
) -> None:
    send(kafka_bootstrap, topic, 10)
    reader = open_reader(topic)
    reader.seek(0)

    assert reader.complete_until(0) is None
    assert read(reader, 10) == list(range(10))
    before = time.time()
    assert before <= complete(reader) <= time.time()
    send(kafka_bootstrap, topic, 1)
    assert reader.complete_until(0) is None
    assert reader.complete_until(3600) is None


def test_a_log_whose_records_have_all_expired_is_complete(
    kafka_bootstrap: str,
    admin: KafkaAdminClient,
    topic: str,
    open_reader: Callable[[str], PartitionReader],
) -> None:
    # Else its watermark would stand, and with it every story, until something new came to it.
    send(kafka_bootstrap, topic, 10)
    admin.delete_records({TopicPartition(topic, 0): 10})
    reader = open_reader(topic)
    reader.seek(0)

    assert complete(reader) > 0


def test_reading_goes_on_behind_what_has_expired(
    kafka_bootstrap: str,
    admin: KafkaAdminClient,
    topic: str,
    open_reader: Callable[[str], PartitionReader],
) -> None:
    send(kafka_bootstrap, topic, 10)
    admin.delete_records({TopicPartition(topic, 0): 6})
    reader = open_reader(topic)
    reader.seek(3)

    assert read(reader, 4) == [6, 7, 8, 9]


def test_a_topic_that_was_made_anew_is_no_log_to_go_on_with(
    kafka_bootstrap: str,
    admin: KafkaAdminClient,
    topic: str,
    open_reader: Callable[[str], PartitionReader],
) -> None:
    send(kafka_bootstrap, topic, 10)
    reader = open_reader(topic)
    reader.seek(0)
    read(reader, 10)
    admin.delete_topics([topic])
    until(lambda: topic not in admin.list_topics())
    create(admin, topic)
    send(kafka_bootstrap, topic, 3)
    again = open_reader(topic)  # as after a restart
    again.seek(10)

    with pytest.raises(LogChangedError, match=r"starts again at 0, read up to 10.*new generation"):
        read(again, 1)


def test_a_partition_more_ends_the_run_that_does_not_read_it(
    kafka_bootstrap: str,
    admin: KafkaAdminClient,
    topic: str,
    open_reader: Callable[[str], PartitionReader],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(partition_reader.CONSUMER_OPTIONS, "metadata_max_age_ms", 100)
    reader = open_reader(topic)
    reader.seek(0)
    complete(reader)
    admin.create_partitions({topic: 2})

    with pytest.raises(LogChangedError, match=r"is one of 2 by now, of 1 .*new generation"):
        until(lambda: reader.complete_until(0) is None)
