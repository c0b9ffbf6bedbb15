"""The shape of the graph, as it is handed to an engine."""

from __future__ import annotations

from collections import Counter
from typing import Any

import apache_beam as beam
import pytest

from pipeline.contracts.raw import RawBatch, RawRecord
from pipeline.graph import Sources, build
from pipeline.io.kafka_source import ReadKafka
from pipeline.io.memory import ReadMemory


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Any:
    """The module beside this one, for its records."""
    return request.config.pluginmanager.get_plugin(str(request.path.parent / "conftest.py"))


def consumers(root: beam.Pipeline) -> dict[str, int]:
    """How many steps read each collection."""
    proto = root.to_runner_api()
    counts: Counter[str] = Counter()
    for transform in proto.components.transforms.values():
        if not transform.subtransforms:
            counts.update(set(transform.inputs.values()))
    return dict(counts)


def sources() -> Sources:
    """Two readers, as the service has."""
    return Sources(
        [ReadKafka("nowhere:1", "articles", (n,), 2) for n in (0, 1)],
        ReadKafka("nowhere:1", "feeds", (0,), 1),
    )


def test_no_collection_has_two_consumers(world: Any) -> None:
    # With two, the engine numbers the stages behind them at random, and a restore loses state.
    root = beam.Pipeline()
    build(root, sources(), world.sinks("shape"), world.rules(), "test")

    counts = consumers(root)

    assert len(counts) > 10
    assert {name: n for name, n in counts.items() if n > 1} == {}


def test_each_reader_has_a_worker_of_its_own_and_all_state_is_in_one_more(world: Any) -> None:
    root = beam.Pipeline()
    build(root, sources(), world.sinks("workers"), world.rules(), "test")

    found: dict[str, set[str]] = {}
    for transform in root.to_runner_api().components.transforms.values():
        if not transform.subtransforms and transform.environment_id:
            part = transform.unique_name.partition("/")[0]
            found.setdefault(part, set()).add(transform.environment_id)

    assert all(len(environments) == 1 for environments in found.values()), found
    (first,), (second,), (rest,) = found["Articles0"], found["Articles1"], found["DropRepeats"]
    assert len({first, second, rest}) == 3
    assert {e for part in found.keys() - {"Articles0", "Articles1"} for e in found[part]} == {rest}


def test_two_consumers_would_be_seen() -> None:
    root = beam.Pipeline()
    batches = root | ReadMemory([RawBatch("t", 0, (RawRecord(0, 0, b""),))])
    batches | "One" >> beam.Map(len)
    batches | "Two" >> beam.Map(len)

    assert 2 in consumers(root).values()


def test_a_topic_without_partitions_is_refused_when_the_graph_is_built() -> None:
    with pytest.raises(ValueError, match="no partition"):
        ReadKafka("nowhere:1", "articles", (), 2)
