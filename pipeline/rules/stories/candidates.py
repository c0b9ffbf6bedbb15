"""Which texts of the window are worth comparing with a text: those that share its rare grams.

What one text costs is bounded, however many others share its words: so many postings are read, so
much of them, and so many texts are compared.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Final, TypeAlias

import numpy as np

from pipeline.rules.stories.grams import Grams
from pipeline.rules.stories.normalise import Text

_RAREST: Final = 14
"""Grams of a title that are looked up, the rarest: two titles alike enough to matter share some."""
_CANDIDATES: Final = 48
"""Texts compared in full, those first that share most rare grams."""
_READ: Final = 16_384
"""Places of postings that are read for one text. News needs fewer: on two months of it half of the
texts read under a hundred, and none more than 3,500."""
_FEW: Final = 4
"""A title of fewer grams has none to spare: one that is shared suffices."""

Posting: TypeAlias = "array[int]"
"""The slots at which a gram stands, ascending: 8 bytes each, and joined without a loop."""
_SLOT: Final = "q"


class Candidates:
    """The grams of the texts in the window, title and lead apart."""

    def __init__(self) -> None:
        self._titles: dict[str, Posting] = {}
        self._leads: dict[str, Posting] = {}

    def add(self, slot: int, text: Text) -> None:
        """Remember ``text``; ``slot`` is higher than any before."""
        for index, grams in ((self._titles, text.grams), (self._leads, text.lead)):
            for gram, posting in zip(grams.all, map(index.get, grams.all), strict=True):
                if posting is None:
                    index[gram] = array(_SLOT, (slot,))
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

    def is_empty(self) -> bool:
        """Whether no gram of any text is left."""
        return not self._titles and not self._leads

    def of(self, text: Text) -> list[int]:
        """The slots of the few texts that share most of its rare grams, ascending.

        Of those that share equally many the youngest.
        """
        postings = _rarest(self._titles, text.grams) + _rarest(self._leads, text.lead)
        if not postings:
            return []
        places = np.frombuffer(b"".join(_within(postings)), np.int64)
        oldest = int(places.min())
        counts = np.bincount(places - oldest)
        slots = np.flatnonzero(counts >= (1 if len(text.grams) < _FEW else 2))
        if len(slots) > _CANDIDATES:
            rank = counts[slots] * len(counts) + slots
            slots = slots[np.argpartition(rank, -_CANDIDATES)[-_CANDIDATES:]]
            slots.sort()
        found: list[int] = (slots + oldest).tolist()
        return found


def _rarest(index: dict[str, Posting], grams: Grams) -> list[Posting]:
    postings = list(map(index.get, grams.all))
    sizes = sorted(map(len, filter(None, postings)))
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


def _within(postings: list[Posting]) -> list[Posting]:
    """The postings, cut to their youngest places where all together are more than `_READ`.

    Each may take an equal share of what the rarer ones left, so that rare grams count in full.
    """
    left = _READ
    if sum(map(len, postings)) <= left:
        return postings
    cut: list[Posting] = []
    for n, posting in enumerate(sorted(postings, key=len)):
        part = posting[-(left // (len(postings) - n)) :]
        left -= len(part)
        cut.append(part)
    return cut
