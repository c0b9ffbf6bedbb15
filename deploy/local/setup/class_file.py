"""What the mends of the engine's classes share: `Patch`, and the constants of a class file."""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.errors import Fault

_WIDE: Final = frozenset({5, 6})
_SIZES: Final = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 16: 2, 19: 2, 20: 2, 15: 3} | dict.fromkeys(
    (9, 10, 11, 12, 17, 18), 4
)
"""Bytes of a constant after its tag (JVM specification, 4.4)."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A mend of one class of one jar; checksums say that exactly this and nothing else happened."""

    jar: str
    """``group:artifact:version``."""
    member: str
    """The class in it."""
    before: str
    """SHA-256 of the class that was studied."""
    after: str
    """SHA-256 of the mended class."""
    mend: Callable[[bytes], bytes]

    def mended(self, jar: Path) -> bytes:
        """The class as it is in the file ``jar``, mended.

        Raises:
            Fault: the jar holds another class than the one that was studied, or is damaged.
        """
        try:
            with zipfile.ZipFile(jar) as archive:
                code = archive.read(self.member)
        except (zipfile.BadZipFile, zlib.error, EOFError) as e:
            raise Fault(f"{jar} is damaged: remove it and run ./run.sh install") from e
        if hashlib.sha256(code).hexdigest() == self.before:
            mended = self.mend(code)
            if hashlib.sha256(mended).hexdigest() == self.after:
                return mended
        raise Fault(
            f"{jar.name} is not the one that {self.mend.__module__} mends: fit it to the new jars"
        )


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
