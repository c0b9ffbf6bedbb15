"""The records that cross Kafka: frozen, with UTC times. Their only home.

Every time is an aware datetime in UTC. A collection is a tuple; a count by name is a tuple of
``(name, count)`` pairs sorted by name, so that equal records are equal bytes (`codec`).
Fields are only ever added, with a default, so that older messages stay readable (golden messages).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

Counts = tuple[tuple[str, int], ...]
"""A count by name: ``((name, count), …)``, sorted by name. A JSON object on the wire."""


class Lang(StrEnum):
    """The languages that rules can be written for."""

    EN = "en"
    JA = "ja"
    ZH_HANS = "zh-Hans"
    ZH_HANT = "zh-Hant"
    OTHER = "other"


class Series(StrEnum):
    """What is counted of a topic. Only `ESCALATION` raises alerts."""

    ESCALATION = "escalation"
    VOLUME = "volume"


class AlertState(StrEnum):
    """Where an episode stands."""

    OPEN = "open"
    ESCALATED = "escalated"
    DE_ESCALATED = "de-escalated"
    CLOSED = "closed"


CALMING: Final = (AlertState.DE_ESCALATED, AlertState.CLOSED)
"""States of a revision that no new story has made."""


class Severity(StrEnum):
    """How urgently an analyst should look; ordered by `severity_rank`."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


_SEVERITIES = tuple(Severity)


def severity_rank(severity: Severity) -> int:
    """0 for info, 1 for warning, 2 for critical."""
    return _SEVERITIES.index(severity)


class DeadReason(StrEnum):
    """Why a message could not be used. A metric label: keep the list short and closed."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_OBJECT = "not_object"
    NO_SCHEMA = "no_schema"
    NEWER_SCHEMA = "newer_schema"
    BAD_FIELD = "bad_field"
    RULE_FAILED = "rule_failed"


@dataclass(frozen=True, slots=True)
class Article:
    """One article as one feed told it."""

    article_id: str
    """Scoped to the feed (`ids.article_id`): no feed can change another's article."""
    feed_id: str
    group: str
    """Group of feeds: exposure is kept by it."""
    publisher: str
    """Counted as one voice: the feed list's, else the link's registrable domain."""
    owner: str
    """Publishers of one owner count once: the feed list's, else the publisher."""
    title: str
    summary: str
    """Plain text."""
    link: str | None
    authors: tuple[str, ...]
    guid: str | None
    published_at: datetime | None
    """As the feed states it; None when absent or unreadable (`rules.times` decides on it)."""
    seen_at: datetime
    """When we first saw this revision."""
    revision: int = 0
    """0, then one more for each edit that we saw."""
    backfill: bool = False
    """From an archive: teaches baselines, never raises an alert."""
    lang_hint: str | None = None
    """What feed or feed list say of the language: a hint, not a fact."""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """What one connector knows of one group of feeds in one bucket of five minutes.

    All that it knows by then: a later report of the same bucket takes the place of this one.
    """

    bucket: datetime
    """Its start."""
    group: str
    polled: int
    """Feeds asked in the bucket."""
    answered: int
    """Feeds that gave a usable answer (200 or 304) in the bucket."""
    articles: int
    """New articles in the bucket, on any topic; without back-fill and the past of a new feed."""
    feeds: int = 0
    """Feeds of the group that are switched on."""
    connector: str = "feeds"
    """Which connector says so: parts of several are added up."""


@dataclass(frozen=True, slots=True)
class TopicTag:
    """Why an article belongs to a topic, and how serious it is."""

    topic: str
    score: float
    escalation: int
    """0 none, 1 friction, 2 coercion without force, 3 force."""
    terms: tuple[str, ...]
    """The terms that matched, as the topic file writes them, strongest first."""


@dataclass(frozen=True, slots=True)
class TaggedArticle:
    """An article on at least one topic, with the story that it belongs to."""

    article: Article
    lang: Lang
    topics: tuple[TopicTag, ...]
    story_id: str
    """The text group: reprints of one text share it."""
    event_id: str
    """The event group: independent reports of one event share it."""
    reprint: bool
    possible_reprint_of: str | None
    rules_version: str


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One bucket of one series of one topic: what dashboards draw."""

    topic: str
    series: Series
    bucket: datetime
    """Its start, in published time."""
    bucket_minutes: int
    raw: int
    """Articles, reprints included."""
    independent: int
    """Text groups of distinct owners."""
    expected: float
    upper: float
    """Upper bound of the ordinary range."""
    score: float
    """The largest -log10 p of the windows that end with this bucket; 0: nothing stands out."""
    exposure: float
    """Share of the usual feed capacity that delivered, 0 to 1 and above."""
    warm: bool
    blind: bool
    """The feeds did not answer: the count says nothing."""
    baseline_since: datetime | None
    by_language: Counts
    by_level: Counts
    provisional: bool = False
    """The expected count is a stand-in, not the model's."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What was counted in an alert's window."""

    independent: int
    raw: int


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is known of the ordinary course behind an expected count."""

    since: datetime | None
    warm: bool
    blind: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """One article that an alert rests on."""

    article_id: str
    title: str
    link: str | None
    publisher: str
    lang: Lang
    published_at: datetime
    escalation: int
    reprints: int


@dataclass(frozen=True, slots=True)
class Alert:
    """One revision of one episode: complete in itself."""

    alert_id: str
    """Fixed by topic, series and first revision: a replay gives the same."""
    revision: int
    """1, then one more for each change; no gaps."""
    topic: str
    series: Series
    state: AlertState
    severity: Severity
    reason: str
    """The named reason of this revision, as a sentence for a person."""
    onset_at: datetime
    raised_at: datetime
    """Of the first revision; the same in all."""
    revised_at: datetime
    window_minutes: int
    observed: Observed
    expected: float
    upper: float
    score: float
    escalation: int
    publishers: int
    languages: Counts
    terms: tuple[str, ...]
    baseline: Baseline
    evidence: tuple[Evidence, ...]
    detector_version: str
    rules_version: str
    newest_seen_at: datetime | None = None
    """When the newest article in the window was first seen: latency is measured from it."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be used, whole, with where it stood."""

    step: str
    reason: DeadReason
    error: str
    source_topic: str
    partition: int | None
    offset: int | None
    payload: bytes
    at: datetime
    """When the broker appended the message, or when it was met where there is no broker."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """How the articles of one Kafka partition ended, from the first to ``through_offset``.

    Totals since the partition began; kept with the state, so exact after every recovery.
    ``through_offset + 1 - from_offset`` is the sum of the outcomes and ``redelivered``.
    """

    source_topic: str
    partition: int
    from_offset: int
    through_offset: int
    tagged: int
    off_topic: int
    duplicates: int
    dead_letters: int
    redelivered: int
    """Byte-equal repeats after a sender's crash: no article of their own, so no outcome."""
    generation: str = ""
    """Which submission of the pipeline counted: a replay starts a new count."""
