"""The feed list: which feeds there are, whose voice each is, and in which group it counts.

A TOML file of ``[[feed]]`` tables (the command-line contract has an example). Every fault is told
as ``file:line: message``, all of them at once.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from publicsuffixlist import PublicSuffixList

from connectors.feeds.errors import AddressError, FeedListError
from connectors.feeds.http.address import feed_id_of, parse_address

DEFAULT_GROUP: Final = "default"
_GROUP: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")  # a metric label: short, few, plain
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_HEADER: Final = re.compile(r"\s*\[\[\s*feed\s*\]\]")
_MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Feed:
    """One feed as its list describes it."""

    feed_id: str
    """Fixed by the URL, user info aside."""
    url: str
    publisher: str | None = None
    """Shown, and counted as one voice; None: the registrable domain of each article's link."""
    owner: str | None = None
    """Publishers of one owner count once; None: the publisher."""
    language: str | None = None
    """A hint."""
    group: str = DEFAULT_GROUP
    """Exposure is kept by it."""
    weight: float = 1.0
    enabled: bool = True
    full_text: bool = False
    """Fetch each article's page; its text takes the place of a shorter summary."""


@dataclass(frozen=True, slots=True)
class FeedList:
    """All feeds of a list, in its order."""

    feeds: tuple[Feed, ...] = ()

    def __iter__(self) -> Iterator[Feed]:
        return iter(self.feeds)

    def __len__(self) -> int:
        return len(self.feeds)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that have a feed switched on, sorted."""
        return tuple(sorted({f.group for f in self.feeds if f.enabled}))

    def by_id(self) -> dict[str, Feed]:
        """Feed id -> feed."""
        return {f.feed_id: f for f in self.feeds}

    def by_source(self) -> dict[str, Feed]:
        """What an archive calls a source -> its feed: by URL and publisher, the first of each."""
        out: dict[str, Feed] = {}
        for feed in self.feeds:
            for name in (feed.url, feed.publisher):
                if name is not None:
                    out.setdefault(name, feed)
        return out


def read_feed_list(text: str, name: str) -> FeedList:
    """The list in ``text``; ``name`` is the file's, for messages.

    Raises:
        FeedListError: with every fault as ``file:line: message``.
    """
    text = text.removeprefix("\ufeff")  # some editors on Windows begin every file with it
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as e:
        # Beside TOML's own faults: a number of too many digits, arrays nested a thousand deep.
        what = "nested too deeply" if isinstance(e, RecursionError) else e
        at = re.search(r"at line (\d+)", str(e))
        where = at.group(1) if at else str(text.count("\n") + 1)
        raise FeedListError((f"{name}:{where}: not TOML: {what}",)) from e
    lines = _Lines(text)
    faults = [
        f"{name}:{lines.of(key)}: '{key}' is not known here; a list has [[feed]] tables only"
        for key in raw
        if key != "feed"
    ]
    tables = raw.get("feed", [])
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise FeedListError((f"{name}:{lines.of('feed')}: write [[feed]], with two brackets",))
    feeds: list[Feed] = []
    first_line: dict[str, int] = {}
    for number, table in enumerate(tables):
        found = list(_faults(table))
        faults += [f"{name}:{lines.of(key, number)}: {message}" for key, message in found]
        if found:
            continue
        feed = _feed(table)
        line = lines.of("url", number)
        if feed.feed_id in first_line:
            faults.append(f"{name}:{line}: the same url as in line {first_line[feed.feed_id]}")
        first_line.setdefault(feed.feed_id, line)
        feeds.append(feed)
    if faults:
        raise FeedListError(
            tuple(sorted(faults, key=lambda f: int(f[len(name) + 1 :].split(":")[0])))
        )
    return FeedList(tuple(feeds))


def write_feed_list(feeds: Iterable[Feed]) -> str:
    """TOML that `read_feed_list` reads as equal feeds; one table each, defaults left out."""
    return "\n".join(write_feed(f) for f in feeds)


def write_feed(feed: Feed) -> str:
    """One ``[[feed]]`` table, with a line break at its end."""
    out = ["[[feed]]", f"url = {_string(feed.url)}"]
    for key, value in (
        ("publisher", feed.publisher),
        ("owner", feed.owner),
        ("language", feed.language),
        ("group", feed.group),
    ):
        if value is not None:
            out.append(f"{key} = {_string(value)}")
    if feed.weight != 1.0:
        out.append(f"weight = {feed.weight!r}")
    if not feed.enabled:
        out.append("enabled = false")
    if feed.full_text:
        out.append("full_text = true")
    return "\n".join(out) + "\n"


def field_fault(key: str, value: Any) -> str | None:
    """What is wrong with ``value`` as the field ``key`` of a feed, for a person; None: nothing."""
    return _CHECKS[key](value)


def registrable_domain(url: str | None) -> str | None:
    """The domain that somebody registered for the host of ``url`` (``a.b.co.uk`` -> ``b.co.uk``).

    A host without one (an address, a bare suffix) is returned whole; None when there is no http(s)
    host. Source: the Public Suffix List, as packaged.
    """
    if not url:
        return None
    try:
        host = parse_address(url).host
    except AddressError:
        return None
    return host if host[-1].isdigit() else _domain(host)


@lru_cache(maxsize=4096)
def _domain(host: str) -> str:
    return str(_suffixes().privatesuffix(host) or host)


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()  # read once, and only when asked: 30 ms


class _Lines:
    """Where a key stands in a TOML text, one table's fault at a time."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._starts = [n for n, line in enumerate(self._lines) if _HEADER.match(line)]

    def of(self, key: str, table: int | None = None) -> int:
        """The line of ``key`` in the ``table``-th ``[[feed]]``, else of its head; from 1."""
        if table is None:
            start, end = -1, len(self._lines)
        elif table < len(self._starts):
            start = self._starts[table]
            end = [*self._starts, len(self._lines)][table + 1]
        else:
            return 1
        pattern = re.compile(rf"\s*(\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[=\].]")
        for n in range(start + 1, end):
            if pattern.match(self._lines[n]):
                return n + 1
        return max(start, 0) + 1


def _faults(table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, message) for each fault of one table."""
    for key in table:
        if key not in _CHECKS:
            yield key, f"'{key}' is no field of a feed; there are {', '.join(_CHECKS)}"
    if "url" not in table:
        yield "feed", "a feed needs a url"
    for key, check in _CHECKS.items():
        if key in table and (message := check(table[key])):
            yield key, f"{key}: {message}"


def _feed(table: dict[str, Any]) -> Feed:
    values = dict(table)
    values["weight"] = float(values.get("weight", 1.0))
    return Feed(feed_id=feed_id_of(table["url"]), **values)


def _check_url(value: Any) -> str | None:
    if not isinstance(value, str):
        return "must be a text in quotes"
    try:
        parse_address(value)
    except AddressError as e:
        return str(e)
    return None


def _check_name(value: Any) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return "must be a text in quotes, not empty"
    if len(value) > _MAX_NAME or not value.isprintable():
        return f"at most {_MAX_NAME} printable characters"
    return None


def _check_language(value: Any) -> str | None:
    if isinstance(value, str) and _LANGUAGE.fullmatch(value):
        return None
    return 'must be a language tag such as "en", "ja" or "zh-Hant"'


def _check_group(value: Any) -> str | None:
    if isinstance(value, str) and _GROUP.fullmatch(value):
        return None
    return "at most 64 of a-z, 0-9, dot, dash and underscore; it is a label of metrics"


def _check_weight(value: Any) -> str | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and 0 < value <= 100:
        return None
    return "must be a number above 0 and up to 100"


def _check_flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


_CHECKS: Final = {
    "url": _check_url,
    "publisher": _check_name,
    "owner": _check_name,
    "language": _check_language,
    "group": _check_group,
    "weight": _check_weight,
    "enabled": _check_flag,
    "full_text": _check_flag,
}


def _string(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
