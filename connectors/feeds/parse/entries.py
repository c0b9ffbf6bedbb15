"""From what stands in a document to articles and rejects: cleaned, bounded, each with its id."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connectors.feeds.parse import dates, decode, limits, mojibake, text
from connectors.feeds.parse.links import clean_link
from connectors.feeds.parse.model import (
    FeedHints,
    ParsedEntry,
    RejectedEntry,
    RejectReason,
)
from connectors.feeds.parse.raw import Kind, RawEntry, RawFeed, RawText
from pipeline.contracts.ids import article_id


@dataclass(slots=True)
class _Draft:
    """An entry that has a text, before it has an id."""

    raw: RawEntry
    title: str
    summary: str
    guid: str | None
    link: str | None
    repaired: bool


@dataclass(slots=True)
class Cleaner:
    """Turns the raw entries of one document into outcomes, in order, one for one."""

    feed_id: str
    url: str | None
    now: datetime
    encoding_flags: tuple[str, ...]
    """Of the document: they go to each article with a character beyond ASCII."""
    _markup_left: int = limits.MAX_DOCUMENT_MARKUP
    _repaired: bool = False
    """The entry at hand was put right by `mojibake`."""

    def outcomes(self, feed: RawFeed, hints: FeedHints) -> Iterator[ParsedEntry | RejectedEntry]:
        """An article or a reject for each entry of ``feed``."""
        base = feed.base or hints.site or hints.self_link or self.url
        drafts = [self._draft(raw, base) for raw in feed.entries]
        shared = _shared(drafts)
        seen: set[str] = set()
        for draft in drafts:
            if draft is None:
                yield RejectedEntry(RejectReason.NO_TEXT)
                continue
            # A name that several different articles share names none of them.
            guid = None if draft.guid in shared else draft.guid
            link = None if draft.link in shared else draft.link
            id_ = article_id(self.feed_id, guid, link, draft.title)
            if id_ in seen:
                yield RejectedEntry(RejectReason.DUPLICATE)
                continue
            seen.add(id_)
            yield self._article(id_, draft)

    def hints(self, feed: RawFeed) -> FeedHints:
        """The hints of ``feed``, cleaned."""
        raw, base = feed.hints, feed.base or self.url
        return FeedHints(
            title=self._line(raw.title) or None,
            language=_language(raw.language),
            site=clean_link(raw.site, base),
            self_link=clean_link(raw.self_link, base),
            hub=clean_link(raw.hub, base),
            ttl_seconds=_ttl(raw.ttl),
            update_seconds=_update_interval(raw.update_period, raw.update_frequency),
        )

    def _draft(self, raw: RawEntry, base: str | None) -> _Draft | None:
        self._repaired = False
        summary = self._summary(raw)
        title = self._line(raw.title) or _beginning(summary)
        if not title:
            return None
        guid = _guid(raw.guid)
        link = clean_link(raw.link, raw.base or base)
        if link is None and raw.guid_is_link:
            link = clean_link(guid)
        return _Draft(raw, title, summary, guid, link, self._repaired)

    def _article(self, id_: str, draft: _Draft) -> ParsedEntry:
        published, updated, date_flags = self._dates(draft.raw)
        return ParsedEntry(
            id=id_,
            guid=draft.guid and draft.guid[: limits.MAX_GUID].rstrip(),
            title=draft.title,
            summary=draft.summary,
            link=draft.link,
            published_at=published,
            updated_at=updated,
            authors=_authors(draft.raw.authors),
            flags=(*self._encoding_flags(draft), *date_flags),
        )

    def _summary(self, raw: RawEntry) -> str:
        """The first of summary and content that says anything."""
        for candidate in (raw.summary, raw.content):
            if candidate is not None:
                plain = text.lines(self._plain(candidate), limits.MAX_SUMMARY)
                if plain:
                    return plain
        return ""

    def _line(self, raw: RawText | None) -> str:
        return "" if raw is None else text.one_line(self._plain(raw), limits.MAX_TITLE)

    def _plain(self, raw: RawText) -> str:
        """The text of ``raw``; one that claims to be plain and is not, is read as HTML."""
        value = raw.value
        if not value.isascii():
            original = mojibake.undone(value[: limits.MAX_MARKUP])
            self._repaired |= original is not None
            value = original or value
        if raw.kind is Kind.PLAIN and not text.is_markup(value):
            return value[: limits.MAX_MARKUP]
        if "<" not in value and "&" not in value:
            return value[: limits.MAX_MARKUP]
        most = min(limits.MAX_MARKUP, self._markup_left)
        self._markup_left -= min(len(value), most)
        return text.from_markup(value, most)

    def _dates(self, raw: RawEntry) -> tuple[datetime | None, datetime | None, tuple[str, ...]]:
        """Published, updated, flags.

        The update date stands in for a publication date that cannot be had.
        """
        flags: list[str] = []
        read = []
        for stated in (raw.published, raw.updated):
            found = dates.read_date(stated, self.now) if stated and stated.strip() else None
            read.append(None if found is None else found.value)
            if found is not None and found.flag is not None and found.flag not in flags:
                flags.append(found.flag)
        published, updated = read
        if published is None and updated is None and not flags:
            flags.append(dates.MISSING)
        return published or updated, updated, tuple(flags)

    def _encoding_flags(self, draft: _Draft) -> tuple[str, ...]:
        texts = draft.title + draft.summary
        flags = () if texts.isascii() else self.encoding_flags
        if draft.repaired or "\ufffd" in texts or mojibake.is_doubtful(texts):
            flags = tuple(dict.fromkeys((*flags, decode.REPAIRED)))
        return flags


def _shared(drafts: list[_Draft | None]) -> set[str]:
    """Guids and links under which entries with different titles stand.

    Some feeds give one guid, or the site's front page as link, to all. The same title under the
    same name twice is one article listed twice.
    """
    titles: dict[str, str] = {}
    shared: set[str] = set()
    for draft in drafts:
        if draft is not None:
            for name in (draft.guid, draft.link):
                if name and titles.setdefault(name, draft.title) != draft.title:
                    shared.add(name)
    return shared


def _guid(raw: str | None) -> str | None:
    """Trimmed, without hidden characters; None when nothing is left."""
    return (text.clean(raw).strip() or None) if raw else None


_TITLE_FROM_SUMMARY: Final = 120


def _beginning(summary: str) -> str:
    """A title for an entry without one (short messages): the first line of its summary."""
    line = summary.partition("\n")[0]
    if len(line) <= _TITLE_FROM_SUMMARY:
        return line
    head, space, _ = line[:_TITLE_FROM_SUMMARY].rpartition(" ")
    return (
        head if space and len(head) > _TITLE_FROM_SUMMARY // 2 else line[:_TITLE_FROM_SUMMARY]
    ) + "…"


_NAME_IN_BRACKETS = re.compile(r"[^\s()<>]{1,100}@[^\s()<>]{1,100}\s{0,5}\(([^()]{1,200})\)")
_NAME_BEFORE_ADDRESS = re.compile(
    r"([^<>()]{1,200}?)\s{0,5}[<(][^\s<>()]{1,100}@[^\s<>()]{1,100}[>)]"
)


def _authors(raw: list[str]) -> tuple[str, ...]:
    """Names, without the addresses that RSS puts beside them, each once."""
    names: dict[str, None] = {}
    for author in raw[: limits.MAX_AUTHORS]:
        plain = author[:1_000]
        if text.is_markup(plain):
            plain = text.from_markup(plain, 1_000)
        line = " ".join(text.clean(plain).split())
        match = _NAME_IN_BRACKETS.fullmatch(line) or _NAME_BEFORE_ADDRESS.fullmatch(line)
        if name := text.one_line(match[1] if match else line, limits.MAX_AUTHOR):
            names[name] = None
    return tuple(names)


_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][a-z0-9]{1,8}){0,3}")
_PERIODS: Final = {
    "hourly": 3_600,
    "daily": 86_400,
    "weekly": 7 * 86_400,
    "monthly": 30 * 86_400,
    "yearly": 365 * 86_400,
}


def _language(raw: str | None) -> str | None:
    tag = (raw or "").strip().lower()
    return tag.replace("_", "-") if _LANGUAGE.fullmatch(tag) else None


def _ttl(raw: str | None) -> int | None:
    """Seconds of an RSS ``ttl``, which is in minutes; None for nonsense."""
    minutes = _whole(raw)
    return None if minutes is None else _interval(minutes * 60)


def _update_interval(period: str | None, frequency: str | None) -> int | None:
    """Seconds between updates by RSS 1.0's syndication module (default: daily, once)."""
    if period is None and frequency is None:
        return None
    seconds = _PERIODS.get((period or "daily").strip().lower())
    times = 1 if frequency is None else _whole(frequency)
    return _interval(seconds // times) if seconds and times else None


def _interval(seconds: int) -> int | None:
    if seconds <= 0:
        return None
    return min(max(seconds, limits.MIN_INTERVAL_SECONDS), limits.MAX_INTERVAL_SECONDS)


def _whole(raw: str | None) -> int | None:
    digits = (raw or "").strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else None
