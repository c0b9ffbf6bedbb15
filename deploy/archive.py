"""Archives of articles: JSON lines, plain or Zstandard, for `stories`, `backtest` and `feeds`.

Read as a stream: an archive may be longer than memory. A line that is no article is counted and the
first is told; it never ends the run.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy.errors import WrongUse, json_fault, unreadable
from pipeline.contracts.records import Article

_KNOWN_IDS: Final = 200_000
"""Ids remembered to tell an edit from a first sight: more than 72 hours of a large service."""
_MAX_LINE: Final = 16 * 1024 * 1024
_MAX_TEXT: Final = 100_000
_MAX_AUTHORS: Final = 20
"""As of a feed's entry."""
YEARS: Final = range(1970, 2200)
"""In which anything can have been seen: other stamps are a broken clock's."""
_MAX_WEIGHT: Final = 100
"""As in the feed list."""
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECTION: Final = " - "
"""Between a publisher and its section, as exports name sources that are no addresses."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose voice a source of an archive is."""

    publisher: str
    owner: str
    group: str
    language: str | None = None
    weight: float = 1.0


class Sources:
    """Sources of an archive by their name: a feed's URL, or a publisher.

    Without a feed list, or for a source that is not in it, the source is its own publisher, owner
    and group; of a URL it is the registrable domain. Sections of one newspaper (``Daily - Home``,
    ``Daily - World``) have one owner, what stands before the dash: two of them are one voice.
    """

    def __init__(self, known: dict[str, Source] | None = None) -> None:
        self._known = dict(known or {})

    def of(self, name: str, told: Source | None = None) -> Source:
        """Whose voice ``name`` is; ``told`` is what the archive itself says of it."""
        found = self._known.get(name)
        if found is None and told is not None:
            return told
        if found is None:
            label = name
            if name.startswith(("http://", "https://")):
                from connectors.feeds.feed_list import registrable_domain

                label = registrable_domain(name) or name
                owner = label
            else:
                owner = name.partition(_SECTION)[0].strip() or name
            found = self._known[name] = Source(label, owner, label)
        return found


def read_sources(path: Path | None) -> Sources:
    """The sources that a feed list describes; without one, each for itself.

    Raises:
        WrongUse: the file is no feed list.
        Refused: it is not there.
    """
    if path is None:
        return Sources()
    from connectors.feeds.errors import FeedListError
    from connectors.feeds.feed_list import read_feed_list, registrable_domain

    try:
        feeds = read_feed_list(path.read_text("utf-8"), str(path))
    except OSError as e:
        raise unreadable(path, e) from e
    except UnicodeDecodeError as e:
        raise WrongUse(f"{path}: not UTF-8; save the file as UTF-8") from e
    except FeedListError as e:
        raise WrongUse(str(e)) from e
    known = {}
    for name, feed in feeds.by_source().items():
        publisher = feed.publisher or registrable_domain(feed.url) or feed.url
        known[name] = Source(
            publisher, feed.owner or publisher, feed.group, feed.language, feed.weight
        )
    return Sources(known)


@dataclass(slots=True)
class BadLines:
    """Lines that were no articles: how many, and the first."""

    count: int = 0
    first: str | None = None

    def add(self, line: int, message: str) -> None:
        """Count one."""
        self.count += 1
        if self.first is None:
            self.first = f"line {line}: {message}"

    def sentence(self, path: Path) -> str | None:
        """What to tell the person who ran the command; None when every line was read."""
        if not self.count:
            return None
        lines = (
            "1 line is no article and was"
            if self.count == 1
            else (f"{self.count} lines are no articles and were")
        )
        return f"{path}: {lines} left out; the first, {self.first}"


@dataclass(slots=True)
class Archive:
    """An archive on disk; iterate once for its articles, in the order of its lines."""

    path: Path
    sources: Sources = field(default_factory=Sources)
    textless: bool = False
    """Whether articles without title and summary are given too."""
    bad: BadLines = field(default_factory=BadLines)
    fetched_at: datetime = _NEVER
    """Of the last article given: the clock of a replay. An export tells it apart from ``seen_at``,
    which is the connector's own time."""
    backwards: int = 0
    """Articles seen earlier than the one before them."""
    bytes_read: int = 0
    size: int = 0
    _line: int = 0
    _ids: OrderedDict[str, tuple[int, int]] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        # Not opened yet: a pipe can be only once.
        try:
            self.size = self.path.stat().st_size
        except OSError as e:
            raise unreadable(self.path, e) from e
        if self.path.is_dir():
            raise unreadable(self.path, IsADirectoryError())

    def __iter__(self) -> Iterator[Article]:
        last: datetime | None = None
        for number, raw in enumerate(self._lines(), start=1):
            self._line = number
            line = raw.strip()
            if not line:
                continue
            try:
                article = self._article(json.loads(line))
            except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as e:
                self.bad.add(number, json_fault(e))
                continue
            if last is not None and self.fetched_at < last:
                self.backwards += 1
            else:
                last = self.fetched_at
            yield article

    def disorder(self) -> str | None:
        """What to tell of the order of the lines; None when it is that of their times."""
        if not self.backwards:
            return None
        one = self.backwards == 1
        lines = "1 article was" if one else f"{self.backwards:,} articles were"
        return (
            f"{self.path}: {lines} seen before one that stands above, and counted as seen with it; "
            "sort the lines by fetched_at"
        )

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        for chunk in self._chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            if len(rest) > _MAX_LINE:
                raise WrongUse(f"{self.path}: a line longer than {_MAX_LINE:,} bytes")
        yield rest

    def _chunks(self) -> Iterator[bytes]:
        import zstandard

        from deploy.compressed import plain_chunks

        try:
            with self.path.open("rb") as file:
                for chunk in plain_chunks(file):
                    self.bytes_read = file.tell()
                    yield chunk
        except EOFError as e:
            self.bad.add(self._line + 1, f"the file was {e}")
        except zstandard.ZstdError as e:
            raise WrongUse(f"{self.path}: damaged Zstandard data: {e}") from e
        except OSError as e:
            raise unreadable(self.path, e) from e

    def _article(self, raw: Any) -> Article:
        if not isinstance(raw, dict):
            raise TypeError("no JSON object")
        article_id = raw.get("id")
        if isinstance(article_id, int) and not isinstance(article_id, bool):
            article_id = str(article_id)
        if not isinstance(article_id, str) or not article_id:
            raise ValueError("no 'id'")
        title = _text(raw, "title")
        summary = _text(raw, "summary")
        if not title and not summary and not self.textless:
            raise ValueError("neither 'title' nor 'summary'")
        published = _time(raw.get("published_at"), "published_at")
        seen = _time(raw.get("fetched_at"), "fetched_at")
        if seen is None:
            raise ValueError("no 'fetched_at'")
        if seen.year not in YEARS:
            raise ValueError(f"'fetched_at' is in the year {seen.year}")
        link = _text(raw, "url") or None
        name = _text(raw, "source") or link or "unknown"
        source = self.sources.of(name, _told(raw))
        self.fetched_at = seen
        return Article(
            article_id=article_id,
            feed_id=_text(raw, "feed_id") or name,
            group=source.group,
            publisher=source.publisher,
            owner=source.owner,
            title=title,
            summary=summary,
            link=link,
            authors=_authors(raw),
            guid=_text(raw, "guid") or None,
            published_at=published,
            seen_at=_time(raw.get("seen_at"), "seen_at") or seen,
            revision=self._revision(raw, article_id, title, summary),
            backfill=raw.get("backfill") is True,
            lang_hint=_text(raw, "lang") or source.language,
            weight=source.weight,
        )

    def _revision(self, raw: dict[str, Any], article_id: str, title: str, summary: str) -> int:
        """The line's own, else one more for each with a known id and another text."""
        own = raw.get("revision")
        if type(own) is int and own >= 0:
            return own
        content = hash((title, summary))
        revision, before = self._ids.pop(article_id, (-1, None))
        if content != before:
            revision += 1
        self._ids[article_id] = revision, content
        if len(self._ids) > _KNOWN_IDS:
            self._ids.popitem(last=False)
        return revision


def _told(raw: dict[str, Any]) -> Source | None:
    """What a line of `articles export` says of its source."""
    publisher, group = _text(raw, "publisher"), _text(raw, "group")
    if not publisher or not group:
        return None
    weight = raw.get("weight")
    weight = float(weight) if isinstance(weight, int | float) else 1.0
    if not 0 < weight <= _MAX_WEIGHT:  # nor NaN, which Python's JSON reads and nothing takes
        raise ValueError(f"'weight' is not above 0 and up to {_MAX_WEIGHT}")
    return Source(
        publisher,
        _text(raw, "owner") or publisher,
        group,
        weight=weight,
    )


def _text(raw: dict[str, Any], key: str) -> str:
    value = raw.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"'{key}' is no text")
    return _clean(value)


def _clean(text: str) -> str:
    return text[:_MAX_TEXT].encode("utf-8", "replace").decode("utf-8").strip()


def _authors(raw: dict[str, Any]) -> tuple[str, ...]:
    """What `articles export` writes; nothing in other archives, whose field may have any form."""
    value = raw.get("authors")
    names = value[:_MAX_AUTHORS] if isinstance(value, list) else []
    return tuple(_clean(x) for x in names if isinstance(x, str))


def _time(value: Any, key: str) -> datetime | None:
    """The time in UTC; without a zone it is UTC."""
    if value is None or value == "":
        return None
    try:
        time = datetime.fromisoformat(value.strip())
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (AttributeError, TypeError, ValueError, OverflowError) as e:
        if key == "published_at":
            return None  # the world's dates are as they are: the time of first sight stands in
        raise ValueError(f"'{key}' is no time in ISO 8601") from e
