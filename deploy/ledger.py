"""The ledger of promise 1: how everything that was fetched has ended, from feeds to pipeline.

The connector's totals stand in its database, the pipeline's on Kafka (`Ledger`, by partition, kept
with the engine's state). Both survive kill -9; together they add up.

A replay counts anew what Kafka still holds. What retention removed before it began was counted by
an earlier run, and is shown apart as *expired*: how far earlier runs had counted is noted when a
new one begins (`counted_by`), since the ledger topic keeps only the newest word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from connectors.bus.base import Message, Start, drain
from connectors.bus.errors import Unavailable
from connectors.bus.kafka import KafkaSubscriber
from connectors.feeds.state.database import open_database
from connectors.feeds.state.store import FeedStore
from deploy.errors import Fault
from pipeline.contracts import codec
from pipeline.contracts.errors import DecodeError
from pipeline.contracts.records import Ledger
from pipeline.contracts.topics import LEDGER


@dataclass(frozen=True, slots=True)
class LedgerView:
    """Entries of fetched documents and the five ways in which they end. All are counts."""

    fetched: int
    """Every entry of every fetched document, and of every imported archive."""
    rejected: int
    feed_duplicates: int
    """Seen before, unchanged: the connector did not send them on."""
    accepted: int
    """Acknowledged by Kafka."""
    pipeline_duplicates: int
    tagged: int
    off_topic: int
    dead_letters: int
    redelivered: int
    """Byte-equal repeats after a crash; they are no articles of their own."""
    expired: int = 0
    """Counted by an earlier run of the pipeline, and removed by Kafka's retention before this one
    began. Byte-equal repeats among them cannot be told any more."""

    @property
    def duplicates(self) -> int:
        """Duplicates at either stage."""
        return self.feed_duplicates + self.pipeline_duplicates

    @property
    def lost(self) -> int:
        """Fetched less the five outcomes and the expired: 0 once everything has come to its end."""
        ended = self.rejected + self.duplicates + self.tagged + self.off_topic + self.dead_letters
        return self.fetched - ended - self.expired


@dataclass(frozen=True, slots=True)
class Counted:
    """How far earlier runs of the pipeline have counted one partition."""

    until: int
    """The offset after the last one."""
    missed: int = 0
    """Messages before it that retention removed before any run could read them."""

    def expired(self, first: int) -> int:
        """Of the messages before offset ``first``, those that were counted."""
        return max(0, min(first, self.until) - self.missed)


NOBODY: Final = Counted(0)
"""No run has counted anything."""


def newest_of_each(records: Iterable[Ledger]) -> dict[str, Ledger]:
    """Partition (``topic/number``) -> its newest record.

    A replay on purpose starts a new generation, which counts the same articles. Until it has said
    something of a partition, what the one before said is the best that is known.
    ``records`` are in the order of the ledger topic.
    """
    return {f"{r.source_topic}/{r.partition}": r for r in records}


def counted_by(records: Iterable[Ledger], before: Mapping[str, Counted]) -> dict[str, Counted]:
    """How far all runs until now have counted, by partition; ``before``: as noted the last time.

    Noting it again changes nothing, so a start may be killed at any moment.
    """
    out = dict(before)
    for partition, newest in newest_of_each(records).items():
        known = out.get(partition, NOBODY)
        # The very first run finds what was removed before there was any.
        missed = known.missed + max(0, newest.from_offset - known.until)
        out[partition] = Counted(max(known.until, newest.through_offset + 1), missed)
    return out


def pipeline_ledger(kafka: str) -> list[Ledger]:
    """The pipeline's part of the ledger, as it stands on Kafka: every record, in order.

    Raises:
        Fault: no broker answers, or a record is none.
    """
    try:
        return [codec.decode(Ledger, m.value) for m in _all_of(kafka, LEDGER)]
    except DecodeError as e:
        raise Fault(f"{LEDGER} holds what this version cannot read: {e}; use the newer one") from e


def read_ledger(
    database_url: str, kafka: str, counted: Mapping[str, Counted] | None = None
) -> LedgerView:
    """Both parts of the ledger, added up; ``counted``: by earlier runs, as noted.

    Raises:
        Fault: no broker answers.
    """
    database = open_database(database_url)
    try:
        feeds = FeedStore(database).totals()
    finally:
        database.dispose()
    newest = newest_of_each(pipeline_ledger(kafka))
    records = newest.values()
    earlier = counted or {}
    return LedgerView(
        fetched=feeds.fetched,
        rejected=feeds.rejected,
        feed_duplicates=feeds.duplicates,
        accepted=feeds.accepted,
        pipeline_duplicates=sum(r.duplicates for r in records),
        tagged=sum(r.tagged for r in records),
        off_topic=sum(r.off_topic for r in records),
        dead_letters=sum(r.dead_letters for r in records),
        redelivered=sum(r.redelivered for r in records),
        expired=sum(
            earlier.get(partition, NOBODY).expired(r.from_offset) for partition, r in newest.items()
        ),
    )


def _all_of(kafka: str, topic: str) -> Iterator[Message]:
    try:
        subscriber = KafkaSubscriber(
            kafka, [topic], client_id="straitwatch-ledger", start=Start.EARLIEST
        )
        try:
            yield from drain(subscriber)
        finally:
            subscriber.close()
    except Unavailable as e:
        raise Fault(f"{e}; is the service running? `straitwatch doctor` says more") from e
