"""The grams of a text: the pieces of two or three letters by which texts are told apart.

Most texts that share a rare piece are not alike, and counting what two texts share costs
microseconds for each of dozens. So each set of grams carries a mask (a Bloom filter of one hash),
which gives a bound on what two sets share in a tenth of that time.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import add
from sys import intern
from typing import Final

_BITS: Final = 1024
"""Of a mask, a power of two: for two leads of 170 grams the bound is some forty too high."""
_BIT: Final = tuple(1 << n for n in range(_BITS))


@dataclass(frozen=True, slots=True)
class Grams:
    """The distinct grams of a text, in the order in which they come."""

    all: tuple[str, ...]
    """Interned: the same few thousand strings make up all texts of a window."""
    mask: int
    """A bit for each; which one differs from process to process, and nothing depends on it."""
    hidden: int
    """Grams whose bit another one has already."""

    def __len__(self) -> int:
        """How many."""
        return len(self.all)


NO_GRAMS: Final = Grams((), 0, 0)


def grams_of(letters: str, width: int) -> Grams:
    """All pieces of ``width`` letters, 2 or 3; a text no longer than that is one piece."""
    if len(letters) <= width:
        pieces = (letters,) if letters else ()
    else:
        pairs = map(add, letters, letters[1:])
        pieces = tuple(dict.fromkeys(pairs if width == 2 else map(add, pairs, letters[2:])))
    if not pieces:
        return NO_GRAMS
    mask = 0
    for place in map(hash, pieces):
        mask |= _BIT[place & (_BITS - 1)]
    return Grams(tuple(map(intern, pieces)), mask, len(pieces) - mask.bit_count())


def most_shared(a: Grams, b: Grams) -> int:
    """How many grams ``a`` and ``b`` share at most, and no more than either has."""
    bits = (a.mask & b.mask).bit_count()
    hidden = a.hidden if a.hidden < b.hidden else b.hidden  # noqa: FURB136 - a call costs the rest
    return bits + hidden
