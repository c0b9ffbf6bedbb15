"""Archives out of the running system: what Kafka still holds, in the order in which it came.

Articles, and the feed reports beside them: with both, `backtest` decides as the service did. And
dead letters, for whoever is on call.
"""

from __future__ import annotations

import heapq
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

from connectors.bus.base import Start, drain
from connectors.bus.kafka import KafkaSubscriber
from deploy.errors import Fault, WrongUse
from deploy.output import written
from pipeline.contracts.codec import SCHEMA, decode, format_time, to_dict
from pipeline.contracts.errors import DecodeError
from pipeline.contracts.records import Article, DeadLetter, FeedStatus, TaggedArticle
from pipeline.contracts.topics import ARTICLES, DEAD_LETTERS, FEEDS, TAGGED

_LEVEL = 10  # of Zstandard: half the size of the fastest, at 50 MB/s
_SHOWN = 400  # bytes of a dead letter: enough to see what it was


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote."""

    records: int
    unreadable: int
    """Messages that are no records; they are in the dead letters."""


def export(
    bootstrap: str,
    out: Path,
    since: datetime | None = None,
    until: datetime | None = None,
    tagged: bool = False,
) -> Exported:
    """Write the articles that Kafka appended from ``since`` on and before ``until`` to ``out``.

    The lines come in the order of ``fetched_at``, the time of appending, whatever the number of
    partitions (`in_order`). A name that ends in ``.zst`` is compressed.

    Raises:
        Unavailable: no broker answers.
        WrongUse: nothing can be written there.
        Fault: the disk is full.
    """
    if tagged:
        return _export(bootstrap, TAGGED, out, since, until, _tagged_line, drain_all=True)
    return _export(bootstrap, ARTICLES, out, since, until, _article_line)


def export_statuses(
    bootstrap: str, out: Path, since: datetime | None = None, until: datetime | None = None
) -> Exported:
    """Write the feed reports that Kafka appended from ``since`` on and before ``until`` to ``out``.

    As `export`; a line is a `FeedStatus` record and ``fetched_at``, the time of appending.
    """
    return _export(bootstrap, FEEDS, out, since, until, status_line)


def export_dead_letters(
    bootstrap: str, out: Path, since: datetime | None = None, until: datetime | None = None
) -> Exported:
    """Write the messages that could not be used, of the same time, to ``out``.

    As `export`; a line is a `DeadLetter` record with its ``payload`` in base64, ``fetched_at``, and
    ``text``, how the payload begins.
    """
    return _export(bootstrap, DEAD_LETTERS, out, since, until, _letter_line, drain_all=True)


def _export(
    bootstrap: str,
    topic: str,
    out: Path,
    since: datetime | None,
    until: datetime | None,
    line_of: Callable[[bytes | None, datetime], dict[str, Any]],
    *,
    drain_all: bool = False,
) -> Exported:
    """As `export`; with ``drain_all``, of a topic whose times are its sender's, to the end."""
    if not out.parent.is_dir():
        raise WrongUse(f"{out.parent} is no folder: make it, or name another file")
    subscriber = KafkaSubscriber(
        bootstrap, (topic,), client_id="straitwatch-export", start=since or Start.EARLIEST
    )
    count = unreadable = 0
    try:
        with _told(out), ExitStack() as stack:
            spools: dict[int, IO[str]] = {}
            for message in drain(subscriber, before=None if drain_all else until):
                if until is not None and message.timestamp >= until:
                    continue
                try:
                    raw = line_of(message.value, message.timestamp.astimezone(UTC))
                except DecodeError:
                    unreadable += 1
                    continue
                line = json.dumps(raw, ensure_ascii=False)
                spool = spools.get(message.partition)
                if spool is None:
                    spool = stack.enter_context(
                        tempfile.TemporaryFile("w+", encoding="utf-8", dir=_folder(out))
                    )
                    spools[message.partition] = spool
                spool.write(f"{message.timestamp.timestamp():.3f} {line}\n")
            with _target(out) as target:
                for line in in_order(spools):
                    target.write(line)
                    count += 1
    finally:
        subscriber.close()
    return Exported(count, unreadable)


def archive_line(article: Article, appended: datetime) -> dict[str, Any]:
    """The fields that `backtest` reads, and all else that we know."""
    return {
        "id": article.article_id,
        "title": article.title,
        "summary": article.summary,
        "published_at": article.published_at and format_time(article.published_at),
        "fetched_at": format_time(appended),
        "source": article.publisher,
        "url": article.link,
        "lang": article.lang_hint,
        "feed_id": article.feed_id,
        "group": article.group,
        "publisher": article.publisher,
        "owner": article.owner,
        "weight": article.weight,
        "authors": list(article.authors),
        "guid": article.guid,
        "revision": article.revision,
        "seen_at": format_time(article.seen_at),
        "backfill": article.backfill,
    }


def status_line(value: bytes | None, appended: datetime) -> dict[str, Any]:
    """A feed report as it stands on Kafka, and when the pipeline came to know of it."""
    record = decode(FeedStatus, value)
    return {"schema": SCHEMA, **to_dict(record), "fetched_at": format_time(appended)}


def _article_line(value: bytes | None, appended: datetime) -> dict[str, Any]:
    return archive_line(decode(Article, value), appended)


def _tagged_line(value: bytes | None, appended: datetime) -> dict[str, Any]:
    record = decode(TaggedArticle, value)
    extra = to_dict(record)
    del extra["article"]
    return archive_line(record.article, appended) | {"language": extra.pop("lang")} | extra


def _letter_line(value: bytes | None, appended: datetime) -> dict[str, Any]:
    record = decode(DeadLetter, value)
    text = record.payload[:_SHOWN].decode("utf-8", "replace")
    return {"fetched_at": format_time(appended), **to_dict(record), "text": text}


@contextmanager
def _told(out: Path) -> Iterator[None]:
    """The spools stand beside the target: what the system says of them concerns it."""
    try:
        yield
    except OSError as e:
        raise Fault(f"{out}: {e.strerror or e}; name another file") from e


def in_order(spools: Mapping[int, IO[str]]) -> Iterator[str]:
    """The lines of all partitions by time, partition and offset: the order of the pipeline.

    Args:
        spools: by partition; lines of time (seconds), a space, and what is wanted, by offset.
    """
    rows = (_read(spool) for _, spool in sorted(spools.items()))
    return (line for _, line in heapq.merge(*rows, key=itemgetter(0)))


def _read(spool: IO[str]) -> Iterator[tuple[float, str]]:
    spool.seek(0)
    for row in spool:
        stamp, _, line = row.partition(" ")
        yield float(stamp), line


def _folder(out: Path) -> Path | None:
    """Beside the target, where there must be room anyway; for a device the system's place."""
    return out.parent if out.is_file() or not out.exists() else None


@contextmanager
def _target(out: Path) -> Iterator[IO[str]]:
    if out.suffix != ".zst":
        with written(out) as file:
            yield file
        return
    import zstandard

    with written(out) as file:
        binary = file.buffer  # type: ignore[attr-defined]
        writer = zstandard.ZstdCompressor(level=_LEVEL).stream_writer(binary, closefd=False)
        with writer, io.TextIOWrapper(writer, encoding="utf-8", newline="\n") as text:
            yield text
