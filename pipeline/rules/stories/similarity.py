"""Whether two texts are one text, reports of one event, or neither: the decision on a pair.

Source of the rules: the guideline of reprints (wire copy is verbatim, or shortened and lengthened
at a clause's end; or the lead is kept under another headline) and measurements on labelled pairs
(deploy/decisions/0007-stories.md). When unsure the answer is `Likeness.POSSIBLE`: kept apart, and
said.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from pipeline.rules.stories.grams import most_shared
from pipeline.rules.stories.normalise import Script, Text


class Likeness(IntEnum):
    """What two texts are to each other, the closer the higher."""

    NONE = 0
    EVENT = 1
    """They report one event, in words of their own."""
    POSSIBLE = 2
    """Perhaps one text: kept apart, and marked."""
    REPRINT = 3
    """One text."""


@dataclass(frozen=True, slots=True)
class Relation:
    """What is known of a pair besides its words."""

    same_owner: bool
    same_url: bool
    hours: float
    """Between the two, 0 or more."""
    wire: float
    """How readily these two owners run one text, 0 to 1 (`wires`)."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much two texts share."""

    jaccard: float
    """Of the titles' grams."""
    contained: float
    """Share of the shorter title that stands in the longer one."""
    lead: float | None
    """Jaccard of the leads; None when one has none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Thresholds of overlap, from 0 to 1; measured, not felt (deploy/decisions/0007-stories.md)."""

    title: float = 0.85
    """Jaccard of the titles: one text, between outlets that need share nothing."""
    title_kana: float = 0.75
    """The same in Japanese."""
    lead: float = 0.57
    """Jaccard of the leads: the first sentence was kept."""
    lead_denies: float = 0.15
    """Two leads less alike than this are two texts, unless the titles are equal."""
    wire_title: float = 0.6
    """Jaccard of the titles, between owners known to share a wire."""
    moved_title: float = 0.55
    """Jaccard of the titles, where a long clause stands word for word at another place."""
    wire_contained: float = 0.85
    """Containment, between the same."""
    own_title: float = 0.38
    """Jaccard of the titles, within one owner: an edited headline."""
    own_title_latin: float = 0.7
    own_contained: float = 0.6
    """Containment, within one owner; both must hold."""
    own_lead: float = 0.75
    """Jaccard of the leads, within one owner, where there are leads."""
    own_lead_title: float = 0.3
    """Jaccard of the titles, beside it."""
    own_lead_title_later: float = 0.6
    """The same after half a day: columns return under the same lead."""
    event_title: float = 0.3
    event_contained: float = 0.5
    event_lead: float = 0.3
    wire: float = 0.2
    """Owners whose `Relation.wire` is above this share a wire."""


LIMITS: Final = Limits()


class Probe:
    """A text made ready to be compared with many."""

    __slots__ = ("_grams", "_lead", "text")

    def __init__(self, text: Text) -> None:
        self.text = text
        self._grams = frozenset(text.grams.all)
        self._lead = frozenset(text.lead.all)

    def overlap(self, other: Text) -> Overlap:
        """How much the text and ``other`` share."""
        x, y = len(self._grams), len(other.grams.all)
        shared = len(self._grams.intersection(other.grams.all))
        lead = None
        if self._lead and other.lead.all:
            both = len(self._lead.intersection(other.lead.all))
            lead = both / (len(self._lead) + len(other.lead.all) - both)
        return Overlap(shared / ((x + y - shared) or 1), shared / (min(x, y) or 1), lead)

    def is_far(self, other: Text, limits: Limits) -> bool:
        """Whether their `overlap` is surely one that `is_apart`; quick, and often undecided."""
        mine, its = self.text.grams, other.grams
        least = min(len(mine.all), len(its.all)) or 1
        if most_shared(mine, its) / least >= limits.event_title:
            return False
        mine, its = self.text.lead, other.lead
        if not mine.all or not its.all:
            return True
        both = most_shared(mine, its)
        return both / (len(mine.all) + len(its.all) - both) < limits.event_lead


def overlap(a: Text, b: Text) -> Overlap:
    """How much ``a`` and ``b`` share."""
    return Probe(a).overlap(b)


_CLAUSE_CHARS: Final = 7
"""A clause shorter than this is a name or a rubric, which independent reports share."""
_FIRST_CLAUSE_CHARS: Final = 10
_MOVED_CHARS: Final = 10
_WITHIN_CHARS: Final = {Script.KANA: 11, Script.HAN: 14, Script.OTHER: 28}
"""A whole headline of this length inside another one is that headline with something added."""
_CLAUSE_HOURS: Final = 30.0
"""After a day the same clause is tomorrow's edition of a column, not a longer form of one text."""
_EQUAL_CHARS: Final = {Script.KANA: 8, Script.HAN: 8, Script.OTHER: 20}
"""Titles shorter than this are equal by chance or by rubric."""
_RUBRIC_HOURS: Final = 12.0
"""Equal titles of one owner at two addresses further apart are a bulletin's next issue."""
_RUBRIC_CHARS: Final = 14
_RUBRIC_REST: Final = 0.4
_FORM_SHARE: Final = 0.5
_FORM_CHARS: Final = 12


def compare(
    a: Text, b: Text, relation: Relation, shared: Overlap, limits: Limits = LIMITS
) -> Likeness:
    """What ``a`` and ``b`` are to each other, sharing as much as `overlap` says. Symmetric."""
    if relation.same_url and (relation.same_owner or not is_apart(shared, limits)):
        # Another's address under other words is a claim: it must not swallow the other's report.
        return Likeness.REPRINT if not _other_day(a, b) else Likeness.NONE
    one_text = _edited if relation.same_owner else _copied
    if one_text(a, b, relation, shared, limits):
        return Likeness.POSSIBLE if _vetoed(a, b, relation) else Likeness.REPRINT
    event = (
        shared.jaccard >= limits.event_title and shared.contained >= limits.event_contained
    ) or (
        shared.lead is not None
        and shared.lead >= limits.event_lead
        and shared.contained >= limits.event_title
    )
    if not event:
        return Likeness.NONE
    near = shared.contained >= limits.wire_contained or shared.jaccard >= limits.wire_title
    if near and not _vetoed(a, b, relation):
        return Likeness.POSSIBLE
    return Likeness.NONE if _other_day(a, b) else Likeness.EVENT


def is_apart(shared: Overlap, limits: Limits = LIMITS) -> bool:
    """Whether `compare` can only say `Likeness.NONE`, unless at one address of one owner."""
    return shared.contained < limits.event_title and (
        shared.lead is None or shared.lead < limits.event_lead
    )


def _edited(a: Text, b: Text, relation: Relation, shared: Overlap, limits: Limits) -> bool:
    """Whether one outlet told one text twice: with another headline, or at another address."""
    lead = shared.lead
    if lead is not None:
        later = relation.hours > _RUBRIC_HOURS
        least = limits.own_lead_title_later if later else limits.own_lead_title
        return lead >= limits.own_lead and shared.jaccard >= least
    if min(len(a.title), len(b.title)) < _EQUAL_CHARS[a.script]:
        return False
    if a.title == b.title:
        return relation.hours <= _RUBRIC_HOURS
    if relation.hours > _CLAUSE_HOURS or _same_rubric(a, b) or is_form(a, b):
        return False
    least = limits.own_title_latin if a.script is Script.OTHER else limits.own_title
    return shared.jaccard >= least and shared.contained >= limits.own_contained


def _copied(a: Text, b: Text, relation: Relation, shared: Overlap, limits: Limits) -> bool:
    """Whether two outlets ran one text."""
    jaccard, lead = shared.jaccard, shared.lead
    if a.title == b.title and len(a.title) >= _EQUAL_CHARS[a.script]:
        return True
    if lead is not None:
        if lead >= limits.lead:
            return True
        return lead >= limits.lead_denies and jaccard >= limits.title
    if jaccard >= (limits.title_kana if a.script is Script.KANA else limits.title):
        return True
    if relation.hours > _CLAUSE_HOURS:
        return False
    short = _shortened(a, b)
    if (short and a.script is not Script.OTHER) or (
        jaccard >= limits.moved_title and _reordered(a, b)
    ):
        return True
    return relation.wire >= limits.wire and (
        short
        or jaccard >= limits.wire_title
        or shared.contained >= limits.wire_contained
        or _same_opening(a, b)
    )


def _shortened(a: Text, b: Text) -> bool:
    """Whether one headline is the other cut at a clause's end, or with something put around it."""
    short, long = (a, b) if len(a.title) <= len(b.title) else (b, a)
    if len(short.title) >= _WITHIN_CHARS[short.script] and short.title in long.title:
        return True
    if len(short.title) < _CLAUSE_CHARS or not long.title.startswith(short.title):
        return False
    return short.cut_off or _ends_clause(long, len(short.title))


def _same_opening(a: Text, b: Text) -> bool:
    """Whether both begin with the same clause: between clients of one agency, that agency's.

    Between others it is the event's name, which every headline of the day begins with.
    """
    return len(a.clauses[0]) >= _FIRST_CLAUSE_CHARS and a.clauses[0] == b.clauses[0]


def _same_rubric(a: Text, b: Text) -> bool:
    """Whether one outlet put two texts under one opening, as bulletins and columns have it."""
    if a.clauses[0] != b.clauses[0] or min(len(a.clauses), len(b.clauses)) < 2:
        return False
    x, y = (_pairs("".join(t.clauses[1:])) for t in (a, b))
    return len(x & y) < _RUBRIC_REST * len(x | y)


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(max(len(text) - 1, 1))}


def _reordered(a: Text, b: Text) -> bool:
    """Whether a long clause stands word for word in both, at another place."""
    place = {clause: n for n, clause in enumerate(a.clauses)}
    return any(
        len(clause) >= _MOVED_CHARS and place.get(clause, n) != n
        for n, clause in enumerate(b.clauses)
    )


def _ends_clause(text: Text, length: int) -> bool:
    end = 0
    for clause in text.clauses:
        end += len(clause)
        if end >= length:
            return end == length
    return False


def _vetoed(a: Text, b: Text, relation: Relation) -> bool:
    """Whether details say that these are two texts however alike: other numbers, days or titles."""
    if a.numbers and b.numbers and not (a.numbers <= b.numbers or b.numbers <= a.numbers):
        return True
    if _other_day(a, b):
        return True
    return relation.same_owner and bool(a.quoted and b.quoted) and not (a.quoted & b.quoted)


def _other_day(a: Text, b: Text) -> bool:
    return bool(a.dates and b.dates) and not (a.dates <= b.dates or b.dates <= a.dates)


def is_form(a: Text, b: Text) -> bool:
    """Whether the titles are one form filled in twice: one stretch replaced, the rest equal.

    Bulletins are: another place, another guest. A long title without numbers is no form; there the
    desk put one word for another.
    """
    x, y = a.title, b.title
    most = min(len(x), len(y))
    head = 0
    while head < most and x[head] == y[head]:
        head += 1
    tail = 0
    while tail < most - head and x[-1 - tail] == y[-1 - tail]:
        tail += 1
    x, y = x[head : len(x) - tail], y[head : len(y) - tail]
    if not x or not y or head + tail < _FORM_SHARE * (head + tail + max(len(x), len(y))):
        return False
    if a.script is Script.OTHER:
        return not {x[i : i + 3] for i in range(len(x) - 2)} & {
            y[i : i + 3] for i in range(len(y) - 2)
        }
    short = head + tail <= _FORM_CHARS or bool(a.numbers & b.numbers)
    return short and not set(x) & set(y)


def denies(a: Text, b: Text, relation: Relation) -> bool:
    """Whether the two cannot be one text, however they came to be compared."""
    if relation.same_url:
        return _other_day(a, b)
    if _vetoed(a, b, relation):
        return True
    if not relation.same_owner:
        return min(len(a.title), len(b.title)) < _RUBRIC_CHARS and relation.hours > _CLAUSE_HOURS
    return is_form(a, b) or (a.title == b.title and relation.hours > _RUBRIC_HOURS)
