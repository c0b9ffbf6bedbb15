"""Coders for what the engine keeps of a source: bytes that begin with a version."""

from __future__ import annotations

import struct
from typing import Final

from apache_beam.coders import Coder
from apache_beam.io.restriction_trackers import OffsetRange

from pipeline.contracts.errors import StateVersionError

_VERSION: Final = 1
_RANGE: Final = struct.Struct(">BQQ")


class OffsetRangeCoder(Coder):
    """An `OffsetRange` in 17 bytes."""

    def encode(self, value: OffsetRange) -> bytes:
        """Its version, start and stop."""
        return _RANGE.pack(_VERSION, value.start, value.stop)

    def decode(self, encoded: bytes) -> OffsetRange:
        """What `encode` made.

        Raises:
            StateVersionError: another program wrote it.
        """
        version, start, stop = _RANGE.unpack(encoded)
        if version != _VERSION:
            raise StateVersionError("a source's place", f"{version}, read is {_VERSION}")
        return OffsetRange(start, stop)

    def is_deterministic(self) -> bool:
        """Equal ranges give equal bytes."""
        return True
