"""Sources and sinks in memory, with the promises of the Kafka ones: for tests and small tools.

They work where the pipeline runs in this process, as Beam's in-process runner does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from pipeline.contracts.raw import Keyed, RawBatch

_WRITTEN: Final[dict[str, list[Keyed]]] = {}


@dataclass
class ReadMemory(beam.PTransform[Any, Any]):
    """Batches from a list, each at the time of its first record."""

    batches: Iterable[RawBatch]

    def expand(self, root: Any) -> Any:
        """`RawBatch`es."""
        batches = [timed(batch) for batch in self.batches]
        # Not with Create, which may change the order.
        return (
            root
            | "Start" >> beam.Impulse()
            | "Batches" >> beam.FlatMap(lambda _: batches).with_output_types(Any)
        )


def timed(batch: RawBatch) -> TimestampedValue[Any]:
    """A batch with its event time, as the Kafka source gives it."""
    return TimestampedValue(batch, Timestamp(micros=batch.records[0].append_ms * 1000))


@dataclass
class WriteMemory(beam.PTransform[Any, Any]):
    """Keeps `Keyed` records under a name, for `written`."""

    name: str

    def expand(self, records: PCollection[Any]) -> Any:
        """Nothing comes out."""
        return records | "Write" >> beam.ParDo(_Write(self.name))


class _Write(beam.DoFn):
    def __init__(self, name: str) -> None:
        self._name = name

    def process(self, record: Keyed) -> None:
        _WRITTEN.setdefault(self._name, []).append(record)


def written(name: str) -> list[Keyed]:
    """What was written under ``name`` since the last call."""
    return _WRITTEN.pop(name, [])
