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
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final, TypeAlias

from pipeline.contracts.records import Lang
from pipeline.rules.stories.candidates import Candidates
from pipeline.rules.stories.log import (
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
from pipeline.rules.stories.normalise import Text, canonical_url, normalise
from pipeline.rules.stories.similarity import (
    LIMITS,
    Likeness,
    Limits,
    Overlap,
    Probe,
    Relation,
    compare,
    denies,
    is_apart,
)
from pipeline.rules.stories.wires import WireTable

__all__ = ["Assignment", "StoryError", "StoryIndex", "StoryItem", "StorySettings", "shard_of"]


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
    """The bound on memory (3 to 5 kB an item). Beyond it the house with most loses its oldest,
    however young: a flood of one outlet shortens nobody else's window."""


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


_Groups: TypeAlias = dict[str, list[int]]
"""Slots by name, ascending. A list: most hold one, and a deque of one weighs eight times that."""

_HAN: Final = frozenset({Lang.JA, Lang.ZH_HANS, Lang.ZH_HANT})

_LEARN_JACCARD: Final = 0.4
_LEARN_GRAMS: Final = 10
_VERBATIM: Final = (0.85, 0.95)
"""Jaccard, or containment, from which two headlines count as verbatim for `WireTable`."""
_EVENT_ANCHOR: Final = 0.3
_STORY_ANCHOR: Final = 0.35
_LEAD_ANCHOR: Final = 0.5
"""Containment, or Jaccard of leads, that the group's oldest text must show: against chaining."""
_PAGE: Final = 4
"""Articles of the window at one address from which on it is a page's, and the texts alone decide:
some feeds give all their entries one link."""
_LOG_SLACK: Final = 512


class _Arrival:
    """An article that is to be placed, and which groups it was found to fit."""

    __slots__ = ("events", "house", "probe", "seen_us", "stories", "url")

    def __init__(self, item: StoryItem, text: Text, url: str | None) -> None:
        self.probe = Probe(text)
        self.house = house_of(item.owner)
        self.seen_us = microseconds(item.seen_at)
        self.url = url
        self.stories: dict[str, bool] = {}
        self.events: dict[str, bool] = {}


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
        self._members: OrderedDict[int, _Member] = OrderedDict()
        """By slot, ascending: the order of arrival. Ordered for its cheap removal of the first."""
        self._next_slot = 0
        self._slot_of: dict[str, int] = {}
        self._alike = Candidates()
        self._urls: _Groups = {}
        self._stories: _Groups = {}
        self._events: _Groups = {}
        self._houses: _Groups = {}
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
        seen_us = microseconds(item.seen_at)
        known = self._known(item.article_id)
        if (
            known is not None
            and item.revision <= known.revision
            and known.seen_us >= max(self._clock_us, seen_us) - self._window_us
        ):
            # Not even the clock may move: what the log does not tell, a restart does not know.
            return known.assignment, b""
        self._advance(seen_us)
        known = self._known(item.article_id)
        text = normalise(item.title, item.summary, item.lang)
        url = canonical_url(item.link)
        learned: list[Sighting] = []
        if known is not None:
            assignment = known.assignment
        else:
            names_it = len(self._urls.get(url or "", ())) < _PAGE
            new = _Arrival(item, text, url if names_it else None)
            assignment, learned = self._decide(item.article_id, new)
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
        live = len(self._members) - self._expired(microseconds(now))
        if self._log_entries < 2 * live + _LOG_SLACK and not (live == 0 < self._log_entries):
            return None
        self._advance(microseconds(now))
        entries = [wires_entry(self._wires, self._clock_us)]
        entries += [member.entry for member in self._members.values()]
        self._log_entries = len(entries)
        return entries

    # Deciding

    def _decide(self, article_id: str, new: _Arrival) -> tuple[Assignment, list[Sighting]]:
        story, event, possible = _Best(), _Best(), _Best()
        alike: dict[str, float] = {}
        text, limits = new.probe.text, self._settings.limits
        for slot in self._candidates(new):
            member = self._members[slot]
            moved = new.url is not None and new.url == member.url and new.house == member.house
            if not moved and new.probe.is_far(member.text, limits):
                continue
            shared = new.probe.overlap(member.text)
            if not moved and is_apart(shared, limits):
                continue
            relation = self._relation(new, member)
            likeness = compare(text, member.text, relation, shared, limits)
            if not relation.same_owner and _tells_of_wires(text, member.text, shared):
                degree = 1.0 if _is_verbatim(shared) else shared.jaccard
                alike[member.house] = max(alike.get(member.house, 0.0), degree)
            if likeness is Likeness.NONE:
                continue
            rank = (likeness, shared.jaccard)
            if likeness is Likeness.REPRINT and self._fits_story(new, member):
                story.offer(rank, member)
            elif likeness >= Likeness.POSSIBLE:
                possible.offer(rank, member)
            if self._fits_event(new, member):
                event.offer(rank, member)
        learned = [(new.house, other, degree == 1.0) for other, degree in sorted(alike.items())]
        if story.member is not None:
            base = story.member.assignment
            return Assignment(base.story_id, base.event_id, True, None), learned
        event_id = event.member.assignment.event_id if event.member else article_id
        copy_of = possible.member.article_id if possible.member else None
        return Assignment(article_id, event_id, False, copy_of), learned

    def _candidates(self, new: _Arrival) -> list[int]:
        slots = self._alike.of(new.probe.text)
        if new.url is not None and (there := self._urls.get(new.url)):
            slots = sorted({*slots, there[-1]})
        return slots

    def _relation(self, new: _Arrival, member: _Member) -> Relation:
        return Relation(
            same_owner=member.house == new.house,
            same_url=new.url is not None and member.url == new.url,
            hours=abs(new.seen_us - member.seen_us) / US / 3600,
            wire=self._wires.affinity(new.house, member.house),
        )

    def _fits_story(self, new: _Arrival, member: _Member) -> bool:
        """Whether the oldest text of the member's story allows it: against chaining."""
        story_id = member.assignment.story_id
        oldest = self._members[self._stories[story_id][0]]
        if oldest is member:
            return True
        if story_id not in new.stories:
            new.stories[story_id] = self._allows(new, oldest)
        return new.stories[story_id]

    def _allows(self, new: _Arrival, oldest: _Member) -> bool:
        relation = self._relation(new, oldest)
        if relation.same_url and relation.same_owner:
            return True
        shared = new.probe.overlap(oldest.text)
        near = shared.contained >= _STORY_ANCHOR or (shared.lead or 0.0) >= _LEAD_ANCHOR
        return near and not denies(new.probe.text, oldest.text, relation)

    def _fits_event(self, new: _Arrival, member: _Member) -> bool:
        event_id = member.assignment.event_id
        if event_id not in new.events:
            shared = new.probe.overlap(self._members[self._events[event_id][0]].text)
            near = shared.contained >= _EVENT_ANCHOR or (shared.lead or 0.0) >= _EVENT_ANCHOR
            new.events[event_id] = near
        return new.events[event_id]

    # Remembering

    def _known(self, article_id: str) -> _Member | None:
        slot = self._slot_of.get(article_id)
        return None if slot is None else self._members[slot]

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
        self._slot_of[item.article_id] = slot
        self._alike.add(slot, text)
        for groups, name in self._groups_of(self._members[slot]):
            groups.setdefault(name, []).append(slot)
        if old is not None:
            self._forget(old)
        self._log_entries += 1

    def _advance(self, now_us: int) -> None:
        """Forget what is too old, and make room for one more."""
        self._clock_us = max(self._clock_us, now_us)
        oldest = self._clock_us - self._window_us
        while self._members:
            slot, member = next(iter(self._members.items()))
            if member.seen_us >= oldest:
                break
            self._forget(slot)
        while len(self._members) >= self._settings.max_items:
            _, most = max((len(slots), house) for house, slots in self._houses.items())
            self._forget(self._houses[most][0])

    def _expired(self, now_us: int) -> int:
        """How many are too old at a time to come."""
        cut = max(self._clock_us, now_us) - self._window_us
        return sum(1 for _ in takewhile(lambda m: m.seen_us < cut, self._members.values()))

    def _forget(self, slot: int) -> None:
        member = self._members.pop(slot)
        if self._slot_of.get(member.article_id) == slot:
            del self._slot_of[member.article_id]
        for groups, name in self._groups_of(member):
            slots = groups[name]
            slots.remove(slot)
            if not slots:
                del groups[name]
        self._alike.remove(slot, member.text)

    def _groups_of(self, member: _Member) -> Iterator[tuple[_Groups, str]]:
        yield self._stories, member.assignment.story_id
        yield self._events, member.assignment.event_id
        yield self._houses, member.house
        if member.url is not None:
            yield self._urls, member.url

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
