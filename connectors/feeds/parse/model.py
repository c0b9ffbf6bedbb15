"""What a parsed feed document is: its entries in order, how it ended, its hints."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FeedFormat(StrEnum):
    """The formats that are read."""

    RSS = "rss"
    """RSS 0.91 to 2.0, with or without a version."""
    RDF = "rdf"
    """RSS 0.90, 1.0, 1.1."""
    ATOM = "atom"
    """Atom 0.3 and 1.0."""
    JSON_FEED = "json-feed"
    CDF = "cdf"
    NEWS_SITEMAP = "news-sitemap"
    """A sitemap with Google's news elements."""


class RejectReason(StrEnum):
    """Why one entry became no article."""

    NO_TEXT = "no_text"
    """Neither a title nor a summary."""
    DUPLICATE = "duplicate"
    """Its id is that of an earlier entry of the same document."""


class DocumentReason(StrEnum):
    """Why a document is no feed, or was refused."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_A_FEED = "not_a_feed"
    UNREADABLE = "unreadable"
    """Looks like a feed, but no parser finds one in it; or its file cannot be read."""
    TOO_SLOW = "too_slow"
    """Did not end in the time that a document has; its worker was killed."""
    TOO_MUCH_MEMORY = "too_much_memory"
    CRASHED = "crashed"
    """The worker died of it."""


@dataclass(frozen=True, slots=True)
class ParsedEntry:
    """An entry that became an article: every text plain, bounded, without control characters."""

    id: str
    """Fixed by feed and guid, else link, else title; at most 256 characters.

    A guid or link that different articles of the document share is as good as absent: take this id,
    never make it anew from the other fields.
    """
    guid: str | None
    """What the feed gave, trimmed; cut at `limits.MAX_GUID` (the id is made from the whole)."""
    title: str
    summary: str
    link: str | None
    """Absolute, http or https, no user info, host in ASCII."""
    published_at: datetime | None
    """As stated, with the stated offset; None when absent, unreadable, absurd or in the future."""
    updated_at: datetime | None
    authors: tuple[str, ...]
    flags: tuple[str, ...]
    """``encoding…``: text guessed or repaired; ``date…``: missing, unreadable, out of range."""


@dataclass(frozen=True, slots=True)
class RejectedEntry:
    """An entry that became no article."""

    reason: RejectReason


@dataclass(frozen=True, slots=True)
class FeedHints:
    """What a document says about itself. Nothing here is to be trusted; links are clean."""

    title: str | None = None
    language: str | None = None
    """A language tag as stated, lower case."""
    site: str | None = None
    """The page that the feed belongs to."""
    self_link: str | None = None
    """WebSub's topic: what the feed calls its own address."""
    hub: str | None = None
    """WebSub's hub."""
    ttl_seconds: int | None = None
    """RSS ``ttl``: 60 to 604,800."""
    update_seconds: int | None = None
    """``sy:updatePeriod`` by ``sy:updateFrequency``: 60 to 604,800."""


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """How one document ended."""

    format: FeedFormat | None
    """None when it is no feed."""
    entries: tuple[ParsedEntry | RejectedEntry, ...] = ()
    """One for each entry that was read, in the document's order."""
    reason: DocumentReason | None = None
    """Why it is no feed or was refused; None when ``ok``."""
    detail: str = ""
    """The reason in words, for a person; never a text of the feed."""
    unread: int = 0
    """Entries beyond the most that are read from one document."""
    hints: FeedHints = FeedHints()

    @property
    def ok(self) -> bool:
        """Whether the document is a feed, even one with rejects or without entries."""
        return self.reason is None

    @property
    def articles(self) -> tuple[ParsedEntry, ...]:
        """The entries that became articles, in order."""
        return tuple(e for e in self.entries if isinstance(e, ParsedEntry))
