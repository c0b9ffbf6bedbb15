"""What travels between our own steps inside the engine: bytes that begin with a version.

Between steps an engine stores elements in its checkpoints too, so they are bytes of ours and never
pickled classes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from pipeline.contracts.errors import StateVersionError

VERSION: Final = 1

OFF_TOPIC: Final = 0
ON_TOPIC: Final = 1
DEAD: Final = 2

ARTICLE: Final = b"a"
STATUS: Final = b"s"

ROW: Final = struct.Struct("<QqB16sIq")
_HEADER: Final = struct.Struct("<BI")
_LENGTH: Final = struct.Struct("<I")
_PLACED: Final = struct.Struct(">BqIQ")


class Row(NamedTuple):
    """What is left of one record when it was decoded and tagged; 45 bytes."""

    offset: int
    append_ms: int
    kind: int
    key: bytes
    """Digest of the article id; zeros for a dead letter."""
    revision: int
    seen_us: int


def pack_batch(rows: Iterable[bytes], count: int, payloads: Iterable[bytes]) -> bytes:
    """One batch: its rows as `ROW` packs them, then the payloads of those on topic, in order."""
    parts = [_HEADER.pack(VERSION, count), *rows]
    for payload in payloads:
        parts += (_LENGTH.pack(len(payload)), payload)
    return b"".join(parts)


def unpack_batch(data: bytes) -> tuple[list[tuple[int, int, int, bytes, int, int]], list[bytes]]:
    """The rows (fields as in `Row`) and the payloads of `pack_batch`.

    Raises:
        StateVersionError: another program packed it.
    """
    version, count = _HEADER.unpack_from(data)
    if version != VERSION:
        raise StateVersionError("a batch on its way", f"{version}, read is {VERSION}")
    end = _HEADER.size + count * ROW.size
    rows = list(ROW.iter_unpack(memoryview(data)[_HEADER.size : end]))
    payloads = []
    while end < len(data):
        (length,) = _LENGTH.unpack_from(data, end)
        end += _LENGTH.size
        payloads.append(data[end : end + length])
        end += length
    return rows, payloads


def pack_payload(shard: str, article: bytes) -> bytes:
    """An article on topic, its shard in front so that nobody decodes it to find its way."""
    return shard.encode("ascii") + b"\0" + article


def unpack_payload(data: bytes) -> tuple[str, bytes]:
    """What `pack_payload` packed."""
    shard, _, article = data.partition(b"\0")
    return shard.decode("ascii"), article


@dataclass(frozen=True, slots=True, order=True)
class Placed:
    """A record with its place on the seen clock; sorts by time, then place, then content."""

    time_ms: int
    partition: int
    offset: int
    value: bytes
    """Its kind, one byte (`ARTICLE`, `STATUS`), and the record's JSON."""

    def pack(self) -> bytes:
        """Bytes that sort as the record does."""
        return _PLACED.pack(VERSION, self.time_ms, self.partition, self.offset) + self.value

    @classmethod
    def unpack(cls, data: bytes) -> Placed:
        """What `pack` packed.

        Raises:
            StateVersionError: another program packed it.
        """
        version, time_ms, partition, offset = _PLACED.unpack_from(data)
        if version != VERSION:
            raise StateVersionError("a record on its way", f"{version}, read is {VERSION}")
        return cls(time_ms, partition, offset, data[_PLACED.size :])


def stamp(time_ms: int) -> Timestamp:
    """Beam's form of a time in milliseconds since 1970."""
    return Timestamp(micros=time_ms * 1000)


def at(time_ms: int, value: Any) -> TimestampedValue[Any]:
    """``value`` with its event time."""
    return TimestampedValue(value, stamp(time_ms))
