"""What the readers of the formats find in a document, before anything is cleaned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from connectors.feeds.parse.model import FeedFormat


class Kind(Enum):
    """How a text is to be read."""

    PLAIN = auto()
    """Stated to be plain text."""
    MARKUP = auto()
    """HTML, or stated to be nothing in particular (RSS)."""


@dataclass(frozen=True, slots=True)
class RawText:
    """A text with what was stated about it."""

    value: str
    kind: Kind = Kind.MARKUP


@dataclass(slots=True)
class RawEntry:
    """An entry as it stands in the document."""

    guid: str | None = None
    guid_is_link: bool = False
    title: RawText | None = None
    summary: RawText | None = None
    content: RawText | None = None
    link: str | None = None
    base: str | None = None
    """What relative links of this entry are relative to, where the document says so."""
    published: str | None = None
    updated: str | None = None
    authors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class RawHints:
    """What the document says about itself."""

    title: RawText | None = None
    language: str | None = None
    site: str | None = None
    self_link: str | None = None
    hub: str | None = None
    ttl: str | None = None
    update_period: str | None = None
    update_frequency: str | None = None
    authors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class RawFeed:
    """A document that is a feed. ``entries`` may be read once."""

    format: FeedFormat
    entries: Iterable[RawEntry]
    total: int
    """How many entries ``entries`` has."""
    hints: RawHints = field(default_factory=RawHints)
    base: str | None = None
    """``xml:base`` of the document."""
