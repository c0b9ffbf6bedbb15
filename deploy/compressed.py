"""Files that are plain or Zstandard, told apart by their first bytes and not by their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

import zstandard

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_CHUNK: Final = 256 * 1024
_WINDOW: Final = 2**31
"""The largest Zstandard window that is taken: archives are made with ``--long``."""


class Peekable(Protocol):
    """What ``open(path, "rb")`` gives."""

    def peek(self, size: int = ..., /) -> bytes:
        """Bytes that the next `read` begins with."""

    def read(self, size: int = ..., /) -> bytes:
        """At most so many bytes; empty at the end."""


def plain_chunks(file: Peekable) -> Iterator[bytes]:
    """The file's bytes in pieces; Zstandard is decompressed, of any number of frames.

    Raises:
        EOFError: the compressed data ends within a frame; all before it was given.
        zstandard.ZstdError: it is damaged.
    """
    if file.peek(len(_MAGIC))[: len(_MAGIC)] != _MAGIC:
        while data := file.read(_CHUNK):
            yield data
        return
    zstd = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    frame = None
    while data := file.read(_CHUNK):
        while data:
            if frame is None:
                frame = zstd.decompressobj()
            yield frame.decompress(data)
            data = frame.unused_data
            if frame.eof:
                frame = None
    if frame is not None:
        raise EOFError("cut off in its Zstandard data")
