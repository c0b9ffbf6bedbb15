"""What the mends of the engine's classes share: the pool of constants of a class file."""

from __future__ import annotations

import struct
from typing import Final

_WIDE: Final = frozenset({5, 6})
_SIZES: Final = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 16: 2, 19: 2, 20: 2, 15: 3} | dict.fromkeys(
    (9, 10, 11, 12, 17, 18), 4
)
"""Bytes of a constant after its tag (JVM specification, 4.4)."""


def utf8(text: str) -> bytes:
    """A constant that holds a text in ASCII."""
    return struct.pack(">BH", 1, len(text)) + text.encode()


def end_of_pool(code: bytes, count: int) -> int:
    """Where the pool of ``count - 1`` constants ends; it begins at the tenth byte."""
    at, entry = 10, 1
    while entry < count:
        tag = code[at]
        size = 2 + int.from_bytes(code[at + 1 : at + 3]) if tag == 1 else _SIZES[tag]
        at += 1 + size
        entry += 2 if tag in _WIDE else 1
    return at
