"""The ledger of promise 1: how everything that was fetched has ended, from feeds to pipeline.

The connector's totals stand in its database, the pipeline's on Kafka (`Ledger`, by partition, kept
with the engine's state). Both survive kill -9; together they add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connectors.bus.base import Message, Start, drain
from connectors.bus.errors import Unavailable
from connectors.bus.kafka import KafkaSubscriber
from connectors.feeds.state.database import open_database
from connectors.feeds.state.store import FeedStore
from deploy.errors import Fault
from pipeline.contracts import codec
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

    @property
    def duplicates(self) -> int:
        """Duplicates at either stage."""
        return self.feed_duplicates + self.pipeline_duplicates

    @property
    def lost(self) -> int:
        """Fetched less the five outcomes: 0 once everything has come to its end."""
        ended = self.rejected + self.duplicates + self.tagged + self.off_topic + self.dead_letters
        return self.fetched - ended


def newest_generation(records: list[Ledger]) -> list[Ledger]:
    """The newest record of each partition in the generation that counted last.

    A replay on purpose starts a new generation: older ones counted the same articles.
    ``records`` are in the order of the ledger topic.
    """
    if not records:
        return []
    generation = records[-1].generation
    newest = {(r.source_topic, r.partition): r for r in records if r.generation == generation}
    return list(newest.values())


def pipeline_ledger(kafka: str) -> list[Ledger]:
    """The pipeline's part of the ledger, as it stands on Kafka.

    Raises:
        Fault: no broker answers.
    """
    return newest_generation([codec.decode(Ledger, m.value) for m in _all_of(kafka, LEDGER)])


def read_ledger(database_url: str, kafka: str) -> LedgerView:
    """Both parts of the ledger, added up.

    Raises:
        Fault: no broker answers.
    """
    database = open_database(database_url)
    try:
        feeds = FeedStore(database).totals()
    finally:
        database.dispose()
    records = pipeline_ledger(kafka)
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
