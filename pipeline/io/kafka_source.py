"""A Kafka topic as an endless source for Beam: a splittable DoFn over kafka-python.

Beam's own Kafka source needs a Java harness. Here one restriction is one partition's offsets; its
place stands in the engine's checkpoint, never in a consumer group.

The watermark is the broker's append time. While there is a log to read it is the time of the last
record; at the end of the log it is the time at which the broker said so, less a margin.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import apache_beam as beam
from apache_beam.io.restriction_trackers import OffsetRange, OffsetRestrictionTracker
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.transforms.core import RestrictionProvider, WatermarkEstimatorProvider
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.shared import Shared
from apache_beam.utils.timestamp import Duration, Timestamp
from kafka import KafkaConsumer
from kafka.errors import KafkaError, UnknownTopicOrPartitionError

from pipeline.contracts.raw import RawBatch
from pipeline.io.coders import OffsetRangeCoder
from pipeline.io.partition_reader import PartitionReader

BATCH_RECORDS: Final = 500
"""Records in a batch at most. Larger ones are no faster and make a bundle coarse."""
_HOLD_SECONDS: Final = 0.1
"""How long one call reads on before it gives the engine its turn: half a bundle's time, and the
engine sends nothing on before the bundle is over."""
_BACKLOG_SECONDS: Final = 0.5
_BACKLOG_RECORDS: Final = 100
"""The same while each poll brings so many records: a turn costs more than latency then matters."""
_POLL_SECONDS: Final = 0.02
_LIVELY_SECONDS: Final = 5.0
"""A partition is lively for so long after a record: it is read without rest."""
_IDLE_SECONDS: Final = 0.3
"""Rest between two looks at the end of one that is not: costs latency, saves idle CPU."""
_AWAY_SECONDS: Final = 1.0
"""Rest when the broker does not answer; the client reconnects by itself."""
_MARGIN_SECONDS: Final = 0.5
"""Between the broker's clock at its answer and ours, and until what it stamped can be read."""
_ASK_SECONDS: Final = 0.25
"""How often the end of an idle log is asked for."""
_ENDLESS: Final = 2**62

_log = logging.getLogger(__name__)


def partitions_of(bootstrap: str, names: tuple[str, ...]) -> dict[str, int]:
    """The number of partitions of each topic.

    Raises:
        KafkaError: Kafka does not answer, or a topic is not there.
    """
    consumer: Any = KafkaConsumer(bootstrap_servers=bootstrap.split(","), group_id=None)
    try:
        found = {name: len(consumer.partitions_for_topic(name) or ()) for name in names}
    finally:
        consumer.close()
    for name, partitions in found.items():
        if not partitions:
            raise UnknownTopicOrPartitionError(f"no topic {name} at {bootstrap}")
    return found


@dataclass
class ReadKafka(beam.PTransform[Any, Any]):
    """Partitions of a topic, from the checkpoint or else from the earliest record retained.

    Emits `RawBatch`, each at the time of its first record, in the order of the log.
    The topic must use LogAppendTime: then a partition's times never go back, but for a broker's
    clock that is set back.
    """

    bootstrap: str
    topic: str
    partitions: tuple[int, ...]
    """Those that are read here."""
    of: int
    """Partitions of the topic. With one more of them the run ends (`LogChangedError`): what
    becomes of the keys of before is known to a new generation only."""

    def __post_init__(self) -> None:
        """Check before anything is built.

        Raises:
            ValueError: no partition.
        """
        super().__init__()
        if not self.partitions:
            raise ValueError(f"{self.topic}: no partition to read")

    def expand(self, root: Any) -> Any:
        """`RawBatch`es."""
        # How many there were stays with each: a restore begins from these, not from this graph.
        partitions = [(partition, self.of) for partition in self.partitions]
        return (
            root
            | "Start" >> beam.Impulse()
            | "Partitions" >> beam.FlatMap(lambda _: partitions).with_output_types(tuple[int, int])
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.ParDo(_Read(self.bootstrap, self.topic))
        )


class _Tracker(OffsetRestrictionTracker):
    """An endless range: it splits only where it stands, to rest or to be checkpointed."""

    def is_bounded(self) -> bool:
        return False

    def try_split(self, _fraction: float) -> Any:
        return super().try_split(0)  # type: ignore[no-untyped-call]


class _Restrictions(RestrictionProvider):
    def initial_restriction(self, _partition: tuple[int, int]) -> OffsetRange:
        return OffsetRange(0, _ENDLESS)

    def create_tracker(self, restriction: OffsetRange) -> _Tracker:
        return _Tracker(restriction)

    def restriction_size(self, _partition: tuple[int, int], _restriction: OffsetRange) -> int:
        return 1

    def restriction_coder(self) -> OffsetRangeCoder:
        return OffsetRangeCoder()

    def truncate(self, _partition: tuple[int, int], _restriction: OffsetRange) -> None:
        return None


class _Watermarks(WatermarkEstimatorProvider):
    def initial_estimator_state(
        self, _partition: tuple[int, int], _restriction: OffsetRange
    ) -> Timestamp:
        return Timestamp(0)

    def create_watermark_estimator(self, state: Timestamp) -> ManualWatermarkEstimator:
        return ManualWatermarkEstimator(state)

    def estimator_state_coder(self) -> beam.coders.Coder:
        return beam.coders.TimestampCoder()


class _Readers(dict[int, PartitionReader]):
    """Connected readers by partition, for all instances of one source in a process."""

    __slots__ = ("__weakref__",)

    def __del__(self) -> None:
        for reader in self.values():
            reader.close()


class _Read(beam.DoFn):
    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap, self._topic = bootstrap, topic
        self._shared = Shared()

    def setup(self) -> None:
        self._readers: _Readers = self._shared.acquire(_Readers)

    @beam.DoFn.unbounded_per_element()  # type: ignore[untyped-decorator]
    def process(
        self,
        partition_of: tuple[int, int],
        tracker: Any = beam.DoFn.RestrictionParam(_Restrictions()),
        watermark: Any = beam.DoFn.WatermarkEstimatorParam(_Watermarks()),
    ) -> Iterator[Any]:
        partition, of = partition_of
        # Out of the shared ones while in use: two instances never poll the same client.
        reader = self._readers.pop(partition, None)
        try:
            if reader is None:
                reader = PartitionReader(self._bootstrap, self._topic, partition, of)
            yield from self._read(partition, reader, tracker, watermark)
        except KafkaError as e:
            _log.warning("%s/%d: %s; trying again", self._topic, partition, e)
            tracker.defer_remainder(Duration(seconds=_AWAY_SECONDS))
        except BaseException:
            # Also where a step behind this one failed: then nobody comes back to this place.
            if reader is not None:
                reader.close()
            raise
        if reader is not None:
            self._readers[partition] = reader

    def _read(
        self, partition: int, reader: PartitionReader, tracker: Any, watermark: Any
    ) -> Iterator[Any]:
        reader.seek(tracker.current_restriction().start)
        start, hold = time.monotonic(), _HOLD_SECONDS
        while time.monotonic() < start + hold:
            records = reader.poll(BATCH_RECORDS, _POLL_SECONDS)
            if not records:
                known = reader.complete_until(_ASK_SECONDS)
                if known is not None:
                    _advance(watermark, Timestamp(known - _MARGIN_SECONDS))
                if reader.quiet_seconds() < _LIVELY_SECONDS:
                    continue
                tracker.defer_remainder(Duration(seconds=_IDLE_SECONDS))
                return
            hold = _BACKLOG_SECONDS if len(records) >= _BACKLOG_RECORDS else _HOLD_SECONDS
            # The last offset of the batch claims all before it.
            if not tracker.try_claim(records[-1].offset):
                return
            first, last = records[0].append_ms, records[-1].append_ms
            yield TimestampedValue(
                RawBatch(self._topic, partition, records), Timestamp(micros=first * 1000)
            )
            _advance(watermark, Timestamp(micros=last * 1000))
        tracker.defer_remainder(Duration(seconds=0))


def _advance(watermark: Any, to: Timestamp) -> None:
    if to > watermark.current_watermark():
        watermark.set_watermark(to)
