"""Content codings undone piece by piece, never past a limit: a bomb is stopped while it grows."""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from typing import Any, Final, Protocol

STEP: Final = 64 * 1024
"""Bytes that one step may give at most, so that the limit is never passed by more."""


class TooLargeError(Exception):
    """More bytes came out than the limit."""


class BadCodingError(Exception):
    """A coding that we do not know, more than one, or bytes that are not in the one declared."""


class Decoder(Protocol):
    """Undoes one coding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` adds to the plain bytes, in steps that take a fraction of a millisecond.

        To be read to its end before more is fed. Between two steps others may have their turn: a
        few bytes can become megabytes.

        Raises:
            TooLargeError: the plain bytes pass the limit.
            BadCodingError: ``data`` is not in the coding.
        """
        ...

    def finish(self) -> bytes:
        """What was held back; the end of the answer.

        Raises:
            BadCodingError: the coding's end is missing.
        """
        ...


def decoder_for(content_encoding: str, limit: int) -> Decoder:
    """A decoder for the value of a Content-Encoding header; ``limit`` bytes come out at most.

    Raises:
        BadCodingError: an unknown coding, or more than one: no feed comes so, but bombs do.
    """
    names = [n.strip().lower() for n in content_encoding.split(",")]
    codings = [n for n in names if n not in _NO_CODINGS]
    if not codings:
        return _Plain(limit)
    if len(codings) > 1:
        raise BadCodingError("more than one content coding")
    name = codings[0].removeprefix("x-")
    if name in ("gzip", "deflate"):
        return _Sniffed(name, limit)
    if name == "br":
        return _Brotli(limit)
    if name == "zstd":
        return _Zstd(limit)
    raise BadCodingError("a content coding that we do not know")


_NO_CODINGS: Final = frozenset(("", "identity", "none", "binary", "8bit", "utf-8"))
"""What servers write that mean no coding; the last are confused with other headers."""
ACCEPT_ENCODING: Final = "gzip, deflate, br, zstd"


_CUT_SHORT: Final = "the compressed body ends too early"
_NOT_IN_CODING: Final = "the body is not in the coding that it declares"
_GZIP: Final = b"\x1f\x8b"


class _Counter:
    MOST_PARTS: Final = 1_000
    """Members of gzip (RFC 1952, 2.2), frames of zstd: some tools write one for each 64 KiB."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self.parts = 0
        """Whole ones so far."""

    def end_part(self) -> None:
        self.parts += 1
        if self.parts > self.MOST_PARTS:
            raise BadCodingError("a compressed body in more parts than any feed has")

    def count(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise TooLargeError
        return data


class _Plain(_Counter):
    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self.count(data)

    def finish(self) -> bytes:
        return b""


class _Sniffed(_Counter):
    """gzip and deflate by what the bytes are: servers mix them up, or label plain text so."""

    def __init__(self, name: str, limit: int) -> None:
        super().__init__(limit)
        self._name = name
        self._head = b""
        """Too little to say what begins here."""
        self._zlib: zlib._Decompress | None = None
        """The part under way; None before the first and between two."""
        self._plain = False
        self._over = False
        """Only padding follows, and is dropped."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        data, self._head = self._head + data, b""
        while data and not self._over:
            if self._plain:
                yield self.count(data)
                return
            if self._zlib is None:
                if len(data) < len(_GZIP):
                    self._head = data
                    return
                self._begin(data)
                continue
            data = yield from self._inflate(self._zlib, data)

    def finish(self) -> bytes:
        if self._zlib is not None:
            raise BadCodingError(_CUT_SHORT)
        return b"" if self.parts else self.count(self._head)

    def _begin(self, data: bytes) -> None:
        if data.startswith(_GZIP):
            self._zlib = zlib.decompressobj(16 + zlib.MAX_WBITS)
        elif self.parts:
            self._over = True
        elif data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0:
            self._zlib = zlib.decompressobj()  # RFC 1950
        elif self._name == "deflate" and data.lstrip()[:1] not in (b"<", b"{"):
            # RFC 1951 alone, as old servers send it
            self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
        else:
            self._plain = True

    def _inflate(self, decoder: zlib._Decompress, data: bytes) -> Generator[bytes, None, bytes]:
        """What ``data`` gives; returns what is left of it when the part ends."""
        try:
            while not decoder.eof:
                step = self.count(decoder.decompress(data, STEP))
                yield step
                data = decoder.unconsumed_tail
                # Output may be pending when the input is used up.
                if not data and not step and not decoder.eof:
                    return b""
        except zlib.error as e:
            raise BadCodingError(_NOT_IN_CODING) from e
        self._zlib = None
        self.end_part()
        return decoder.unused_data


class _Brotli(_Counter):
    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        import brotli  # type: ignore[import-untyped]

        self._brotli = brotli.Decompressor()
        self._error = brotli.error

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            piece = self._brotli.process(data, output_buffer_limit=STEP)
            while piece or not self._brotli.can_accept_more_data():
                yield self.count(piece)
                piece = self._brotli.process(b"", output_buffer_limit=STEP)
        except self._error as e:
            raise BadCodingError(_NOT_IN_CODING) from e

    def finish(self) -> bytes:
        if not self._brotli.is_finished():
            raise BadCodingError(_CUT_SHORT)
        return b""


class _Zstd(_Counter):
    MAX_WINDOW: Final = (
        8 * 1024 * 1024
    )  # RFC 9659: what a decoder of the web must take, and no more
    SLICE: Final = 64
    """Bytes that go in at a time: a block of four bytes may give 128 KiB (RFC 8878, 3.1.1.2)."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        import zstandard

        self._error = zstandard.ZstdError
        self._new = zstandard.ZstdDecompressor(max_window_size=self.MAX_WINDOW).decompressobj
        self._zstd: Any = None
        """The frame under way; None between two."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            for n in range(0, len(data), self.SLICE):
                yield from self._frames(data[n : n + self.SLICE])
        except self._error as e:
            raise BadCodingError(_NOT_IN_CODING) from e

    def finish(self) -> bytes:
        if self._zstd is not None:
            raise BadCodingError(_CUT_SHORT)
        return b""

    def _frames(self, piece: bytes) -> Iterator[bytes]:
        while piece:
            if self._zstd is None:
                self._zstd = self._new()
            yield self.count(self._zstd.decompress(piece))
            if not self._zstd.eof:
                return
            piece, self._zstd = self._zstd.unused_data, None
            self.end_part()
