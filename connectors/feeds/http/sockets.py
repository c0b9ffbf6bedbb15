"""TCP and TLS streams for the client, on asyncio and nothing else.

The client's own stand on anyio, which begins a connection in a task of its own and guards each read
with a scope: half of the loop's work of a fetch, and a dozen turns in which others are waited for.
The parameters called ``timeout`` are the client's interface; seconds.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpcore


class TcpStream(httpcore.AsyncNetworkStream):
    """A connection without TLS. What is not read waits in the kernel and costs nobody a turn."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, address: str, port: int, timeout: float | None) -> TcpStream:  # noqa: ASYNC109
        """To an address, not a name.

        Raises:
            httpcore.ConnectError, httpcore.ConnectTimeout: nobody answers.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with _told(httpcore.ConnectError, httpcore.ConnectTimeout):
            new = socket.socket(family, socket.SOCK_STREAM)
            try:
                new.setblocking(False)
                new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
                async with asyncio.timeout(timeout):
                    await asyncio.get_running_loop().sock_connect(new, (address, port))
            except BaseException:
                new.close()
                raise
        return cls(new)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Up to ``max_bytes``; none at the end."""
        with _told(httpcore.ReadError, httpcore.ReadTimeout):
            async with asyncio.timeout(timeout):
                return await self._loop.sock_recv(self._socket, max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send all of ``buffer``."""
        with _told(httpcore.WriteError, httpcore.WriteTimeout):
            async with asyncio.timeout(timeout):
                await self._loop.sock_sendall(self._socket, buffer)

    async def aclose(self) -> None:
        """Let go."""
        self._socket.close()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """The same connection with TLS; this stream is of no use any more.

        Raises:
            httpcore.ConnectError: no TLS; ``__cause__`` says why.
            httpcore.ConnectTimeout: not in time.
        """
        # From here on the transport closes it: twice would close another's.
        given, self._socket = self._socket, socket.socket()
        self._socket.close()
        with _told(httpcore.ConnectError, httpcore.ConnectTimeout):
            async with asyncio.timeout(timeout):
                reader, writer = await asyncio.open_connection(
                    sock=given, ssl=ssl_context, server_hostname=server_hostname
                )
        return TlsStream(reader, writer)

    def get_extra_info(self, info: str) -> Any:
        """Nothing that the client asks for."""
        del info


class TlsStream(httpcore.AsyncNetworkStream):
    """A connection with TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Up to ``max_bytes``; none at the end."""
        with _told(httpcore.ReadError, httpcore.ReadTimeout):
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send all of ``buffer``; whether the other side still listens, the next `read` tells.

        A server may close behind a whole answer while we confirm its frames (HTTP/2).
        """
        with _told(httpcore.WriteError, httpcore.WriteTimeout), suppress(ConnectionError):
            self._writer.write(buffer)
            async with asyncio.timeout(timeout):
                await self._writer.drain()

    async def aclose(self) -> None:
        """Let go, without waiting for a goodbye that may never come."""
        self._writer.transport.abort()

    def get_extra_info(self, info: str) -> Any:
        """``ssl_object``: the client wants to know what was agreed on."""
        return self._writer.get_extra_info(info)


@contextmanager
def _told(
    broken: type[httpcore.NetworkError], late: type[httpcore.TimeoutException]
) -> Iterator[None]:
    """Errors in the client's words."""
    try:
        yield
    except TimeoutError as e:
        raise late(str(e)) from e
    except OSError as e:
        raise broken(str(e)) from e
