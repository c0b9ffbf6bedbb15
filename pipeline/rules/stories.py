"""Stories: which articles are one text, and which report one event. A streaming index of 72 hours.

Two levels. A *text group* (``story_id``) holds reprints of one text and is what a spike counts; an
*event group* (``event_id``) holds independent reports of one event. An article joins a group when
it is like one of its texts *and* like the group's oldest one: groups never grow by chaining
through a short headline. A group is named by the article that opened it.

The index decides once, on arrival. Each decision is an entry of a log (`assign`); replaying the log
gives the same index without deciding anew (`restore`), so that newer rules never move older
articles.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pipeline.contracts.records import Lang
from pipeline.rules.stories_log import (
    US,
    VERSION,
    Assignment,
    Sighting,
    StoryError,
    StoryItem,
    entry_of,
    house_of,
    microseconds,
    read_entry,
    wires_entry,
)
from pipeline.rules.stories_normalise import Text, canonical_url, normalise
from pipeline.rules.stories_similarity import (
    LIMITS,
    Likeness,
    Limits,
    Overlap,
    Relation,
    compare,
    denies,
    is_apart,
    overlap,
)
from pipeline.rules.stories_wires import WireTable

__all__ = [
    "Assignment",
    "StoryError",
    "StoryIndex",
    "StoryItem",
    "StorySettings",
    "house_of",
    "shard_of",
]


def shard_of(lang: Lang) -> str:
    """Which index an article in ``lang`` belongs to.

    Chinese and Japanese share one: a headline without kana may be taken for either, and an agency
    serves both Chinese scripts.
    """
    return "han" if lang in _HAN else lang.value


@dataclass(frozen=True, slots=True)
class StorySettings:
    """How far an index looks back, and what it takes for the same."""

    window: timedelta = timedelta(hours=72)
    limits: Limits = LIMITS
    max_items: int = 50_000
    """The oldest go first beyond this, however young: the bound on memory (about 6 kB an item)."""


@dataclass(slots=True)
class _Member:
    article_id: str
    revision: int
    text: Text
    url: str | None
    house: str
    seen_us: int
    assignment: Assignment
    entry: bytes


_HAN: Final = frozenset({Lang.JA, Lang.ZH_HANS, Lang.ZH_HANT})

_RAREST: Final = 14
"""Grams of a title that are looked up, the rarest: two titles alike enough to matter share some."""
_CANDIDATES: Final = 48
"""Texts compared in full, those first that share most rare grams."""
_LEARN_JACCARD: Final = 0.4
_LEARN_GRAMS: Final = 10
_VERBATIM: Final = (0.85, 0.95)
"""Jaccard, or containment, from which two headlines count as verbatim for `WireTable`."""
_EVENT_ANCHOR: Final = 0.3
_STORY_ANCHOR: Final = 0.35
_LEAD_ANCHOR: Final = 0.5
"""Containment, or Jaccard of leads, that the group's oldest text must show: against chaining."""
_LOG_SLACK: Final = 512


class _Best:
    """The member offered with the highest rank; of equals the oldest."""

    __slots__ = ("_rank", "member")

    def __init__(self) -> None:
        self._rank: tuple[Likeness, float] | None = None
        self.member: _Member | None = None

    def offer(self, rank: tuple[Likeness, float], member: _Member) -> None:
        """Take ``member`` when it ranks higher. Offered from the oldest to the youngest."""
        if self._rank is None or rank > self._rank:
            self._rank, self.member = rank, member


class StoryIndex:
    """The texts of the last 72 hours of one shard (`shard_of`), with their groups.

    Deterministic: the same items in the same order give the same assignments and the same entries.
    Not safe for threads.
    """

    def __init__(self, settings: StorySettings | None = None) -> None:
        self._settings = settings or StorySettings()
        self._window_us = int(self._settings.window.total_seconds()) * US
        self._wires = WireTable()
        self._members: dict[int, _Member] = {}
        self._order: deque[int] = deque()
        self._next_slot = 0
        self._slot_of: dict[str, int] = {}
        self._by_url: dict[str, int] = {}
        self._by_gram: dict[str, list[int]] = {}
        self._by_lead: dict[str, list[int]] = {}
        self._stories: dict[str, deque[int]] = {}
        self._events: dict[str, deque[int]] = {}
        self._clock_us = 0
        self._log_entries = 0

    def __len__(self) -> int:
        """Articles in the window."""
        return len(self._members)

    def assign(self, item: StoryItem) -> tuple[Assignment, bytes]:
        """Decide where ``item`` belongs, and remember it.

        An edited article (a known id with a higher revision) keeps its groups and is compared by
        its new text from now on. A revision that is known already changes nothing.

        Returns:
            The assignment, and the log entry to append; empty when nothing changed.
        """
        self._advance(microseconds(item.seen_at))
        known = self._members.get(self._slot_of.get(item.article_id, -1))
        if known is not None and item.revision <= known.revision:
            return known.assignment, b""
        text = normalise(item.title, item.summary, item.lang)
        url = canonical_url(item.link)
        no_sightings: list[Sighting] = []
        if known is not None:
            assignment, learned = known.assignment, no_sightings
        else:
            assignment, learned = self._decide(item, text, url)
        entry = entry_of(item, assignment, learned)
        self._learn(learned)
        self._add(item, text, url, assignment, entry)
        return assignment, entry

    @classmethod
    def restore(cls, settings: StorySettings | None, entries: Iterable[bytes]) -> StoryIndex:
        """The index whose log ``entries`` are, in the order in which they were given.

        Raises:
            StoryError: an entry is none of ours.
        """
        index = cls(settings)
        for entry in entries:
            if entry:
                index._replay(entry)
        return index

    def prune(self, now: datetime) -> list[bytes] | None:
        """The entries that the log should hold from now on, when rewriting it is worth while.

        Without an answer nothing changes, so that log and index never differ.
        """
        cut = max(self._clock_us, microseconds(now)) - self._window_us
        live = sum(1 for m in self._members.values() if m.seen_us >= cut)
        if self._log_entries < 2 * live + _LOG_SLACK and not (live == 0 < self._log_entries):
            return None
        self._advance(microseconds(now))
        entries = [wires_entry(self._wires, self._clock_us)]
        entries += [self._members[slot].entry for slot in self._order if slot in self._members]
        self._log_entries = len(entries)
        return entries

    # Deciding

    def _decide(
        self, item: StoryItem, text: Text, url: str | None
    ) -> tuple[Assignment, list[Sighting]]:
        story, event, possible = _Best(), _Best(), _Best()
        alike: dict[str, float] = {}
        house, seen_us, limits = (
            house_of(item.owner),
            microseconds(item.seen_at),
            self._settings.limits,
        )
        for slot in self._candidates(text, url):
            member = self._members[slot]
            shared = overlap(text, member.text)
            if is_apart(shared, limits) and not (url and url == member.url):
                continue
            relation = self._relation(seen_us, house, url, member)
            likeness = compare(text, member.text, relation, shared, limits)
            if not relation.same_owner and _tells_of_wires(text, member.text, shared):
                degree = 1.0 if _is_verbatim(shared) else shared.jaccard
                alike[member.house] = max(alike.get(member.house, 0.0), degree)
            if likeness is Likeness.NONE:
                continue
            rank = (likeness, shared.jaccard)
            if likeness is Likeness.REPRINT and self._fits_story(seen_us, house, text, url, member):
                story.offer(rank, member)
            elif likeness >= Likeness.POSSIBLE:
                possible.offer(rank, member)
            if self._fits_event(text, member):
                event.offer(rank, member)
        learned = [(house, other, degree == 1.0) for other, degree in sorted(alike.items())]
        if story.member is not None:
            base = story.member.assignment
            return Assignment(base.story_id, base.event_id, True, None), learned
        event_id = event.member.assignment.event_id if event.member else item.article_id
        copy_of = possible.member.article_id if possible.member else None
        return Assignment(item.article_id, event_id, False, copy_of), learned

    def _candidates(self, text: Text, url: str | None) -> list[int]:
        shared: Counter[int] = Counter()
        for index, grams in ((self._by_gram, text.grams), (self._by_lead, text.lead)):
            for posting in self._rarest(index, grams):
                shared.update(posting)
        ranked = sorted(
            ((n, slot) for slot, n in shared.items() if n > 1 or len(text.grams) < 4),
            reverse=True,
        )[:_CANDIDATES]
        slots = {slot for _, slot in ranked}
        if url is not None and (slot := self._by_url.get(url, -1)) in self._members:
            slots.add(slot)
        return sorted(slots)

    def _rarest(self, index: dict[str, list[int]], grams: frozenset[str]) -> Iterator[list[int]]:
        found = sorted((len(p), g) for g in grams if (p := index.get(g)))
        for _, gram in found[:_RAREST]:
            yield index[gram]

    def _relation(self, seen_us: int, house: str, url: str | None, member: _Member) -> Relation:
        return Relation(
            same_owner=member.house == house,
            same_url=url is not None and member.url == url,
            hours=abs(seen_us - member.seen_us) / US / 3600,
            wire=self._wires.affinity(house, member.house),
        )

    def _fits_story(
        self, seen_us: int, house: str, text: Text, url: str | None, member: _Member
    ) -> bool:
        """Whether the oldest text of the member's story allows it: against chaining."""
        oldest = self._members[self._stories[member.assignment.story_id][0]]
        relation = self._relation(seen_us, house, url, oldest)
        if relation.same_url or oldest is member:
            return True
        shared = overlap(text, oldest.text)
        near = shared.contained >= _STORY_ANCHOR or (shared.lead or 0.0) >= _LEAD_ANCHOR
        return near and not denies(text, oldest.text, relation)

    def _fits_event(self, text: Text, member: _Member) -> bool:
        oldest = self._members[self._events[member.assignment.event_id][0]].text
        shared = overlap(text, oldest)
        return shared.contained >= _EVENT_ANCHOR or (shared.lead or 0.0) >= _EVENT_ANCHOR

    # Remembering

    def _learn(self, sightings: Iterable[Sighting]) -> None:
        for a, b, verbatim in sightings:
            self._wires.learn(a, b, verbatim=verbatim)

    def _add(
        self, item: StoryItem, text: Text, url: str | None, assignment: Assignment, entry: bytes
    ) -> None:
        old = self._slot_of.pop(item.article_id, None)
        slot = self._next_slot
        self._next_slot += 1
        self._members[slot] = _Member(
            item.article_id,
            item.revision,
            text,
            url,
            house_of(item.owner),
            microseconds(item.seen_at),
            assignment,
            entry,
        )
        self._order.append(slot)
        self._slot_of[item.article_id] = slot
        if url is not None:
            self._by_url[url] = slot
        for index, grams in ((self._by_gram, text.grams), (self._by_lead, text.lead)):
            for gram in grams:
                index.setdefault(gram, []).append(slot)
        self._stories.setdefault(assignment.story_id, deque()).append(slot)
        self._events.setdefault(assignment.event_id, deque()).append(slot)
        if old is not None:
            self._forget(old)
        self._log_entries += 1

    def _advance(self, now_us: int) -> None:
        self._clock_us = max(self._clock_us, now_us)
        oldest = self._clock_us - self._window_us
        while self._order:
            slot = self._order[0]
            member = self._members.get(slot)
            if member is not None:
                if member.seen_us >= oldest and len(self._members) < self._settings.max_items:
                    break
                self._slot_of.pop(member.article_id, None)
                self._forget(slot)
            self._order.popleft()

    def _forget(self, slot: int) -> None:
        member = self._members.pop(slot)
        if member.url is not None and self._by_url.get(member.url) == slot:
            del self._by_url[member.url]
        for groups, group_id in (
            (self._stories, member.assignment.story_id),
            (self._events, member.assignment.event_id),
        ):
            group = groups[group_id]
            group.remove(slot)
            if not group:
                del groups[group_id]
        # Oldest first, so the slot stands at a posting's beginning: O(1) a gram.
        for index, grams in ((self._by_gram, member.text.grams), (self._by_lead, member.text.lead)):
            for gram in grams:
                posting = index[gram]
                posting.remove(slot)
                if not posting:
                    del index[gram]

    def _replay(self, entry: bytes) -> None:
        try:
            raw = json.loads(entry)
            if raw["v"] != VERSION:
                raise StoryError(f"version {raw['v']} of an entry, this program reads {VERSION}")
            if "wires" in raw:
                self._wires.load(raw["wires"])
                self._advance(int(raw["now"]))
                self._log_entries += 1
                return
            item, assignment, learned = read_entry(raw)
        except (ValueError, KeyError, TypeError) as e:
            raise e if isinstance(e, StoryError) else StoryError(f"not an entry: {e}") from e
        self._advance(microseconds(item.seen_at))
        self._learn(learned)
        text = normalise(item.title, item.summary, item.lang)
        self._add(item, text, canonical_url(item.link), assignment, entry)


def _is_verbatim(shared: Overlap) -> bool:
    return shared.jaccard >= _VERBATIM[0] or shared.contained >= _VERBATIM[1]


def _tells_of_wires(a: Text, b: Text, shared: Overlap) -> bool:
    return shared.jaccard >= _LEARN_JACCARD and min(len(a.grams), len(b.grams)) >= _LEARN_GRAMS
