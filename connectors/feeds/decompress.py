"""Content codings undone piece by piece, never past a limit: a bomb is stopped while it grows."""

from __future__ import annotations

import zlib
from typing import Final, Protocol

STEP: Final = 64 * 1024
"""Bytes that one step may give at most, so that the limit is never passed by more."""


class TooLargeError(Exception):
    """More bytes came out than the limit."""


class BadCodingError(Exception):
    """A coding that we do not know, more than one, or bytes that are not in the one declared."""


class Decoder(Protocol):
    """Undoes one coding."""

    def feed(self, data: bytes) -> bytes:
        """What ``data`` adds to the plain bytes.

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
    codings = [n for n in names if n and n != "identity"]
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


ACCEPT_ENCODING: Final = "gzip, deflate, br, zstd"


class _Counter:
    def __init__(self, limit: int) -> None:
        self._left = limit

    def count(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise TooLargeError
        return data


class _Plain(_Counter):
    def feed(self, data: bytes) -> bytes:
        return self.count(data)

    def finish(self) -> bytes:
        return b""


class _Sniffed(_Counter):
    """gzip and deflate by what the bytes are: servers mix them up, or label plain text so."""

    def __init__(self, name: str, limit: int) -> None:
        super().__init__(limit)
        self._name = name
        self._head = b""
        self._zlib: zlib._Decompress | None = None
        self._plain = False

    def feed(self, data: bytes) -> bytes:
        if self._zlib is None and not self._plain:
            self._head += data
            if len(self._head) < 2:
                return b""
            data, self._head = self._head, b""
            self._start(data)
        return self._inflate(self._zlib, data) if self._zlib else self.count(data)

    def finish(self) -> bytes:
        if self._zlib is None:
            return self.count(self._head)
        if not self._zlib.eof:
            raise BadCodingError("the compressed body ends too early")
        return b""

    def _start(self, data: bytes) -> None:
        if data[:2] == b"\x1f\x8b":
            self._zlib = zlib.decompressobj(16 + zlib.MAX_WBITS)
        elif data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0:
            self._zlib = zlib.decompressobj()  # RFC 1950
        elif self._name == "deflate" and data.lstrip()[:1] not in (b"<", b"{"):
            self._zlib = zlib.decompressobj(
                -zlib.MAX_WBITS
            )  # RFC 1951 alone, as old servers send it
        else:
            self._plain = True

    def _inflate(self, decoder: zlib._Decompress, data: bytes) -> bytes:
        out = []
        try:
            while not decoder.eof:
                out.append(self.count(decoder.decompress(data, STEP)))
                data = decoder.unconsumed_tail
                if not data and not out[-1]:  # output may be pending when the input is used up
                    break
        except zlib.error as e:
            raise BadCodingError("the body is not in the coding that it declares") from e
        return b"".join(out)  # what follows the end is padding, and dropped


class _Brotli(_Counter):
    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        import brotli  # type: ignore[import-untyped]

        self._brotli = brotli.Decompressor()
        self._error = brotli.error

    def feed(self, data: bytes) -> bytes:
        out = []
        try:
            piece = self._brotli.process(data, output_buffer_limit=STEP)
            while piece or not self._brotli.can_accept_more_data():
                out.append(self.count(piece))
                piece = self._brotli.process(b"", output_buffer_limit=STEP)
        except self._error as e:
            raise BadCodingError("the body is not in the coding that it declares") from e
        return b"".join(out)

    def finish(self) -> bytes:
        if not self._brotli.is_finished():
            raise BadCodingError("the compressed body ends too early")
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
        self._zstd = zstandard.ZstdDecompressor(max_window_size=self.MAX_WINDOW).decompressobj(
            read_across_frames=True
        )

    def feed(self, data: bytes) -> bytes:
        pieces = (data[n : n + self.SLICE] for n in range(0, len(data), self.SLICE))
        try:
            out = [self.count(self._zstd.decompress(piece)) for piece in pieces]
        except self._error as e:
            raise BadCodingError("the body is not in the coding that it declares") from e
        return b"".join(out)

    def finish(self) -> bytes:
        return b""
