"""A rule that fails on one article sets it aside, says so, and everything else goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipeline.contracts.codec import decode, encode
from pipeline.contracts.records import DeadReason, TaggedArticle
from pipeline.rules.alerts.detector import TopicDetector
from pipeline.rules.stories.index import StoryIndex
from pipeline.transforms.kept import Memory
from tests.graph.conftest import BURST_AT, START, Log, Out, article

POISON = "Harbour poison"


class RuleError(Exception):
    """A fault of ours."""


def fails_on(original: Any, title_of: Callable[[Any], str]) -> Any:
    """The rule, but it changes something and then fails on one title."""

    def rule(self: Any, item: Any, *more: Any) -> Any:
        done = original(self, item, *more)
        if POISON in title_of(item):
            raise RuleError("half-way")
        return done

    return rule


def with_poison(articles: Log) -> tuple[Log, int]:
    """The episode, with one more article in the middle of its burst, and its offset."""
    log = Log("articles", 2)
    at = BURST_AT + timedelta(minutes=7)
    poison = article(77_777, at, POISON + " rope mast keel sail")
    stamp, place = int(at.timestamp() * 1000), None
    for partition, records in articles.records.items():
        for record in records:
            if partition == 1 and place is None and record.append_ms >= stamp:
                place = len(log.records[1])
                log.append(poison, at, partition=1)
            kept = replace_offset(record, len(log.records[partition]))
            log.records[partition].append(kept)
    assert place is not None
    return log, place


def replace_offset(record: Any, offset: int) -> Any:
    return record._replace(offset=offset)


def counted(out: Out) -> int:
    """Articles on the harbour in the series; a bucket is told again when it changes."""
    mine = [p for p in out.series if p.topic == "harbour" and p.series == "volume"]
    return sum({p.bucket: p.raw for p in mine}.values())


def test_an_article_whose_story_cannot_be_told_is_tagged_set_aside_and_never_counted(
    run: Callable[..., Out], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StoryIndex, "assign", fails_on(StoryIndex.assign, lambda item: item.title))
    log = Log("articles")
    title = "Harbour master of the north pier resigns over broken crane"
    for number, text in enumerate((title, POISON, title, POISON + " again")):
        at = START + timedelta(minutes=number)
        log.append(article(number, at, text), at)

    out = run(log.batches())

    assert [(d.step, d.reason, d.offset) for d in out.dead] == [
        ("GroupStories", DeadReason.RULE_FAILED, 1),
        ("GroupStories", DeadReason.RULE_FAILED, 3),
    ]
    assert "half-way" in out.dead[0].error
    assert decode(TaggedArticle, out.dead[0].payload).article.title == POISON
    stories = {t.article.guid: (t.story_id, t.reprint) for t in out.tagged}
    assert set(stories) == set("0123"), "what the ledger counted as tagged is there"
    assert stories["2"] == (stories["0"][0], True), "the index is as if nothing had happened"
    assert counted(out) == 2
    assert out.last_ledger()[0].tagged == 4


def test_nothing_of_an_article_that_was_set_aside_stays_among_the_stories(
    run: Callable[..., Out], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The rule fails on the first article after it has put it into the index.
    rule = fails_on(StoryIndex.assign, lambda item: POISON if item.link.endswith("/0") else "")
    monkeypatch.setattr(StoryIndex, "assign", rule)
    log = Log("articles")
    title = "Harbour master of the north pier resigns over broken crane"
    for number in range(3):
        at = START + timedelta(minutes=number)
        log.append(article(number, at, title), at)

    out = run(log.batches())

    assert [d.offset for d in out.dead] == [0]
    stories = {t.article.guid: (t.story_id, t.reprint) for t in out.tagged}
    first = article(1, START).article_id
    assert stories["1"] == (first, False), "no reprint of what is not there"
    assert stories["2"] == (first, True)


@pytest.mark.parametrize("forgets", [False, True], ids=["in memory", "rebuilt at every step"])
def test_an_article_that_the_detector_fails_on_changes_no_alert(
    run: Callable[..., Out],
    episode: tuple[Log, Log],
    reference: Out,
    monkeypatch: pytest.MonkeyPatch,
    forgets: bool,
) -> None:
    if forgets:
        monkeypatch.setattr(Memory, "take", lambda *_: None)
    monkeypatch.setattr(
        TopicDetector, "_take", fails_on(TopicDetector._take, lambda t: t.article.title)
    )
    articles, offset = with_poison(episode[0])

    out = run(articles.batches(), episode[1].batches())

    (letter,) = out.dead
    assert (letter.step, letter.partition, letter.offset) == ("DetectSpikes", 1, offset)
    assert letter.error.startswith("harbour: ")
    assert out.revisions() == reference.revisions() != []
    assert sorted(map(encode, out.series)) == sorted(map(encode, reference.series))


def test_articles_that_fail_only_together_are_set_aside_together(
    run: Callable[..., Out], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = TopicDetector.tick

    def tick(self: TopicDetector, now: Any) -> Any:
        if len(self._arrivals.articles) == 2:
            raise RuleError("two at once")
        return original(self, now)

    monkeypatch.setattr(TopicDetector, "tick", tick)
    log = Log("articles")
    for number, second in enumerate((0, 1, 60)):
        at = START + timedelta(seconds=second)
        log.append(article(number, at, f"Harbour notice {number} of {second} ropes"), at)

    out = run(log.batches())

    assert sorted(d.offset or 0 for d in out.dead) == [0, 1]
    assert counted(out) == 1


def test_a_fault_that_no_article_explains_stops_the_pipeline(
    run: Callable[..., Out], monkeypatch: pytest.MonkeyPatch
) -> None:
    def tick(self: TopicDetector, now: Any) -> Any:
        raise RuleError("always")

    monkeypatch.setattr(TopicDetector, "tick", tick)
    log = Log("articles")
    log.append(article(1, START, "Harbour notice"), START)

    with pytest.raises(Exception, match="always"):
        run(log.batches())
