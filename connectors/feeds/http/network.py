"""The dialler: TCP to addresses that the guard has checked, with a cap on what comes back.

Below httpcore, so that no redirect, no second look-up and no pool can get round it.
The parameters called ``timeout`` are the client's interface.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from typing import Any, Final

import httpcore

from connectors.feeds.http.guard import Guard
from connectors.feeds.http.sockets import TcpStream

_HEAD_END: Final = b"\r\n\r\n"
_MAX_HEAD: Final = 512 * 1024
"""Bytes that are looked at for the end of the headers; the client itself gives up at 100 kB."""


_OVERHEAD: Final = 128 * 1024
"""Bytes of an answer that are neither body nor matched by one: a head of 100 kB at the most, chunk
sizes, frames. A flood of such costs time for each and would go on until the whole time is up."""
_MANY_PIECES: Final = 4_000
_SMALL_PIECE: Final = 16
"""Bytes: when a body comes in many pieces, they are longer than this on average."""
_READS_AT_ONCE: Final = 64
_SMALL_READ: Final = 8 * 1024
_READ_PAUSE: Final = 0.2
"""Seconds: an answer that comes in many small reads is let gather before each further one. A read
takes 0.15 ms of the loop's time, whatever it brings."""


class WireLimitError(Exception):
    """More bytes arrived than a feed may send."""


class OverheadError(WireLimitError):
    """Next to nothing of what arrives is body: a flood of heads, frames or tiny chunks."""


class NameLookupError(httpcore.ConnectError):
    """The host name has no address."""


class TlsError(httpcore.ConnectError):
    """No TLS with the server; ``__cause__`` says why (`ssl.SSLError`, or the end of the stream)."""


class Wire:
    """What came in on the connections of one fetch, and where one answer's head ended."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.received = 0
        self._head = bytearray()
        self._head_at = 0
        self._looked_at = 0
        self._here = 0
        self._reads = 0
        self._body = 0
        self._pieces = 0
        self._head_bytes: int | None = None
        self._last = b""
        self._stream: httpcore.AsyncNetworkStream | None = None

    def start_answer(self) -> None:
        """Forget the last hop's answer; the total goes on."""
        self._head.clear()
        self._head_at = 0
        self._looked_at = 0
        self._here = 0
        self._reads = 0
        self._body = 0
        self._pieces = 0
        self._head_bytes = None
        self._last = b""
        self._stream = None

    def use(self, stream: httpcore.AsyncNetworkStream) -> None:
        """The stream that this answer comes on."""
        self._stream = stream

    def take(self, data: bytes) -> None:
        """Count ``data``.

        Raises:
            WireLimitError: it is too much by now.
            OverheadError: too little of what came before it was body.
        """
        if self._here - self._body > _OVERHEAD + self._body:
            raise OverheadError
        self.received += len(data)
        self._here += len(data)
        self._reads += 1
        self._last = data
        if self.received > self.max_bytes:
            raise WireLimitError
        if self._head_bytes is None and len(self._head) < _MAX_HEAD:
            self._head += data
            self._find_end()

    @property
    def pause(self) -> float:
        """Seconds to let more gather before the next read."""
        crumbs = self._reads >= _READS_AT_ONCE and self._here < self._reads * _SMALL_READ
        return _READ_PAUSE if crumbs else 0.0

    def was_body(self, length: int) -> None:
        """A piece of so many of the bytes taken is the body's; told before more is read.

        Raises:
            OverheadError: the body comes in crumbs.
        """
        self._body += length
        self._pieces += 1
        if self._pieces > _MANY_PIECES and self._body < self._pieces * _SMALL_PIECE:
            raise OverheadError

    def after_body(self, length: int) -> bytes:
        """What came in the last read beyond a body of ``length`` bytes of an HTTP/1 answer."""
        if self._head_bytes is None:
            return b""
        surplus = self._here - self._head_bytes - length
        return self._last[-surplus:] if surplus > 0 else b""

    async def read_more(self, seconds: float) -> None:
        """Take what still comes within ``seconds``, if the body's end left nothing behind it."""
        if self._stream is None:
            return
        try:
            if data := await self._stream.read(4096, seconds):
                self.take(data)
        except (httpcore.NetworkError, httpcore.TimeoutException):
            return

    def _find_end(self) -> None:
        while (end := self._head.find(_HEAD_END, self._looked_at)) >= 0:
            # "HTTP/1.1 103 …": an interim answer has a head of its own and no body (RFC 9110,
            # 15.2).
            if self._head[self._head_at + 8 : self._head_at + 10] != b" 1":
                self._head_bytes = end + len(_HEAD_END)
                self._head.clear()
                return
            self._head_at = self._looked_at = end + len(_HEAD_END)
        # A head that comes byte by byte is not looked through again for each.
        self._looked_at = max(self._head_at, len(self._head) - len(_HEAD_END) + 1)


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Dials what the guard allows and nothing else."""

    def __init__(self, guard: Guard, wire: Wire) -> None:
        self._guard = guard
        self._wire = wire
        self._opened: list[httpcore.AsyncNetworkStream] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """A stream to the first checked address that answers.

        Raises:
            BlockedError: the guard said no.
            NameLookupError: no such name.
            httpcore.ConnectError: nobody answers.
            httpcore.ConnectTimeout: no answer, or no address of the name, in time.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._guard.resolve(host, port)
        except TimeoutError as e:
            raise httpcore.ConnectTimeout("the name is not found in time") from e
        except OSError as e:
            raise NameLookupError(str(e)) from e
        failure: Exception = httpcore.ConnectError("no address")
        tries = _tries(addresses)
        for address in tries:
            try:
                share = None if timeout is None else timeout / len(tries)
                stream = await TcpStream.connect(address, port, share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as e:
                failure = e
                continue
            self._opened.append(stream)
            counted = _CountedStream(stream, self._wire)
            self._wire.use(stream)
            return counted
        raise failure

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Never: a feed lives on no socket of this machine."""
        raise httpcore.ConnectError("no unix sockets")

    async def aclose(self) -> None:
        """Close what was opened: the client forgets a stream whose TLS is broken off in time."""
        for stream in self._opened:
            await stream.aclose()
        self._opened.clear()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def _tries(addresses: Sequence[str]) -> Sequence[str]:
    """Two of them, each with half of the time.

    Of both kinds: a dead IPv6 route must not cost the feed of a site with many IPv6 addresses.
    """
    first = addresses[0]
    others = [a for a in addresses if (":" in a) is not (":" in first)]
    return [first, *(others or addresses[1:])[:1]]


class _CountedStream(httpcore.AsyncNetworkStream):
    """A stream that counts what arrives, inside TLS when there is TLS."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, wire: Wire) -> None:
        self._inner = inner
        self._wire = wire

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if pause := self._wire.pause:
            await asyncio.sleep(pause)
        data = await self._inner.read(max_bytes, timeout)
        self._wire.take(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        if buffer:  # the client writes the end of a request that has no body, twice
            await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        try:
            inner = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        except httpcore.ConnectError as e:
            raise TlsError(str(e)) from e.__cause__
        self._wire.use(inner)
        return _CountedStream(inner, self._wire)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
