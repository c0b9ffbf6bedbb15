"""Which texts of the window are worth comparing with a text: those that share its rare grams.

What one text costs is bounded, however many others share its words: so many postings are read, so
much of them, and so many texts are compared.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Final

from pipeline.rules.stories_grams import Grams
from pipeline.rules.stories_normalise import Text

_RAREST: Final = 14
"""Grams of a title that are looked up, the rarest: two titles alike enough to matter share some."""
_CANDIDATES: Final = 48
"""Texts compared in full, those first that share most rare grams."""
_READ: Final = 4096
"""Places of postings that are read for one text. News needs fewer: on two months of it half of the
texts read under a hundred, and none more than 3,500."""
_FEW: Final = 4
"""A title of fewer grams has none to spare: one that is shared suffices."""

Postings = dict[str, list[int]]
"""The slots at which a gram stands, ascending."""


class Candidates:
    """The grams of the texts in the window, title and lead apart."""

    def __init__(self) -> None:
        self._titles: Postings = {}
        self._leads: Postings = {}

    def add(self, slot: int, text: Text) -> None:
        """Remember ``text``; ``slot`` is higher than any before."""
        for index, grams in ((self._titles, text.grams), (self._leads, text.lead)):
            get = index.get
            for gram in grams.all:
                posting = get(gram)
                if posting is None:
                    index[gram] = [slot]
                else:
                    posting.append(slot)

    def remove(self, slot: int, text: Text) -> None:
        """Forget ``text``."""
        for index, grams in ((self._titles, text.grams), (self._leads, text.lead)):
            for gram in grams.all:
                posting = index[gram]
                # The oldest goes first, but for an edited article.
                place = 0 if posting[0] == slot else bisect_left(posting, slot)
                del posting[place]
                if not posting:
                    del index[gram]

    def of(self, text: Text) -> list[int]:
        """The slots of the few texts that share most of its rare grams, ascending."""
        postings = _rarest(self._titles, text.grams) + _rarest(self._leads, text.lead)
        shared = Counter(chain.from_iterable(_within(postings)))
        least = 1 if len(text.grams) < _FEW else 2
        if len(shared) > 2 * _CANDIDATES:
            least = max(least, _least_of_the_best(shared.values()))
        ranked = sorted([(n, slot) for slot, n in shared.items() if n >= least], reverse=True)
        return sorted([slot for _, slot in ranked[:_CANDIDATES]])


def _rarest(index: Postings, grams: Grams) -> list[list[int]]:
    postings = list(map(index.get, grams.all))
    sizes = sorted([len(p) for p in postings if p])
    if not sizes:
        return []
    most = sizes[:_RAREST][-1]
    found = [
        (len(posting), gram, posting)
        for gram, posting in zip(grams.all, postings, strict=True)
        if posting and len(posting) <= most
    ]
    found.sort()
    return [posting for _, _, posting in found[:_RAREST]]


def _within(postings: list[list[int]]) -> list[list[int]]:
    """The postings, cut to their youngest places where all together are more than `_READ`.

    Each may take an equal share of what the rarer ones left, so that rare grams count in full.
    """
    left = _READ
    if sum(map(len, postings)) <= left:
        return postings
    cut: list[list[int]] = []
    for n, posting in enumerate(sorted(postings, key=len)):
        part = posting[-(left // (len(postings) - n)) :]
        left -= len(part)
        cut.append(part)
    return cut


def _least_of_the_best(counts: Iterable[int]) -> int:
    """The count that the last of the `_CANDIDATES` highest has."""
    above = 0
    for count, times in sorted(Counter(counts).items(), reverse=True):
        above += times
        if above >= _CANDIDATES:
            return count
    return 0
