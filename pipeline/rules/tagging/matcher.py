"""Finds the terms of all topics in one pass: Aho-Corasick over the folded text.

Two automata. The first has only what can lead to a topic and says which sets may be present; most
articles end there. The second has every term and gives each hit its place, once the language is
known.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate
from typing import Final, NamedTuple

import ahocorasick_rs

from pipeline.contracts.records import Lang
from pipeline.rules.tagging.topic_model import Term
from pipeline.rules.text import Text, fold_term, is_katakana, is_latin

_LANGUAGES: Final[dict[str, frozenset[Lang]]] = {
    "any": frozenset(Lang),
    # A text of another language in Latin script still names things in English.
    "en": frozenset({Lang.EN, Lang.OTHER}),
    "ja": frozenset({Lang.JA}),
    "zh": frozenset({Lang.ZH_HANS, Lang.ZH_HANT}),
    "zh-Hans": frozenset({Lang.ZH_HANS}),
    "zh-Hant": frozenset({Lang.ZH_HANT}),
}


class _Edge(IntEnum):
    """What must not stand next to a term."""

    FREE = 0
    LATIN = 1
    KATAKANA = 2


class Hit(NamedTuple):
    """A term in a text; a tuple, because an article may have hundreds."""

    start: int
    end: int
    term: str
    sets: int
    """One bit for each set that has the term."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a pattern stands for."""

    term: str
    sets: int
    masks: bool
    languages: frozenset[Lang]
    capitals: bool
    left: _Edge
    right: _Edge
    pad_left: int
    pad_right: int


class Matcher:
    """The terms of all sets; a set is a bit.

    Args:
        sets: the terms of each bit, from bit 0 on.
        masks: terms that hide every shorter hit inside them.
        leading: the bits that can lead to a topic: what `screen` looks for.
    """

    def __init__(self, sets: Iterable[Iterable[Term]], masks: Iterable[Term], leading: int) -> None:
        groups: dict[str, dict[tuple[object, ...], _Entry]] = {}
        for bit, terms in enumerate(sets):
            for term in terms:
                _add(groups, _entry(term, 1 << bit, masks=False), term)
        for term in masks:
            _add(groups, _entry(term, 0, masks=True), term)
        patterns = list(groups)
        self._entries = [tuple(groups[pattern].values()) for pattern in patterns]
        self._by_language: dict[Lang, list[tuple[_Entry, ...]]] = {}
        self._all = _automaton(patterns)
        leads = [
            (pattern, bits)
            for pattern, entries in zip(patterns, self._entries, strict=True)
            if (bits := _union(entries) & leading)
        ]
        self._lead_bits = [bits for _, bits in leads]
        self._leading = _automaton([pattern for pattern, _ in leads])

    def screen(self, folded: str) -> int:
        """The leading sets that may be present: none is missed, some may not bear a closer look."""
        found = 0
        bits = self._lead_bits
        for pattern, _, _ in self._leading.find_matches_as_indexes(folded, overlapping=True):
            found |= bits[pattern]
        return found

    def hits(self, text: Text, language: Lang) -> list[Hit]:
        """Every term that stands in the text in that language, in order; masked ones left out."""
        hits: list[Hit] = []
        masks: list[tuple[int, int]] = []
        folded, original = text.folded, text.original
        entries = self._of(language)
        for pattern, start, end in self._all.find_matches_as_indexes(folded, overlapping=True):
            for entry in entries[pattern]:
                a, b = start + entry.pad_left, end - entry.pad_right
                if entry.capitals and not original[a:b].isupper():
                    continue
                if entry.left and _touches(entry.left, folded[a - 1]):
                    continue
                if entry.right and _touches(entry.right, folded[b]):
                    continue
                if entry.masks:
                    masks.append((a, b))
                if entry.sets:
                    hits.append(Hit(a, b, entry.term, entry.sets))
        if masks:
            cover = Cover(masks)
            hits = [hit for hit in hits if not cover.hides(hit.start, hit.end)]
        return hits

    def _of(self, language: Lang) -> list[tuple[_Entry, ...]]:
        """The entries of each pattern that count in a language."""
        found = self._by_language.get(language)
        if found is None:
            found = [
                tuple(entry for entry in entries if language in entry.languages)
                for entries in self._entries
            ]
            self._by_language[language] = found
        return found


class Cover:
    """What masks hide: every span inside a longer one.

    Masks are sorted by start, each with the furthest end so far, so a question is two binary
    searches: a text of nothing but masked words costs no more for each word than a short one.
    """

    def __init__(self, masks: list[tuple[int, int]]) -> None:
        masks = sorted(masks)
        self._starts = [start for start, _ in masks]
        self._reach = list(accumulate((end for _, end in masks), max))

    def hides(self, start: int, end: int) -> bool:
        """Whether a mask that is longer than the span holds it."""
        before = bisect_left(self._starts, start)
        if before and self._reach[before - 1] >= end:
            return True
        upto = bisect_right(self._starts, start)
        return upto > 0 and self._reach[upto - 1] > end


def _touches(edge: _Edge, neighbour: str) -> bool:
    return is_latin(neighbour) if edge is _Edge.LATIN else is_katakana(neighbour)


def _union(entries: Iterable[_Entry]) -> int:
    bits = 0
    for entry in entries:
        bits |= entry.sets
    return bits


def _automaton(patterns: list[str]) -> ahocorasick_rs.AhoCorasick:
    return ahocorasick_rs.AhoCorasick(
        patterns,
        store_patterns=False,
        implementation=ahocorasick_rs.Implementation.ContiguousNFA,
    )


def _add(groups: dict[str, dict[tuple[object, ...], _Entry]], entry: _Entry, term: Term) -> None:
    pattern = _pattern(term)
    same = groups.setdefault(pattern, {})
    key = (entry.languages, entry.capitals, entry.left, entry.right, entry.masks)
    before = same.get(key)
    if before is not None:
        entry = _Entry(
            before.term,
            before.sets | entry.sets,
            entry.masks,
            entry.languages,
            entry.capitals,
            entry.left,
            entry.right,
            entry.pad_left,
            entry.pad_right,
        )
    same[key] = entry


def _pattern(term: Term) -> str:
    left, bare, right = _parts(term)
    spaced = term.language == "en"
    return (
        (" " if spaced and left is _Edge.LATIN else "")
        + fold_term(bare)
        + (" " if spaced and right is _Edge.LATIN else "")
    )


def _entry(term: Term, sets: int, masks: bool) -> _Entry:
    left, bare, right = _parts(term)
    # English words stand between spaces, and the automaton sees to it. Inside Japanese and Chinese
    # a Latin word touches letters of another script: only then its neighbours are looked at.
    spaced = term.language == "en"
    return _Entry(
        term=term.text,
        sets=sets,
        masks=masks,
        languages=_LANGUAGES[term.language],
        capitals=bare.isascii() and bare.isupper(),
        left=_Edge.FREE if spaced and left is _Edge.LATIN else left,
        right=_Edge.FREE if spaced and right is _Edge.LATIN else right,
        pad_left=int(spaced and left is _Edge.LATIN),
        pad_right=int(spaced and right is _Edge.LATIN),
    )


def _parts(term: Term) -> tuple[_Edge, str, _Edge]:
    bare = term.text.strip("*")
    folded = fold_term(bare)
    left = _Edge.FREE if term.text.startswith("*") else _edge(folded[0])
    right = _Edge.FREE if term.text.endswith("*") else _edge(folded[-1])
    return left, bare, right


def _edge(char: str) -> _Edge:
    if is_latin(char):
        return _Edge.LATIN
    return _Edge.KATAKANA if is_katakana(char) else _Edge.FREE
