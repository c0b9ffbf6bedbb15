"""Records as a log holds them: what sources hand to the pipeline, and it to the sinks."""

from __future__ import annotations

from typing import NamedTuple


class RawRecord(NamedTuple):
    """One record of one partition."""

    offset: int
    append_ms: int
    """When the broker appended it: milliseconds since 1970, UTC."""
    value: bytes | None


class RawBatch(NamedTuple):
    """Records of one partition in the order of their offsets; never empty.

    Sources hand over batches because an element costs an engine more than a record costs us.
    """

    topic: str
    partition: int
    records: tuple[RawRecord, ...]


class Keyed(NamedTuple):
    """A record on its way to a topic: its key and its bytes."""

    key: str
    value: bytes
