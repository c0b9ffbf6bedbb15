"""The ledger on a real Kafka that has removed articles between two runs of the pipeline."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient, TopicPartition

from deploy.ledger import NOBODY, counted_by, newest_of_each
from deploy.local.flink.engine import EngineSetup
from pipeline.contracts import topics
from pipeline.contracts.records import Ledger
from tests.integration.engine_bench import Bench, bench_on

pytestmark = [pytest.mark.kafka, pytest.mark.engine, pytest.mark.timeout(300)]


@pytest.fixture
def bench(kafka_bootstrap: str, engine: EngineSetup) -> Iterator[Bench]:
    """Topics of its own; the job is over at the end."""
    with bench_on(Bench, kafka_bootstrap, engine) as made:
        yield made


def test_a_replay_after_retention_adds_up_with_what_has_expired(bench: Bench) -> None:
    first = bench.submit("one")
    bench.send(200)
    bench.wait_for(200, "one")
    bench.cancel(first)
    counted = counted_by(bench.read(topics.LEDGER, Ledger), {})
    admin = KafkaAdminClient(bootstrap_servers=bench.kafka)
    gone = {TopicPartition(bench.prefix + topics.ARTICLES, 0): 30}
    admin.delete_records(gone)
    admin.close()

    bench.submit("two")
    bench.send(20)
    bench.wait_for(220, "two")

    newest = newest_of_each(bench.read(topics.LEDGER, Ledger))
    ended = sum(r.tagged + r.off_topic + r.duplicates + r.dead_letters for r in newest.values())
    expired = sum(counted.get(p, NOBODY).expired(r.from_offset) for p, r in newest.items())
    assert expired == 30
    assert ended + expired == 220
