"""A scripted web site on loopback, in the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

Answer = bytes | Callable[[asyncio.StreamWriter], object]


class Site:
    """Answers each path with what the test put there; remembers what was asked."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._host = host
        self.pages: dict[str, Answer] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.etags: dict[str, str] = {}
        self.bodies: list[str] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._host, 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()

    @property
    def allowed(self) -> str:
        return f"{self._host}:{self.port}"

    def url(self, path: str) -> str:
        return f"http://{self.allowed}{path}"

    def asked(self, path: str) -> list[dict[str, str]]:
        return [headers for p, headers in self.requests if p == path]

    def put(self, path: str, body: bytes, etag: str | None = None, head: str = "") -> None:
        """Serve ``body`` with 200, and 304 to who knows ``etag``."""
        if etag is not None:
            self.etags[path] = etag
            head += f"ETag: {etag}\r\n"
        self.pages[path] = answer(body, head=head)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            path = head[0].split(" ")[1]
            headers = {
                k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])
            }
            self.requests.append((path, headers))
            if length := int(headers.get("content-length", "0")):
                self.bodies.append((await reader.readexactly(length)).decode())
            page = self.pages.get(path, answer(b"no", "404 Not Found"))
            if path in self.etags and headers.get("if-none-match") == self.etags[path]:
                page = answer(b"", "304 Not Modified")
            if isinstance(page, bytes):
                writer.write(page)
            else:
                done = page(writer)
                if asyncio.iscoroutine(done):
                    await done
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def answer(body: bytes, status: str = "200 OK", head: str = "") -> bytes:
    """A whole HTTP/1.1 answer."""
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/rss+xml\r\n{head}"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode("latin-1") + body


def rss(*items: tuple[str, str], mark: str = "") -> bytes:
    """An RSS document of (guid, title) items."""
    inner = "".join(
        f"<item><guid>{guid}</guid><title>{title}</title>"
        f"<link>https://outlet.example/{guid}</link>"
        "<pubDate>Wed, 25 Nov 2026 08:00:00 GMT</pubDate></item>"
        for guid, title in items
    )
    return (
        f'<?xml version="1.0"?><rss version="2.0"><channel><title>Outlet</title>{mark}{inner}'
        "</channel></rss>"
    ).encode()
