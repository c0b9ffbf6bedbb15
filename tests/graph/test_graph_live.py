"""The graph on a stream that arrives bit by bit, as it does live: TestStream moves the clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing import test_stream
from apache_beam.utils.timestamp import Timestamp

from pipeline.contracts.raw import RawBatch
from pipeline.graph import Sources, build
from pipeline.io.memory import timed, written


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Any:
    """The module beside this one, for its records."""
    return request.config.pluginmanager.get_plugin(str(request.path.parent / "conftest.py"))


class _Part(beam.PTransform[Any, Any]):
    """One topic of a stream that has two."""

    def __init__(self, stream: dict[str, Any], topic: str) -> None:
        super().__init__()
        self._stream, self._topic = stream, topic

    def expand(self, _root: Any) -> Any:
        return self._stream[self._topic] | beam.Map(lambda batch: batch).with_output_types(Any)


def in_bits(batches: list[RawBatch], live_from_ms: int) -> Iterator[tuple[int, RawBatch]]:
    """History at once, then record by record: the clock, and what arrives at it."""
    for batch in batches:
        history = [r for r in batch.records if r.append_ms < live_from_ms]
        if history:
            yield history[0].append_ms, batch._replace(records=tuple(history))
    for batch in batches:
        for record in batch.records:
            if record.append_ms >= live_from_ms:
                yield record.append_ms, batch._replace(records=(record,))


def test_what_arrives_bit_by_bit_is_decided_as_it_is_from_a_log(
    world: Any, episode: Any, reference: Any
) -> None:
    articles, feeds = episode
    live_from = int(world.BURST_AT.timestamp() * 1000)
    bits = sorted(
        in_bits(articles.batches(10_000) + feeds.batches(10_000), live_from),
        key=lambda bit: bit[0],
    )
    stream = test_stream.TestStream(output_tags={"articles", "feeds"})
    for clock, batch in bits:
        if clock >= live_from:
            # Both topics: a partition with nothing to read moves with the clock.
            for topic in ("articles", "feeds"):
                stream = stream.advance_watermark_to(Timestamp(micros=clock * 1000), tag=topic)
        stream = stream.add_elements([timed(batch)], tag=batch.topic)
    for topic in ("articles", "feeds"):
        stream = stream.advance_watermark_to_infinity(tag=topic)

    options = PipelineOptions(streaming=True)
    with beam.Pipeline(runner=BundleBasedDirectRunner(), options=options) as root:
        parts = root | stream
        sources = Sources([_Part(parts, "articles")], _Part(parts, "feeds"))
        build(root, sources, world.sinks("live"), world.rules(), "test")

    alerts = [r.value for r in written("live/alerts")]
    assert sorted(alerts) == reference.revisions() != []
