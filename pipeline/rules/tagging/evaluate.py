"""Weighs what the matcher found: which routes to a topic hold, where, and how serious it is.

A route counts once, where it stands best: in full in the title, less in the lead, least further
down, because a topic that only appears late is a passing word, not a subject of the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.contracts.records import Lang
from pipeline.rules.tagging.matcher import Hit
from pipeline.rules.tagging.topic_model import LEVELS, Condition, Topic

LEAD_CHARS: Final = 350
"""A lead: the first paragraph of a wire story, or a feed's whole summary."""
LEAD_CHARS_HAN: Final = 160
"""The same content in Japanese or Chinese takes less than half the characters."""

TITLE_FACTOR: Final = 1.0
LEAD_FACTOR: Final = 0.7
BODY_FACTOR: Final = 0.4

_SCRIPTS: Final = {
    Lang.ZH_HANS: ("zh-Hans", "zh"),
    Lang.ZH_HANT: ("zh-Hant", "zh"),
    Lang.JA: ("ja",),
    Lang.EN: ("en",),
    Lang.OTHER: ("en",),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """A title or a sentence with the hits in it."""

    factor: float
    sets: int
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Something that counted for or against a topic."""

    name: str
    weight: float
    """As counted: the file's weight times the factor of the place."""
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a topic's rules say of a text."""

    topic: str
    tagged: bool
    score: float
    """1 and more: the topic applies (the score over the file's threshold)."""
    escalation: int
    reasons: tuple[Reason, ...]
    levels: tuple[Reason, ...]
    """Why the escalation is what it is; the weight is the level."""
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _When:
    """A condition with its sets as bits."""

    all: tuple[int, ...]
    every: int
    needs: int
    """`every` and `elsewhere`."""
    any: int
    none: int
    elsewhere: int
    nowhere: int
    title: bool
    within: int | None
    languages: frozenset[str]

    def possible(self, present: int, language: Lang) -> bool:
        """Whether the text as a whole has what it takes."""
        if self.needs & ~present or (self.any and not self.any & present):
            return False
        if self.nowhere & present:
            return False
        return not self.languages or not self.languages.isdisjoint(_SCRIPTS[language])

    def holds(self, unit: Unit) -> bool:
        """Whether a sentence has it."""
        sets = unit.sets
        if self.every & ~sets or self.none & sets or (self.any and not self.any & sets):
            return False
        return self.within is None or self._near(unit.hits, self.within)

    def _near(self, hits: Sequence[Hit], within: int) -> bool:
        for first in hits:
            if not first.sets & self.all[0]:
                continue
            if all(
                any(
                    hit.sets & bit
                    and max(hit.end, first.end) - min(hit.start, first.start) <= within
                    for hit in hits
                )
                for bit in self.all[1:]
            ):
                return True
        return False

    def bits(self) -> int:
        """The sets that speak for the condition."""
        return self.every | self.any | self.elsewhere


class TopicRules:
    """One topic, ready to be evaluated.

    Args:
        topic: the file.
        bits: set name -> its bit in hits.
        shared: the bits of sets that every topic may use.
    """

    def __init__(self, topic: Topic, bits: Mapping[str, int], shared: int) -> None:
        self.name = topic.name
        self._threshold = topic.threshold
        self._sets = [(s.name, bits[s.name], s.weight) for s in topic.sets if s.weight]
        self._routes = [(r.name, r.weight, _when(r.when, bits)) for r in topic.routes]
        self._levels = [(e.name, e.level, e.calms, _when(e.when, bits)) for e in topic.escalations]
        self._alone = [(bit, weight) for _, bit, weight in self._sets if weight > 0]
        self._for = [(when, weight) for _, weight, when in self._routes if weight > 0]
        self.leading = _union(bit for bit, _ in self._alone) | _union(
            when.bits() for when, _ in self._for
        )
        # What all topics share leads to none of them, unless this one's rules say so.
        self._gate = self.leading & ~shared
        if self._potential(shared) >= topic.threshold:
            self._gate = self.leading

    def possible(self, present: int) -> bool:
        """Whether these sets could make the topic, were all in the title and none against."""
        return bool(present & self._gate) and self._potential(present) >= self._threshold

    def _potential(self, present: int) -> float:
        total = 1e-6
        for bit, weight in self._alone:
            if bit & present:
                total += weight
        for when, weight in self._for:
            if not when.needs & ~present and (not when.any or when.any & present):
                total += weight
        return total

    def judge(self, units: Sequence[Unit], present: int, language: Lang) -> Verdict:
        """What the rules say of a text.

        Args:
            units: the title, then the sentences; the best place comes first.
            present: the sets of all units.
            language: of the text.
        """
        reasons: list[Reason] = []
        for name, bit, weight in self._sets:
            if bit & present:
                unit = next(u for u in units if u.sets & bit)
                reasons.append(Reason(name, weight * unit.factor, _terms(unit, bit)))
        for name, weight, when in self._routes:
            if not when.possible(present, language):
                continue
            for unit in units[:1] if when.title else units:
                if when.holds(unit):
                    reasons.append(Reason(name, weight * unit.factor, _terms(unit, when.bits())))
                    break
        # 0.7 and 0.3 are one, whatever binary fractions say.
        score = round(sum(reason.weight for reason in reasons) / self._threshold, 6)
        tagged = score >= 1.0
        level, levels = self._escalation(units, present, language) if tagged else (0, ())
        reasons.sort(key=lambda reason: -reason.weight)
        return Verdict(
            topic=self.name,
            tagged=tagged,
            score=round(score, 3),
            escalation=level,
            reasons=tuple(reasons),
            levels=levels,
            terms=_distinct(reasons),
        )

    def _escalation(
        self, units: Sequence[Unit], present: int, language: Lang
    ) -> tuple[int, tuple[Reason, ...]]:
        """The highest level of a sentence, each held down by what calms it.

        What the title calms stays calm: the text below tells how it was before.
        """
        rules = [rule for rule in self._levels if rule[3].possible(present, language)]
        highest, lid = 0, max(LEVELS)
        why: list[Reason] = []
        for unit in units:
            level, ceiling = 0, lid
            here: list[Reason] = []
            for name, value, calms, when in rules:
                if (when.title and unit is not units[0]) or not when.holds(unit):
                    continue
                here.append(Reason(name, value, _terms(unit, when.bits())))
                if calms:
                    ceiling = min(ceiling, value)
                else:
                    level = max(level, value)
            if unit is units[0]:
                lid = ceiling
            level = min(level, ceiling)
            if here and (level > highest or not why):
                highest, why = max(level, highest), here
        return highest, tuple(why)


def _when(when: Condition, bits: Mapping[str, int]) -> _When:
    every = tuple(bits[name] for name in when.all)
    elsewhere = _union(bits[name] for name in when.elsewhere)
    return _When(
        all=every,
        every=_union(every),
        needs=_union(every) | elsewhere,
        any=_union(bits[name] for name in when.any),
        none=_union(bits[name] for name in when.none),
        elsewhere=elsewhere,
        nowhere=_union(bits[name] for name in when.nowhere),
        title=when.title,
        within=when.within if every else None,
        languages=frozenset(when.languages),
    )


def _union(bits: Iterable[int]) -> int:
    out = 0
    for bit in bits:
        out |= bit
    return out


def _terms(unit: Unit, bits: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(hit.term for hit in unit.hits if hit.sets & bits))


def _distinct(reasons: Iterable[Reason]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(t for reason in reasons if reason.weight > 0 for t in reason.terms))
