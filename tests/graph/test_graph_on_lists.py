"""The whole graph on lists: what goes in ends in exactly one way, and the order does not matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline.contracts.codec import encode
from pipeline.contracts.records import AlertState, DeadReason, FeedStatus, Lang, Ledger
from pipeline.transforms.kept import Memory


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Any:
    """The module beside this one, for its records."""
    return request.config.pluginmanager.get_plugin(str(request.path.parent / "conftest.py"))


def outcomes(ledger: Ledger) -> tuple[int, int, int, int, int]:
    return (
        ledger.tagged,
        ledger.off_topic,
        ledger.duplicates,
        ledger.dead_letters,
        ledger.redelivered,
    )


def test_every_record_ends_in_exactly_one_way(world: Any, run: Callable[..., Any]) -> None:
    log = world.Log("articles")
    at = world.START
    first = world.article(1, at, "Harbour wall to be raised")
    edited = replace(first, revision=1, title="Harbour wall to be raised by a metre")
    records = [
        first,
        world.article(2, at),
        first,  # the same bytes once more
        replace(first, seen_at=at + timedelta(minutes=9)),  # seen again
        edited,
        replace(first, seen_at=at + timedelta(minutes=12)),  # older than what is known
        edited,
        b"{",
        None,
        b"\xff",
        encode(world.article(3, at)).replace(b'"schema":1', b'"schema":2'),
        encode(world.article(4, at)).replace(b'"revision":0', b'"revision":-1'),
        world.article(5, at, "Rules stumble over this"),
    ]
    for second, record in enumerate(records):
        log.append(record, at + timedelta(seconds=second))

    out = run(log.batches(size=4))

    (ledger,) = out.last_ledger().values()
    assert (ledger.from_offset, ledger.through_offset) == (0, len(records) - 1)
    assert outcomes(ledger) == (2, 1, 2, 6, 2)
    assert ledger.generation == "test"
    assert [(t.article.article_id, t.article.revision) for t in out.tagged] == [
        (first.article_id, 0),
        (first.article_id, 1),
    ]
    assert out.tagged[0].story_id == out.tagged[1].story_id


def test_a_dead_letter_says_where_it_stood_and_keeps_its_bytes(
    world: Any, run: Callable[..., Any]
) -> None:
    log, feeds = world.Log("articles", 2), world.Log("feeds")
    poison = b"x" * 2_000_000
    log.append(world.article(1, world.START), world.START, partition=1)
    log.append(poison, world.START, partition=1)
    log.append(world.article(2, world.START, "We stumble"), world.START, partition=0)
    feeds.append(b"[]", world.START)

    out = run(log.batches(), feeds.batches())

    by_topic = {
        (d.source_topic, d.partition, d.offset): (d.step, d.reason, len(d.payload))
        for d in out.dead
    }
    assert by_topic == {
        ("articles", 1, 1): ("DecodeArticle", DeadReason.TOO_LARGE, len(poison)),
        ("articles", 0, 0): ("TagArticle", DeadReason.RULE_FAILED, by_topic["articles", 0, 0][2]),
        ("feeds", 0, 0): ("DecodeStatus", DeadReason.NOT_OBJECT, 2),
    }
    assert all(d.at == world.START for d in out.dead)


def test_an_article_too_large_for_the_records_made_of_it_is_a_dead_letter(
    world: Any, run: Callable[..., Any]
) -> None:
    log = world.Log("articles")
    ordinary = world.article(1, world.START, "Harbour wall to be raised")
    log.append(replace(ordinary, summary="wall " * 2_000_000), world.START)
    log.append(replace(ordinary, article_id="a" * 257), world.START)
    log.append(ordinary, world.START)

    out = run(log.batches())

    assert [d.reason for d in out.dead] == [DeadReason.TOO_LARGE, DeadReason.BAD_FIELD]
    assert [t.article.summary for t in out.tagged] == [""]


@pytest.mark.parametrize(
    "wrong",
    [{"answered": 2**70}, {"polled": -1}, {"feeds": 10_000_001}, {"group": "g" * 257}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_feed_status_that_no_list_of_feeds_can_give_is_a_dead_letter(
    world: Any, run: Callable[..., Any], wrong: dict[str, Any]
) -> None:
    feeds = world.Log("feeds")
    status = FeedStatus(world.START, "wires", polled=3, answered=3, articles=1, feeds=3)
    feeds.append(replace(status, **wrong), world.START)
    feeds.append(status, world.START)

    out = run(world.Log("articles").batches(), feeds.batches())

    assert [(d.reason, d.offset, d.error.split(":")[0]) for d in out.dead] == [
        (DeadReason.BAD_FIELD, 0, next(iter(wrong)))
    ]


def test_repeats_are_found_across_days_and_batches(world: Any, run: Callable[..., Any]) -> None:
    log = world.Log("articles")
    for day in range(4):
        at = world.START + timedelta(days=day)
        log.append(world.article(1, world.START, "Harbour news"), at)
        log.append(world.article(10 + day, at), at)
    # Five days later the first sight has left the horizon.
    log.append(world.article(1, world.START, "Harbour news"), world.START + timedelta(days=8))

    out = run(log.batches(size=1))

    assert outcomes(out.last_ledger()[0]) == (2, 4, 0, 0, 3)


def test_reprints_of_one_text_share_a_story_in_each_language(
    world: Any, run: Callable[..., Any]
) -> None:
    log = world.Log("articles", 2)
    for number, lang in enumerate((Lang.EN, Lang.EN, Lang.JA, Lang.JA)):
        title = f"Harbour master of the north pier in {lang} resigns over broken crane"
        at = world.START + timedelta(seconds=number)
        log.append(world.article(number, at, title, lang_hint=lang.value), at)

    stories = {t.article.guid: (t.story_id, t.reprint) for t in run(log.batches()).tagged}

    assert stories["0"][0] == stories["1"][0] != stories["2"][0] == stories["3"][0]
    assert [stories[n][1] for n in "0123"] == [False, True, False, True]


def test_an_article_that_claims_to_come_from_the_future_makes_no_story_forgotten(
    world: Any, run: Callable[..., Any]
) -> None:
    log = world.Log("articles")
    title = "Harbour master of the north pier resigns over broken crane"
    for number in range(3):
        at = world.START + timedelta(minutes=number)
        seen = at + timedelta(days=3650) if number == 1 else at
        text = "Harbour seal returns to its rock" if number == 1 else title
        log.append(world.article(number, at, text, seen_at=seen), at)

    stories = {t.article.guid: t.story_id for t in run(log.batches()).tagged}

    assert stories["0"] == stories["2"] != stories["1"]


def test_a_broker_whose_clock_was_set_back_changes_no_order(
    world: Any, run: Callable[..., Any]
) -> None:
    log = world.Log("articles")
    title = "Harbour master of the north pier resigns over broken crane"
    for number, at in enumerate((world.START, world.START - timedelta(minutes=5))):
        log.append(world.article(number, world.START, title), at)

    in_order = sorted(log.batches(size=1), key=lambda batch: batch.records[0].offset)
    reprints = {t.article.guid: t.reprint for t in run(in_order).tagged}

    assert reprints == {"0": False, "1": True}


def test_an_episode_is_one_alert_that_closes_when_nothing_more_comes(
    world: Any, reference: Any
) -> None:
    out = reference
    assert {a.topic for a in out.alerts} == {"harbour"}
    assert [a.revision for a in out.alerts] == list(range(1, len(out.alerts) + 1))
    assert len({a.alert_id for a in out.alerts}) == 1
    assert (out.alerts[0].state, out.alerts[-1].state) == (AlertState.OPEN, AlertState.CLOSED)
    assert world.BURST_AT < out.alerts[0].revised_at < world.BURST_AT + timedelta(minutes=15)
    # The topic on which nothing was ever reported has its series all the same.
    assert {p.topic for p in out.series} == set(world.TOPICS)


def test_another_order_of_partitions_and_batches_decides_the_same(
    world: Any, run: Callable[..., Any], episode: Any, reference: Any
) -> None:
    articles, feeds = episode
    one = reference
    two = run(world.interleave(articles.batches(7), 11), world.interleave(feeds.batches(3), 12))

    assert two.revisions() == one.revisions() != []
    assert sorted(map(encode, two.series)) == sorted(map(encode, one.series))
    assert sorted(map(encode, two.tagged)) == sorted(map(encode, one.tagged))
    assert {p: outcomes(e) for p, e in two.last_ledger().items()} == {
        p: outcomes(e) for p, e in one.last_ledger().items()
    }


def test_what_is_lost_from_memory_comes_back_from_the_state(
    run: Callable[..., Any], episode: Any, reference: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    articles, feeds = episode
    kept = reference
    taken = []

    def forget(self: Any, key: str, token: bytes) -> None:
        taken.append(key)

    monkeypatch.setattr(Memory, "take", forget)
    lost = run(articles.batches(), feeds.batches())

    assert {"harbour", "en", "articles/0"} <= set(taken)
    assert lost.revisions() == kept.revisions() != []
    assert list(map(encode, lost.tagged)) == list(map(encode, kept.tagged))
    assert sorted(map(encode, lost.series)) == sorted(map(encode, kept.series))
    assert lost.last_ledger() == kept.last_ledger()
