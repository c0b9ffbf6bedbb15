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

from pipeline.rules.stories_normalise import Text


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
    """How readily these two owners run one text, 0 to 1 (`stories_wires`)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Thresholds of overlap, from 0 to 1; measured, not felt (deploy/decisions/0007-stories.md)."""

    title: float = 0.85
    """Jaccard of the titles: one text, between outlets that need share nothing."""
    lead: float = 0.57
    """Jaccard of the leads: the first sentence was kept."""
    lead_denies: float = 0.15
    """Two leads less alike than this are two texts, unless the titles are equal."""
    wire_title: float = 0.6
    """Jaccard of the titles, between owners known to share a wire."""
    wire_clause: float = 0.8
    """Containment, between the same."""
    own_title: float = 0.38
    """Jaccard of the titles, within one owner: an edited headline."""
    own_contained: float = 0.62
    """Containment, within one owner; both must hold."""
    own_lead: float = 0.6
    event_title: float = 0.3
    event_contained: float = 0.5
    event_lead: float = 0.3


LIMITS: Final = Limits()

WIRE: Final = 0.2
"""Owners whose `Relation.wire` is above this share a wire."""

_CLAUSE_CHARS: Final = 7
"""A clause shorter than this is a name or a rubric, which independent reports share."""
_CLAUSE_HOURS: Final = 30.0
"""After a day the same clause is tomorrow's edition of a column, not a longer form of one text."""
_EQUAL_CHARS: Final = 8
"""Titles shorter than this are equal by chance or by rubric."""
_RUBRIC_HOURS: Final = 12.0
"""Equal titles of one owner at two addresses further apart are a bulletin's next issue."""
_TEMPLATE_SHARE: Final = 0.55


def compare(a: Text, b: Text, relation: Relation, limits: Limits = LIMITS) -> Likeness:
    """What ``a`` and ``b`` are to each other. Symmetric."""
    if relation.same_url:
        return Likeness.REPRINT if not _other_day(a, b) else Likeness.NONE
    shared = len(a.grams & b.grams)
    jaccard = shared / ((len(a.grams) + len(b.grams) - shared) or 1)
    contained = shared / (min(len(a.grams), len(b.grams)) or 1)
    lead = _lead(a, b)
    if _one_text(a, b, relation, jaccard, contained, lead, limits):
        return Likeness.POSSIBLE if _vetoed(a, b, relation) else Likeness.REPRINT
    event = (jaccard >= limits.event_title and contained >= limits.event_contained) or (
        lead is not None and lead >= limits.event_lead and contained >= limits.event_title
    )
    if not event:
        return Likeness.NONE
    near = contained >= limits.wire_clause or jaccard >= limits.wire_title
    if near and not _vetoed(a, b, relation):
        return Likeness.POSSIBLE
    return Likeness.NONE if _other_day(a, b) else Likeness.EVENT


def _one_text(
    a: Text,
    b: Text,
    relation: Relation,
    jaccard: float,
    contained: float,
    lead: float | None,
    limits: Limits,
) -> bool:
    if a.title == b.title and len(a.title) >= _EQUAL_CHARS:
        return not relation.same_owner or relation.hours <= _RUBRIC_HOURS or lead == 1.0
    if relation.same_owner:
        edited = jaccard >= limits.own_title and contained >= limits.own_contained
        return edited and (lead is None or lead >= limits.own_lead) and not _template(a, b)
    if lead is not None:
        if lead >= limits.lead:
            return True
        if lead < limits.lead_denies:
            return False
    if jaccard >= limits.title:
        return True
    if lead is not None:
        return False
    if _clause_of(a, b) and relation.hours <= _CLAUSE_HOURS:
        return True
    return relation.wire >= WIRE and (
        jaccard >= limits.wire_title or (contained >= limits.wire_clause)
    )


def _lead(a: Text, b: Text) -> float | None:
    if not a.lead or not b.lead:
        return None
    shared = len(a.lead & b.lead)
    return shared / (len(a.lead) + len(b.lead) - shared)


def _clause_of(a: Text, b: Text) -> bool:
    """Whether one headline is the other cut at a clause, or both begin with the same clause."""
    short, long = (a, b) if len(a.title) <= len(b.title) else (b, a)
    if len(short.title) >= _CLAUSE_CHARS and long.title.startswith(short.title):
        return short.cut_off or _ends_clause(long, len(short.title))
    first = a.clauses[0]
    return len(first) >= _CLAUSE_CHARS + 3 and first == b.clauses[0]


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


def _template(a: Text, b: Text) -> bool:
    """Whether the titles are one form filled in twice: one stretch replaced, the rest equal."""
    x, y = a.title, b.title
    most = min(len(x), len(y))
    head = 0
    while head < most and x[head] == y[head]:
        head += 1
    tail = 0
    while tail < most - head and x[-1 - tail] == y[-1 - tail]:
        tail += 1
    replaced = head + tail < len(x) and head + tail < len(y)
    return replaced and head + tail >= _TEMPLATE_SHARE * max(len(x), len(y))
