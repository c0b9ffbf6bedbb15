"""One partition of a Kafka topic: seek, poll, and until when what was read is complete."""

from __future__ import annotations

import time
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from pipeline.contracts.raw import RawRecord
from pipeline.contracts.topics import CONSUMER_OPTIONS

_ANSWER_SECONDS = 5.0


class LogChangedError(Exception):
    """This is not the log that the run began with: only a new run from its start can go on."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where} {what}: start a new generation")


class PartitionReader:
    """Reads one partition. Keeps its own position: the client may go to the network for it.

    Args:
        bootstrap: ``host:port[,host:port]``.
        topic: its name.
        partition: which one.
        of: partitions that the topic had when the run began. With more of them the producers' keys
            go elsewhere, to partitions that this run does not read.
    """

    def __init__(self, bootstrap: str, topic: str, partition: int, of: int) -> None:
        self._partition = TopicPartition(topic, partition)
        self._of = of
        self._consumer: Any = KafkaConsumer(
            bootstrap_servers=bootstrap.split(","), group_id=None, **CONSUMER_OPTIONS
        )
        self._consumer.assign([self._partition])
        self._position = -1
        self._asked = 0.0
        self._newest = float("-inf")

    def seek(self, offset: int) -> None:
        """Read on at ``offset``, or at the earliest record retained when that is gone."""
        if self._position != offset:
            self._consumer.seek(self._partition, offset)
            self._position = offset

    def poll(self, most: int, seconds: float) -> tuple[RawRecord, ...]:
        """Up to ``most`` records, none when nothing came within ``seconds``.

        Raises:
            LogChangedError: what comes stands before what was asked for.
            KafkaError: the broker refuses, or what it sent is corrupt.
        """
        got = self._consumer.poll(timeout_ms=int(seconds * 1000), max_records=most)
        # Without a time (-1) if they were written before the topic had its settings.
        records = tuple(
            [
                RawRecord(r.offset, max(r.timestamp, 0), r.value)
                for r in got.get(self._partition, ())
            ]
        )
        if records:
            if records[0].offset < self._position:
                raise self._changed(
                    f"starts again at {records[0].offset}, read up to {self._position}: this is"
                    " another Kafka"
                )
            self._position = records[-1].offset + 1
            self._newest = time.monotonic()
        return records

    def quiet_seconds(self) -> float:
        """Since a poll brought a record; infinite before the first."""
        return time.monotonic() - self._newest

    def complete_until(self, every: float) -> float | None:
        """A time (seconds since 1970): what the broker stamped before it, we have read.

        None when there is more to read, or when it was asked less than ``every`` seconds ago.
        An empty poll alone says nothing: it also happens while connecting to a log with a backlog.

        Raises:
            LogChangedError: the topic has more partitions than it had.
            KafkaError: the broker does not answer.
        """
        now = time.time()
        if 0 <= now - self._asked < every:
            return None
        self._asked = now
        ends = self._consumer.end_offsets([self._partition], timeout_ms=int(_ANSWER_SECONDS * 1000))
        # From the client's memory, which it renews every minute.
        partitions = len(self._consumer.partitions_for_topic(self._partition.topic))
        if partitions > self._of:
            raise self._changed(f"is one of {partitions} by now, of {self._of} when the run began")
        # Asked after `now`, so what was appended before is below the end that the broker named.
        end = ends[self._partition]
        return now if end <= self._position or end <= self._client_position() else None

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def _client_position(self) -> int:
        """Where the client reads on; it may go to the network for it.

        It is ahead of what we got where the log has no records any more: those that retention took
        before we came, however many, and those that only mark a transaction.
        """
        found = self._consumer.position(self._partition, timeout_ms=int(_ANSWER_SECONDS * 1000))
        return -1 if found is None else int(found)

    def _changed(self, what: str) -> LogChangedError:
        return LogChangedError(f"{self._partition.topic}/{self._partition.partition}", what)
