"""What a topic file says, once it has been read: terms, sets, routes, levels, examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

LANGUAGES: Final = ("any", "en", "ja", "zh", "zh-Hans", "zh-Hant")
"""Keys for terms. ``any`` is for every language, ``zh`` for both scripts."""

MAX_WEIGHT: Final = 5.0
LEVELS: Final = (0, 1, 2, 3)
ALERTS_A_MONTH: Final = (0.5, 15.0)
"""Least and most that a topic may ask for: beyond them the threshold means nothing any more."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a topic file."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class TopicFileError(ValueError):
    """Topic files that cannot be used; ``faults`` has all that is wrong, in order."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))

    def __reduce__(self) -> tuple[type[TopicFileError], tuple[tuple[Fault, ...]]]:
        return TopicFileError, (self.faults,)


@dataclass(frozen=True, slots=True)
class Term:
    """One term as the file writes it; ``*`` at an end leaves the word open there."""

    text: str
    language: str


@dataclass(frozen=True, slots=True)
class TermSet:
    """Terms that mean the same to the rules."""

    name: str
    terms: tuple[Term, ...]
    weight: float
    """What one of its terms adds by itself; 0 when it only serves routes."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Which sets must meet, and where; all parts that are given must hold."""

    all: tuple[str, ...]
    """Each of these in one sentence (the title is one)."""
    any: tuple[str, ...]
    """At least one of these in the same sentence."""
    none: tuple[str, ...]
    """None of these in the same sentence."""
    elsewhere: tuple[str, ...]
    """Each of these anywhere in the text."""
    nowhere: tuple[str, ...]
    """None of these anywhere in the text."""
    title: bool
    """Only the title counts."""
    within: int | None
    """The terms of `all` stand within so many characters; None: anywhere in the sentence."""
    languages: tuple[str, ...]
    """Only in texts of these languages; empty: in all."""


@dataclass(frozen=True, slots=True)
class Route:
    """One way to (or, with a negative weight, away from) a topic."""

    name: str
    weight: float
    when: Condition


@dataclass(frozen=True, slots=True)
class Escalation:
    """A level that a sentence of the topic reports when the condition holds."""

    name: str
    level: int
    calms: bool
    """Not more than this level, whatever else the sentence holds: a measure that is eased."""
    when: Condition


@dataclass(frozen=True, slots=True)
class Example:
    """A text that must, or must not, be tagged."""

    text: str
    tagged: bool
    escalation: int | None
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic file."""

    name: str
    title: str
    threshold: float
    sets: tuple[TermSet, ...]
    routes: tuple[Route, ...]
    escalations: tuple[Escalation, ...]
    examples: tuple[Example, ...]
    alerts_a_month: float | None = None
    """How often one is willing to be told in an ordinary month; None: the detector's default."""
