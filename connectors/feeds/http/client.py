"""One request on one guarded connection, and whatever may come back as an error of ours.

On httpcore. A connection is never used again: a feed is asked every few minutes, longer than
servers keep a connection, and what one feed left in a buffer can reach no other.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import httpcore

from connectors.feeds.errors import BlockedError, NoHttpError
from connectors.feeds.http.address import Address
from connectors.feeds.http.headers import Headers
from connectors.feeds.http.network import GuardedBackend, WireLimitError

MOST_HEADERS: Final = 500
"""Of one answer: real ones have some dozens. Their bytes are bounded by the client (100 kB)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that parts of a request may take."""

    connect: float
    """The look-up of the name and the connection; TLS; sending."""
    head: float
    """From the request to the end of the answer's head, and each read after it."""


class Client:
    """A connection to the origin of one address. Use as an async context manager."""

    def __init__(
        self, address: Address, backend: GuardedBackend, tls: ssl.SSLContext | None
    ) -> None:
        """``tls``: None for http."""
        self._address = address
        self._backend = backend
        self._connection = httpcore.AsyncHTTPConnection(
            httpcore.Origin(address.scheme.encode(), address.host.encode(), address.port),
            ssl_context=tls,
            http2=tls is not None,
            network_backend=backend,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(NoHttpError, httpcore.NetworkError), foreign_code():
            await self._connection.aclose()
        with suppress(NoHttpError, httpcore.NetworkError), foreign_code():
            await self._backend.aclose()

    async def ask(
        self, headers: Headers, form: bytes | None, patience: Patience
    ) -> httpcore.Response:
        """The answer's head; its body follows in `pieces`.

        Args:
            headers: of the request, Host first.
            form: what is posted; None: a GET.
            patience: a head that trickles in is held to the sum of its parts.

        Raises:
            NoHttpError: the answer is no proper HTTP, or has more headers than any feed.
            TimeoutError, httpcore.TimeoutException, httpcore.NetworkError: no answer.
            BlockedError, WireLimitError: from the backend.
        """
        address = self._address
        request = httpcore.Request(
            b"GET" if form is None else b"POST",
            httpcore.URL(
                scheme=address.scheme.encode(),
                host=address.host.encode(),
                port=address.port,
                target=address.target.encode("ascii"),
            ),
            headers=headers,
            content=form,
            extensions={
                "timeout": {
                    "connect": patience.connect,
                    "read": patience.head,
                    "write": patience.connect,
                    "pool": patience.connect,
                }
            },
        )
        async with asyncio.timeout(patience.connect + patience.head):
            with foreign_code():
                response = await self._connection.handle_async_request(request)
        # HTTP/2 hands on any number, also one that no database takes (RFC 9110, 15).
        if not 100 <= response.status <= 999:
            raise NoHttpError("a status that HTTP does not have")
        if len(response.headers) > MOST_HEADERS:
            raise NoHttpError(f"more than {MOST_HEADERS} headers")
        return response


async def pieces(response: httpcore.Response) -> AsyncIterator[bytes]:
    """The body as it comes.

    Raises:
        as `Client.ask`.
    """
    body = aiter(response.aiter_stream())
    while True:
        with foreign_code():
            piece = await anext(body, None)
        if piece is None:
            return
        yield piece


_KNOWN: Final = (
    *(BlockedError, WireLimitError),  # of the backend that the client calls
    *(TimeoutError, httpcore.TimeoutException, httpcore.NetworkError),
)


@contextmanager
def foreign_code() -> Iterator[None]:
    """Around the client: what an answer provokes in it, and it does not map, is no proper HTTP.

    Its errors of protocol; those of the libraries below it (`h2.exceptions`, which it lets through
    while a body comes); a status that is no number; a connection that says goodbye too early.
    """
    try:
        yield
    except _KNOWN:
        raise
    except Exception as e:
        raise NoHttpError("an answer that is no proper HTTP") from e
