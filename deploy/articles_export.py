"""An archive out of the running system: what Kafka still holds, in the order in which it came."""

from __future__ import annotations

import heapq
import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

from connectors.bus.base import Message, Start, drain
from connectors.bus.kafka import KafkaSubscriber
from deploy.errors import Fault, WrongUse
from deploy.output import written
from pipeline.contracts.codec import decode, format_time, to_dict
from pipeline.contracts.errors import DecodeError
from pipeline.contracts.records import Article, TaggedArticle
from pipeline.contracts.topics import ARTICLES, TAGGED

_LEVEL = 10  # of Zstandard: half the size of the fastest, at 50 MB/s


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote."""

    articles: int
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
    if not out.parent.is_dir():
        raise WrongUse(f"{out.parent} is no folder: make it, or give another --out")
    topic = TAGGED if tagged else ARTICLES
    subscriber = KafkaSubscriber(
        bootstrap, (topic,), client_id="straitwatch-export", start=since or Start.EARLIEST
    )
    count = unreadable = 0
    try:
        with _told(out), ExitStack() as stack:
            spools: dict[int, IO[str]] = {}
            # Times of tagged articles are their sender's: those have to be read to the end.
            for message in drain(subscriber, before=None if tagged else until):
                if until is not None and message.timestamp >= until:
                    continue
                line = _line(message, tagged)
                if line is None:
                    unreadable += 1
                    continue
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


def _line(message: Message, tagged: bool) -> str | None:
    appended = message.timestamp.astimezone(UTC)
    try:
        if tagged:
            record = decode(TaggedArticle, message.value)
            extra = to_dict(record)
            del extra["article"]
            raw = archive_line(record.article, appended) | {"language": extra.pop("lang")} | extra
        else:
            raw = archive_line(decode(Article, message.value), appended)
    except DecodeError:
        return None
    return json.dumps(raw, ensure_ascii=False)


@contextmanager
def _told(out: Path) -> Iterator[None]:
    """The spools stand beside the target: what the system says of them concerns it."""
    try:
        yield
    except OSError as e:
        raise Fault(f"{out}: {e.strerror or e}; give another --out") from e


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
