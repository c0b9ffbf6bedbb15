"""The stories of a topic in the last days: who reported what first, and how often it was reprinted.

A story is a text group; reprints add to its raw count only. An owner's further texts on one event
within hours are the same voice, not further reports.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.contracts.records import Lang, TaggedArticle, TopicTag
from pipeline.rules.times import BUCKET, DAY, HOUR

KEEP_DETAILS: Final = 27 * HOUR
"""Seconds that a story's article is kept: the longest window, and what comes late to it."""
KEEP_IDS: Final = 4 * DAY
"""Seconds that a story's id is kept: a reprint of three days later is no new story."""
MAX_STORIES: Final = 5000
"""With details; beyond it the owners with most lose their oldest: a flood costs only itself."""
SAME_VOICE: Final = 6 * HOUR
"""An owner's texts on one event within this are one report."""


@dataclass(slots=True)
class Story:
    """One independent text, with the article that it was first seen in."""

    story_id: str
    event_id: str
    owner: str
    publisher: str
    at: int
    """Second under which it is filed."""
    seen: int
    lang: Lang
    level: int
    """Highest escalation of its articles."""
    tag_score: float
    terms: tuple[str, ...]
    article_id: str
    title: str
    link: str | None
    is_voice: bool
    """False: the same owner has reported this event already."""
    counted: int = 0
    """Bit 0: counts as news in volume; bit 1: in escalation."""
    tried: int = 0
    """The same bits: the series has been told."""
    articles: set[str] = field(default_factory=set)

    @property
    def bucket(self) -> int:
        """Bucket of its filing."""
        return self.at // BUCKET


class Stories:
    """Stories by id, pruned by age."""

    __slots__ = ("_by_bucket", "_ids", "_voices", "by_id")

    def __init__(self) -> None:
        self.by_id: dict[str, Story] = {}
        self._by_bucket: dict[int, list[str]] = {}
        self._ids: dict[str, int] = {}
        self._voices: dict[str, int] = {}

    def is_known(self, story_id: str) -> bool:
        """Whether the story has been seen within `KEEP_IDS`."""
        return story_id in self._ids

    def add(self, tagged: TaggedArticle, tag: TopicTag, at: int, seen: int) -> Story:
        """File a new story."""
        article = tagged.article
        voice = f"{tagged.event_id}\x1f{article.owner}"
        last = self._voices.get(voice)
        is_voice = last is None or abs(at - last) > SAME_VOICE
        if is_voice:
            self._voices[voice] = at
        story = Story(
            story_id=tagged.story_id,
            event_id=tagged.event_id,
            owner=article.owner,
            publisher=article.publisher,
            at=at,
            seen=seen,
            lang=tagged.lang,
            level=tag.escalation,
            tag_score=tag.score,
            terms=tag.terms,
            article_id=article.article_id,
            title=article.title,
            link=article.link,
            is_voice=is_voice,
            articles={article.article_id},
        )
        self._ids[story.story_id] = seen
        self.by_id[story.story_id] = story
        self._by_bucket.setdefault(story.bucket, []).append(story.story_id)
        return story

    def in_bucket(self, bucket: int) -> list[Story]:
        """The stories filed under a bucket."""
        return [self.by_id[i] for i in self._by_bucket.get(bucket, ())]

    def between(self, first: int, last: int) -> list[Story]:
        """The stories filed under the buckets from ``first`` to ``last``, both included."""
        if last - first > len(self._by_bucket):
            buckets = sorted(b for b in self._by_bucket if first <= b <= last)
        else:
            buckets = [b for b in range(first, last + 1) if b in self._by_bucket]
        return [self.by_id[i] for b in buckets for i in self._by_bucket[b]]

    def prune(self, now: int) -> None:
        """Forget what no window and no reprint can need."""
        oldest = (now - KEEP_DETAILS) // BUCKET
        for bucket in [b for b in self._by_bucket if b < oldest]:
            for story_id in self._by_bucket.pop(bucket):
                del self.by_id[story_id]
        if len(self.by_id) > MAX_STORIES:
            self._thin()
        self._ids = {i: t for i, t in self._ids.items() if now - t <= KEEP_IDS}
        self._voices = {v: t for v, t in self._voices.items() if now - t <= 2 * SAME_VOICE}

    def _thin(self) -> None:
        counts = Counter(s.owner for s in self.by_id.values())
        most = _fair_share(counts.values(), MAX_STORIES)
        excess = {owner: n - most for owner, n in counts.items() if n > most}
        for bucket, ids in sorted(self._by_bucket.items()):
            kept = []
            for story_id in ids:
                owner = self.by_id[story_id].owner
                if excess.get(owner, 0) > 0:
                    excess[owner] -= 1
                    del self.by_id[story_id]
                else:
                    kept.append(story_id)
            if kept:
                self._by_bucket[bucket] = kept
            else:
                del self._by_bucket[bucket]

    def to_json(self) -> dict[str, Any]:
        """The state as plain values."""
        return {
            "stories": [
                [
                    s.story_id,
                    s.event_id,
                    s.owner,
                    s.publisher,
                    s.at,
                    s.seen,
                    s.lang.value,
                    s.level,
                    s.tag_score,
                    list(s.terms),
                    s.article_id,
                    s.title,
                    s.link,
                    s.is_voice,
                    s.counted,
                    s.tried,
                    sorted(s.articles),
                ]
                for s in self.by_id.values()
            ],
            "ids": sorted(self._ids.items()),
            "voices": sorted(self._voices.items()),
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Stories:
        """The inverse of `to_json`."""
        self = cls()
        for values in raw["stories"]:
            story = Story(*values)
            story.lang, story.terms = Lang(story.lang), tuple(story.terms)
            story.articles = set(story.articles)
            self.by_id[story.story_id] = story
            self._by_bucket.setdefault(story.bucket, []).append(story.story_id)
        self._ids, self._voices = dict(raw["ids"]), dict(raw["voices"])
        return self


def _fair_share(counts: Iterable[int], room: int) -> int:
    """The most that each may keep so that all together fit into ``room``."""
    ascending = sorted(counts)
    for n, count in enumerate(ascending):
        share = room // (len(ascending) - n)
        if count > share:
            return share
        room -= count
    return ascending[-1] if ascending else 0
