"""Bytes to articles to tags; what cannot be used becomes a dead letter with place and reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import apache_beam as beam
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection, TaggedOutput

from pipeline.contracts.codec import decode, encode
from pipeline.contracts.errors import DecodeError
from pipeline.contracts.raw import Keyed, RawBatch, RawRecord
from pipeline.contracts.records import (
    Article,
    DeadLetter,
    DeadReason,
    FeedStatus,
    Lang,
    TaggedArticle,
    TopicTag,
)
from pipeline.contracts.topics import LARGEST_ARTICLE_BYTES, LARGEST_ID
from pipeline.rules.repeats import MAX_REVISION, sight
from pipeline.rules.stories.index import shard_of
from pipeline.transforms.letters import DEAD_LETTERS
from pipeline.transforms.read_article import read_article
from pipeline.transforms.wire import (
    DEAD,
    OFF_TOPIC,
    ON_TOPIC,
    ROW,
    STATUS,
    Placed,
    at,
    pack_batch,
    pack_payload,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_KEY: Final = bytes(16)
_MOST_FEEDS: Final = 10_000_000
"""In a status: far beyond any list of feeds; a larger number would blind its group for days."""


class Tagging(Protocol):
    """What a tagger says of a text."""

    @property
    def lang(self) -> Lang:
        """Its language."""
        ...

    @property
    def topics(self) -> tuple[TopicTag, ...]:
        """The topics that it is on, none for most."""
        ...


class Tags(Protocol):
    """Tags texts; pickled into the workers."""

    @property
    def rules_version(self) -> str:
        """Names the rules in force."""
        ...

    def tag(self, title: str, summary: str, lang_hint: str | None = None) -> Tagging:
        """Language and topics of a text."""
        ...


@dataclass
class DecodeAndTag(beam.PTransform[Any, Any]):
    """`RawBatch` of articles -> ``(partition, batch)`` for `DropRepeats`; `DEAD_LETTERS` beside it.

    Stateless, and fused with the source, so that the bytes of an article never travel. An article
    off topic goes on as 45 bytes, one on topic whole.
    """

    tagger: Tags

    def expand(self, batches: PCollection[Any]) -> Any:
        """Two outputs: ``main`` and `DEAD_LETTERS`."""
        return batches | "DecodeAndTag" >> beam.ParDo(_DecodeAndTag(self.tagger)).with_output_types(
            tuple[str, bytes]
        ).with_outputs(DEAD_LETTERS, main="main")


@dataclass
class DecodeStatus(beam.PTransform[Any, Any]):
    """`RawBatch` of feed status -> ``(topic, status)`` for each topic; `DEAD_LETTERS` beside it.

    Every topic gets every status: exposure is kept by topic, and a topic ticks though nothing is
    ever reported on it.
    """

    topics: tuple[str, ...]

    def expand(self, batches: PCollection[Any]) -> Any:
        """Two outputs: ``main`` and `DEAD_LETTERS`."""
        return batches | "DecodeStatus" >> beam.ParDo(_DecodeStatus(self.topics)).with_output_types(
            tuple[str, bytes]
        ).with_outputs(DEAD_LETTERS, main="main")


class _DecodeAndTag(beam.DoFn):
    def __init__(self, tagger: Tags) -> None:
        self._tagger = tagger
        self._articles = Metrics.counter("straitwatch", "records_decoded")

    def process(self, batch: RawBatch) -> Iterator[Any]:
        rows, payloads, tag = [], [], self._tagger.tag
        for record in batch.records:
            try:
                article = _article(record.value)
            except DecodeError as e:
                yield _dead("DecodeArticle", e.reason, e.detail, batch, record)
                rows.append(_dead_row(record))
                continue
            try:
                tagging = tag(article.title, article.summary, article.lang_hint)
            except Exception as e:  # noqa: BLE001 - a rule that trips over one text must not stop all others
                yield _dead("TagArticle", DeadReason.RULE_FAILED, repr(e), batch, record)
                rows.append(_dead_row(record))
                continue
            kind = OFF_TOPIC
            if tagging.topics:
                kind = ON_TOPIC
                shard = shard_of(tagging.lang)
                payloads.append(pack_payload(shard, encode(self._tagged(article, tagging))))
            rows.append(ROW.pack(record.offset, record.append_ms, kind, *sight(article)))
        self._articles.inc(len(rows))
        yield f"{batch.topic}/{batch.partition}", pack_batch(rows, len(rows), payloads)

    def _tagged(self, article: Article, tagging: Tagging) -> TaggedArticle:
        """Without its story: that is the next step's word."""
        return TaggedArticle(
            article=article,
            lang=tagging.lang,
            topics=tagging.topics,
            story_id="",
            event_id="",
            reprint=False,
            possible_reprint_of=None,
            rules_version=self._tagger.rules_version,
        )


class _DecodeStatus(beam.DoFn):
    def __init__(self, topics: tuple[str, ...]) -> None:
        self._topics = topics

    def process(self, batch: RawBatch) -> Iterator[Any]:
        for record in batch.records:
            try:
                status = _status(record.value)
            except DecodeError as e:
                yield _dead("DecodeStatus", e.reason, e.detail, batch, record)
                continue
            placed = Placed(
                record.append_ms, batch.partition, record.offset, STATUS + encode(status)
            )
            value = placed.pack()
            for topic in self._topics:
                yield at(record.append_ms, (topic, value))


def _article(data: bytes | None) -> Article:
    if data is not None and len(data) > LARGEST_ARTICLE_BYTES:
        detail = f"{len(data)} bytes, at most {LARGEST_ARTICLE_BYTES} are worked on"
        raise DecodeError(DeadReason.TOO_LARGE, detail)
    article = read_article(data)
    if len(article.article_id) > LARGEST_ID:
        raise DecodeError(DeadReason.BAD_FIELD, f"article_id: more than {LARGEST_ID} characters")
    if not 0 <= article.revision <= MAX_REVISION:
        raise DecodeError(DeadReason.BAD_FIELD, f"revision: not in 0 to {MAX_REVISION}")
    return article


def _status(data: bytes | None) -> FeedStatus:
    status = decode(FeedStatus, data)
    for name in ("polled", "answered", "articles", "feeds"):
        if not 0 <= getattr(status, name) <= _MOST_FEEDS:
            raise DecodeError(DeadReason.BAD_FIELD, f"{name}: not in 0 to {_MOST_FEEDS}")
    for name in ("group", "connector"):
        if len(getattr(status, name)) > LARGEST_ID:
            raise DecodeError(DeadReason.BAD_FIELD, f"{name}: more than {LARGEST_ID} characters")
    return status


def _dead_row(record: RawRecord) -> bytes:
    return ROW.pack(record.offset, record.append_ms, DEAD, _NO_KEY, 0, 0)


def _dead(
    step: str, reason: DeadReason, error: str, batch: RawBatch, record: RawRecord
) -> TaggedOutput[Any, Any]:
    letter = DeadLetter(
        step=step,
        reason=reason,
        error=error[:500],
        source_topic=batch.topic,
        partition=batch.partition,
        offset=record.offset,
        payload=record.value or b"",
        at=_EPOCH + timedelta(milliseconds=record.append_ms),
    )
    return TaggedOutput(DEAD_LETTERS, Keyed(batch.topic, encode(letter)))
