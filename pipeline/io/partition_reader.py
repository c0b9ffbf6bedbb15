"""One partition of a Kafka topic: seek, poll, and until when what was read is complete."""

from __future__ import annotations

import time
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from pipeline.contracts.raw import RawRecord
from pipeline.contracts.topics import CONSUMER_OPTIONS

_ANSWER_SECONDS = 5.0


class LogReplacedError(Exception):
    """The log ends before the offset that was read from it: it is another log."""


class PartitionReader:
    """Reads one partition. Keeps its own position: the client may go to the network for it."""

    def __init__(self, bootstrap: str, topic: str, partition: int) -> None:
        self._partition = TopicPartition(topic, partition)
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
            LogReplacedError: what comes stands before what was asked for.
        """
        got = self._consumer.poll(timeout_ms=int(seconds * 1000), max_records=most)
        records = tuple(
            [RawRecord(r.offset, r.timestamp, r.value) for r in got.get(self._partition, ())]
        )
        if records:
            if records[0].offset < self._position:
                raise LogReplacedError(
                    f"{self._partition.topic}/{self._partition.partition} starts again at"
                    f" {records[0].offset}, read up to {self._position}: this is another Kafka;"
                    " start a new generation"
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
            KafkaError: the broker does not answer.
        """
        now = time.time()
        if 0 <= now - self._asked < every:
            return None
        self._asked = now
        ends = self._consumer.end_offsets([self._partition], timeout_ms=int(_ANSWER_SECONDS * 1000))
        # Asked after `now`, so what was appended before is below the end that the broker named.
        return now if ends[self._partition] <= self._position else None

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()
