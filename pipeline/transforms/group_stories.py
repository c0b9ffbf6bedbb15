"""Articles on topic to stories, in the order of the seen clock, one index for each shard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import apache_beam as beam
from apache_beam.coders import BytesCoder
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    BagStateSpec,
    ReadModifyWriteStateSpec,
    TimerSpec,
    on_timer,
)

from pipeline.contracts.codec import decode, encode
from pipeline.contracts.raw import Keyed
from pipeline.contracts.records import TaggedArticle
from pipeline.rules.stories.index import StoryIndex, StoryItem, StorySettings
from pipeline.transforms.kept import Journal, Opened, entries_of
from pipeline.transforms.letters import DEAD_LETTERS, set_aside
from pipeline.transforms.waiting import Waiting
from pipeline.transforms.wire import ARTICLE, Placed, at, stamp

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

TAGGED: Final = "tagged"
"""Name of the output with the finished articles."""

_GRID_MS: Final = 250
"""Articles wait for the end of their quarter of a second, so that all partitions are in order.

It divides a tick, so that the detector counts an article in the same one, however short it is.
"""
_REWRITE_AT: Final = 256
"""Entries of the waiting list that may be stale before it is written anew."""

_WAIT: Final = b"w"
_DRAINED: Final = b"d"
_TIME_BYTES: Final = 8


@dataclass
class GroupStories(beam.PTransform[Any, Any]):
    """``(shard, article on topic)`` -> ``(topic, article)`` for detection; `TAGGED` beside it.

    An article waits for the end of its step (`_GRID_MS`) on the seen clock; then all of that step
    go to the index in the order of time, partition and offset. So a replay makes the same stories.
    """

    settings: StorySettings

    def expand(self, articles: PCollection[Any]) -> Any:
        """``main``, `TAGGED` (the finished records for their topic on Kafka), `DEAD_LETTERS`."""
        return articles | "GroupStories" >> beam.ParDo(
            _GroupStories(self.settings)
        ).with_output_types(tuple[str, bytes]).with_outputs(TAGGED, DEAD_LETTERS, main="main")


class _Shelf:
    """The stories of one shard (`stories.shard_of`), and the articles that wait."""

    def __init__(self, index: StoryIndex, logged: int) -> None:
        self.index = index
        self.waiting = Waiting(_GRID_MS)
        self.logged = logged
        """Entries in the log of the waiting list, stale ones among them."""


class _GroupStories(beam.DoFn):
    HEAD = ReadModifyWriteStateSpec("head", BytesCoder())
    STORIES = BagStateSpec("stories", BytesCoder())
    WAITING = BagStateSpec("waiting", BytesCoder())
    STEP = TimerSpec("step", TimeDomain.WATERMARK)

    def __init__(self, settings: StorySettings) -> None:
        self._settings = settings
        self._journal = Journal("GroupStories", 1, self._rebuild)

    def setup(self) -> None:
        self._held = self._journal.memory.hold()

    def process(
        self,
        article: tuple[str, bytes],
        head: Any = beam.DoFn.StateParam(HEAD),
        stories: Any = beam.DoFn.StateParam(STORIES),
        waiting: Any = beam.DoFn.StateParam(WAITING),
        timer: Any = beam.DoFn.TimerParam(STEP),
    ) -> None:
        shard, data = article
        shelf = self._journal.open(shard, head, stories, waiting)
        end = shelf.value.waiting.add(Placed.unpack(data))
        shelf.append(waiting, _WAIT + data)
        shelf.value.logged += 1
        shelf.close(head)
        # One timer a step of event time: when a backlog is drained all that are due fire at once,
        # where one timer that sets the next would take a round trip for each step.
        if end is not None:
            timer.set(stamp(end), dynamic_timer_tag=str(end))

    @on_timer(STEP)
    def group(
        self,
        shard: Any = beam.DoFn.KeyParam,
        time: Any = beam.DoFn.TimestampParam,
        head: Any = beam.DoFn.StateParam(HEAD),
        stories: Any = beam.DoFn.StateParam(STORIES),
        waiting: Any = beam.DoFn.StateParam(WAITING),
    ) -> Iterator[Any]:
        """Give the articles of the step their stories."""
        end = time.micros // 1000
        shelf = self._journal.open(shard, head, stories, waiting)
        waits = shelf.value.waiting
        for placed in waits.until(end):
            # Just inside its step, so that a tick at the end of it counts the article; not the
            # timer's time, for the engine may fire a later timer first.
            out = waits.end_of(placed.time_ms) - 1
            tagged = decode(TaggedArticle, placed.value[1:])
            try:
                assignment, entry = shelf.value.index.assign(story_item(tagged, placed.time_ms))
            except Exception as e:  # noqa: BLE001 - one article must not stop all others
                # Half a change may be in it.
                shelf.value.index = StoryIndex.restore(self._settings, entries_of(stories))
                yield set_aside("GroupStories", placed, e, out)
                # It was counted as tagged, so it goes out; nothing else is said of it.
                own = tagged.article.article_id
                alone = replace(tagged, story_id=own, event_id=own)
                yield TaggedOutput(TAGGED, at(out, Keyed(own, encode(alone))))
                continue
            if entry:
                shelf.append(stories, entry)
            tagged = replace(
                tagged,
                story_id=assignment.story_id,
                event_id=assignment.event_id,
                reprint=assignment.reprint,
                possible_reprint_of=assignment.possible_reprint_of,
            )
            yield TaggedOutput(TAGGED, at(out, Keyed(tagged.article.article_id, encode(tagged))))
            brief = encode(replace(tagged, article=replace(tagged.article, summary="")))
            value = replace(placed, time_ms=out, value=ARTICLE + brief).pack()
            for tag in tagged.topics:
                yield at(out, (tag.topic, value))
        self._tidy(shelf, end, stories, waiting)
        shelf.close(head)

    def _tidy(self, shelf: Opened[_Shelf], end: int, stories: Any, waiting: Any) -> None:
        kept = shelf.value.index.prune(_EPOCH + timedelta(milliseconds=end))
        if kept is not None:
            shelf.rewrite(stories, kept)
        left = shelf.value.waiting
        if not left or shelf.value.logged > 2 * len(left) + _REWRITE_AT:
            shelf.rewrite(waiting, [_WAIT + placed.pack() for placed in left])
            shelf.value.logged = len(left)
        else:
            shelf.append(waiting, _DRAINED + end.to_bytes(_TIME_BYTES, "big"))
            shelf.value.logged += 1

    def _rebuild(self, _: str, logs: list[list[bytes]]) -> _Shelf:
        stories, waiting = logs
        shelf = _Shelf(StoryIndex.restore(self._settings, stories), len(waiting))
        for entry in waiting:
            if entry[:1] == _DRAINED:
                for _placed in shelf.waiting.until(int.from_bytes(entry[1:], "big")):
                    pass
            else:
                shelf.waiting.add(Placed.unpack(entry[1:]))
        return shelf


def story_item(tagged: TaggedArticle, time_ms: int) -> StoryItem:
    """What the index needs of an article that was appended at ``time_ms``."""
    article = tagged.article
    return StoryItem(
        article_id=article.article_id,
        revision=article.revision,
        lang=tagged.lang,
        title=article.title,
        summary=article.summary,
        link=article.link,
        publisher=article.publisher,
        owner=article.owner,
        # One article from the future would make the index forget all others.
        seen_at=min(article.seen_at, _EPOCH + timedelta(milliseconds=time_ms)),
        published_at=article.published_at,
    )
