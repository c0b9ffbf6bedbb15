"""Which entries of a document become articles. Pure: parsed and known in, what is new out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from connectors.feeds.feed_list import Feed, registrable_domain
from connectors.feeds.parse.model import ParsedEntry, ParsedFeed
from connectors.feeds.state.records import REFRESH_SEEN, Seen
from pipeline.contracts.records import Article

NEWS_AGE: Final = timedelta(minutes=30)
"""What a feed that we meet anew published within this time counts as news; the rest is its past."""
AWAY: Final = 6 * 3600.0
"""Seconds without an answer after which we meet a feed anew: as long as an article is fresh."""
OVER_LIMIT: Final = "over_limit"
"""The reason of entries beyond the most that are read from one document."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What one document gave. ``fetched`` is articles + duplicates + rejects."""

    articles: tuple[Article, ...]
    """New ones (revision 0) and edits, in the document's order."""
    seen: tuple[Seen, ...]
    """What to remember: those articles, and entries that are still there after a day."""
    duplicates: int
    rejects: tuple[tuple[str, int], ...]
    """Reason -> entries."""

    @property
    def new(self) -> int:
        """Articles that are no edits."""
        return sum(a.revision == 0 for a in self.articles)

    @property
    def live(self) -> int:
        """New articles that count as news: without the past of a feed that we met anew."""
        return sum(a.revision == 0 and not a.backfill for a in self.articles)

    @property
    def updated(self) -> int:
        """Edits."""
        return len(self.articles) - self.new

    @property
    def rejected(self) -> int:
        """Entries that became nothing."""
        return sum(n for _, n in self.rejects)

    @property
    def fetched(self) -> int:
        """Every entry of the document."""
        return len(self.articles) + self.duplicates + self.rejected


def accept(
    feed: Feed,
    parsed: ParsedFeed,
    known: Mapping[str, Seen],
    now: datetime,
    anew: bool = False,
) -> Accepted:
    """Sort the entries of ``parsed`` into new, edited, known and rejected.

    Args:
        feed: whose document it is.
        parsed: the document; `ParsedFeed.ok`.
        known: article id -> what was seen of this feed before.
        now: becomes ``seen_at``.
        anew: we meet the feed for the first time, or after long: what it published more than
            `NEWS_AGE` ago, or without a date, is back-fill. A new feed is not a crisis.
    """
    articles: list[Article] = []
    seen: list[Seen] = []
    duplicates = 0
    rejects: Counter[str] = Counter()
    if parsed.unread:
        rejects[OVER_LIMIT] = parsed.unread
    stamp = now.timestamp()
    digests = {e.id: _digest(e) for e in parsed.entries if isinstance(e, ParsedEntry)}
    restless = _dates_are_restless(digests, known)
    for entry in parsed.entries:
        if not isinstance(entry, ParsedEntry):
            rejects[entry.reason] += 1
            continue
        before = known.get(entry.id)
        digest = digests[entry.id]
        if before is not None and _is_known(before.digest, digest, restless):
            duplicates += 1
            if stamp - before.last_seen_at > REFRESH_SEEN:
                seen.append(Seen(entry.id, before.digest, before.revision, stamp))
            continue
        revision = 0 if before is None else before.revision + 1
        past = anew and not _is_news(entry, now)
        articles.append(_article(feed, parsed, entry, revision, now, past))
        seen.append(Seen(entry.id, digest, revision, stamp))
    return Accepted(tuple(articles), tuple(seen), duplicates, tuple(sorted(rejects.items())))


def _article(
    feed: Feed, parsed: ParsedFeed, entry: ParsedEntry, revision: int, now: datetime, past: bool
) -> Article:
    origin = "/".join((entry.link or feed.url).split("/", 3)[:3])
    publisher = feed.publisher or _domain_at(origin) or feed.feed_id
    published = entry.published_at
    return Article(
        article_id=entry.id,
        feed_id=feed.feed_id,
        group=feed.group,
        publisher=publisher,
        owner=feed.owner or publisher,
        title=entry.title,
        summary=entry.summary,
        link=entry.link,
        authors=entry.authors,
        guid=entry.guid,
        published_at=None if published is None else published.astimezone(UTC),
        seen_at=now,
        revision=revision,
        lang_hint=feed.language or parsed.hints.language,
        weight=feed.weight,
        backfill=past,
    )


@lru_cache(maxsize=1024)
def _domain_at(origin: str) -> str | None:
    """The domain of ``https://host``: once for all links of a document."""
    return registrable_domain(origin)


def is_met_anew(last_answer_at: float | None, now: float) -> bool:
    """Whether a feed that last answered then is one that we do not know, or no longer."""
    return last_answer_at is None or now - last_answer_at > AWAY


def _is_news(entry: ParsedEntry, now: datetime) -> bool:
    return entry.published_at is not None and now - entry.published_at <= NEWS_AGE


_TEXT_DIGITS: Final = 24


def _digest(entry: ParsedEntry) -> str:
    """32 hexadecimal digits: the text's first, the stated date's last."""
    text = "\x1f".join((entry.title, entry.summary, entry.link or ""))
    date = "" if entry.published_at is None else entry.published_at.astimezone(UTC).isoformat()
    return (
        hashlib.blake2b(
            text.encode("utf-8", "surrogatepass"), digest_size=_TEXT_DIGITS // 2
        ).hexdigest()
        + hashlib.blake2b(date.encode(), digest_size=4).hexdigest()
    )


def _is_known(before: str, digest: str, restless: bool) -> bool:
    return before == digest or (restless and _same_text(before, digest))


def _same_text(a: str, b: str) -> bool:
    return a[:_TEXT_DIGITS] == b[:_TEXT_DIGITS]


def _dates_are_restless(digests: Mapping[str, str], known: Mapping[str, Seen]) -> bool:
    """Whether this document dates everything anew, as feeds do that state the time of the request.

    Three known entries or more, and most of them with the same text under another date: those are
    no edits, and would else come as a revision of every entry at every poll.
    """
    pairs = [(known[i].digest, digest) for i, digest in digests.items() if i in known]
    moved = sum(a != b and _same_text(a, b) for a, b in pairs)
    return len(pairs) >= 3 and 2 * moved > len(pairs)
