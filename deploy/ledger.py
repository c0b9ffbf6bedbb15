"""The ledger of promise 1: how everything that was fetched has ended, from feeds to pipeline.

The connector's totals stand in its database, the pipeline's on Kafka (`Ledger`, by partition, kept
with the engine's state). Both survive kill -9; together they add up.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.contracts.records import Ledger


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
