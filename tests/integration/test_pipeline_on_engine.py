"""The pipeline on the real engine and a real Kafka: nothing lost, whatever is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from connectors.bus.topics import ensure_topics
from deploy.local.flink.engine import EngineSetup
from deploy.local.job.watch import STATE_IS_NO_USE
from pipeline.contracts import topics
from pipeline.contracts.codec import encode
from pipeline.contracts.records import DeadLetter, Ledger, TaggedArticle
from tests.integration.engine_bench import Bench, await_that, bench_on

pytestmark = [pytest.mark.kafka, pytest.mark.engine, pytest.mark.timeout(300)]


def totals(entries: list[Ledger]) -> tuple[int, int, int, int, int]:
    return (
        sum(e.tagged for e in entries),
        sum(e.off_topic for e in entries),
        sum(e.duplicates for e in entries),
        sum(e.dead_letters for e in entries),
        sum(e.redelivered for e in entries),
    )


@pytest.fixture
def bench(kafka_bootstrap: str, engine: EngineSetup) -> Iterator[Bench]:
    """Topics of its own; the job is over at the end."""
    with bench_on(Bench, kafka_bootstrap, engine) as made:
        yield made


def test_poison_of_every_kind_ends_in_the_dead_letters_and_the_rest_goes_on(bench: Bench) -> None:
    bench.send(100)
    valid = encode(replace(bench.sent[0], article_id="large", summary="x" * 10_000_000))
    poison = [b"{", None, b"x" * 10_000_000, b'{"schema":99}', b"\xff\xfe", valid]
    for value in poison:
        bench.raw(value, "poison")
    bench.send(100)
    bench.submit("one")

    entries = bench.wait_for(206, "one")

    assert totals(entries) == (40, 160, 0, 6, 0)
    dead = bench.read(topics.DEAD_LETTERS, DeadLetter)
    assert sorted(d.payload for d in dead) == sorted(v or b"" for v in poison)
    assert len({(d.partition, d.offset) for d in dead}) == 6
    tagged = bench.wait_for_tagged()
    assert all(t.story_id for t in tagged)


def test_each_reader_and_all_that_has_state_have_a_worker_of_their_own(bench: Bench) -> None:
    bench.submit("one")
    bench.send(100)
    bench.wait_for(100, "one")

    # Two partitions, so two readers; one more for the rest.
    assert len(bench.workers()) == 3


@pytest.mark.parametrize("killed", [[0], [1], [2], [0, 1, 2]])
def test_workers_that_are_killed_lose_nothing(bench: Bench, killed: list[int]) -> None:
    bench.submit("one")
    bench.send(500)
    bench.wait_for(500, "one")
    before = bench.workers()
    dead = {before[number].pid for number in killed}
    for pid in dead:
        os.kill(pid, signal.SIGKILL)
    bench.send(500)

    entries = bench.wait_for(1000, "one")

    assert dead.isdisjoint({w.pid for w in bench.workers()})
    assert totals(entries) == (200, 800, 0, 0, 0)
    bench.wait_for_tagged()


def test_a_reader_with_nothing_to_read_holds_nobody_up(bench: Bench) -> None:
    bench.submit("one")
    bench.send(100, key="always the same")

    (entry,) = bench.wait_for(100, "one")

    assert totals([entry]) == (20, 80, 0, 0, 0)
    # Stories wait until every partition is past their moment.
    bench.wait_for_tagged()


def test_a_job_that_is_restored_goes_on_where_it_was(bench: Bench) -> None:
    first = bench.submit("one")
    vertices = bench.rest.job(first).vertices
    bench.send(500)
    bench.wait_for(500, "one")
    done = bench.rest.checkpoints(first).completed
    await_that(lambda: bench.rest.checkpoints(first).completed > done, "a checkpoint after that")
    bench.cancel(first)
    checkpoint = max(
        (m.parent for m in (bench.engine.checkpoints / first).glob("chk-*/_metadata")),
        key=lambda folder: int(folder.name.removeprefix("chk-")),
    )
    # While it was away: repeats of what was counted before, and something new.
    for article in bench.sent[:50]:
        bench.raw(encode(article), article.article_id)
    bench.send(100)

    bench.engine.configure(restore_from=checkpoint)
    second = bench.submit("one")
    bench.engine.configure(restore_from=None)
    entries = bench.wait_for(650, "one")

    restored_from = bench.rest.checkpoints(second).restored_from
    assert restored_from is not None
    assert Path(restored_from.removeprefix("file:")) == checkpoint
    # Steps keep their ids: with others, state is lost without an error.
    assert bench.rest.job(second).vertices.keys() == vertices.keys()
    assert totals(entries) == (120, 480, 0, 0, 50)
    assert all(e.from_offset == 0 for e in entries)
    bench.wait_for_tagged()


def test_a_replay_says_the_same_as_the_live_run(bench: Bench) -> None:
    live = bench.submit("live")
    vertices = bench.rest.job(live).vertices.keys()
    for part in range(1, 4):
        bench.send(200)
        bench.wait_for(part * 200, "live")
    said = sorted(map(encode, bench.wait_for_tagged()))
    bench.cancel(live)

    again = bench.submit("replay")
    assert totals(bench.wait_for(600, "replay")) == (120, 480, 0, 0, 0)
    await_that(lambda: len(bench.read(topics.TAGGED, TaggedArticle)) >= 240, "all tagged twice", 60)

    assert bench.rest.job(again).vertices.keys() == vertices
    both = bench.read(topics.TAGGED, TaggedArticle)
    assert sorted(map(encode, both)) == sorted(said + said)


def test_a_topic_that_is_made_anew_ends_the_run_in_words_that_bring_a_replay(bench: Bench) -> None:
    job = bench.submit("one")
    bench.send(100)
    bench.wait_for(100, "one")
    articles = next(s for s in topics.topic_specs() if s.name == topics.ARTICLES)
    name = bench.prefix + articles.name
    with closing(KafkaAdminClient(bootstrap_servers=bench.kafka)) as admin:
        admin.delete_topics([name])
        await_that(lambda: name not in admin.list_topics(), "the topic is gone")
    ensure_topics(bench.kafka, [replace(articles, name=name)], replication=1)

    def has_failed() -> bool:
        bench.send(5)
        failure = bench.rest.last_failure(job)
        return failure is not None and any(name in failure[1] for name in STATE_IS_NO_USE)

    await_that(has_failed, "the run fails")
