"""A loopback server of many feeds for `bench feeds`: well-behaved ones and hostile ones.

Run as ``python -m deploy.bench.feed_farm ADDRESSES``: listens on so many addresses of 127.0.0.0/8
and prints its port. ``/same/N`` answers 304 when asked with its ETag, ``/old/N`` always 200 with
the same articles in another document, ``/new/N`` with one new article each time, ``/mix/N`` as a
world of feeds does: 70 % 304, 25 % nothing new, 5 % one new article. ``/slow``, ``/huge``,
``/endless``, ``/circle`` and ``/broken`` are hostile.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from typing import Final

ENTRIES: Final = 20
HOSTILE: Final = ("slow", "huge", "endless", "circle", "broken")
_ETAG: Final = '"1"'
_SUMMARY: Final = (
    "The harbour office has published the times at which the bridge opens this week. Boats of more "
    "than twelve metres are asked to tell the lock a day before, and to keep to the eastern bank. "
)
_CLOCK: Final = itertools.count(1)


class _Feeds(asyncio.Protocol):
    """One connection; every answer ends it, as the connector asks for no second one."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if b"\r\n\r\n" in self._data and self._transport is not None:
            path = self._data.split(b" ", 2)[1].decode("latin-1")
            kind, _, number = path.strip("/").partition("/")
            self._answer(self._transport, kind, number, _ETAG.encode() in self._data)

    def _answer(
        self, transport: asyncio.Transport, kind: str, number: str, knows_etag: bool
    ) -> None:
        turn = next(_CLOCK)
        if kind in ("slow", "endless"):
            self._task = asyncio.get_running_loop().create_task(_drip(transport, kind))
            return
        if kind == "mix":
            kind = "same" if turn % 20 < 14 else "old" if turn % 20 < 19 else "new"
        if kind == "same" and knows_etag:
            transport.write(_head("304 Not Modified", 0))
        elif kind == "circle":
            head = _head("302 Found", 0, f"Location: /circle/{number}x{turn}\r\n")
            transport.write(head)
        elif kind == "huge":
            body = b"<rss><channel>" + b"<item><title>wide</title></item>" * 500_000
            transport.write(_head("200 OK", len(body)) + body)
        elif kind == "broken":
            body = b"<rss><channel><item><title>\xff\xfe&&&" * 200
            transport.write(_head("200 OK", len(body)) + body)
        else:
            first = turn if kind == "new" else 0
            body = document(number, first, turn)
            transport.write(_head("200 OK", len(body)) + body)
        transport.close()


def document(number: str, first: int, turn: int) -> bytes:
    """An RSS document of `ENTRIES` items: ``first`` is new, ``turn`` makes the bytes differ."""
    items = "".join(
        f"<item><title>Bridge times {number} no. {n}</title>"
        f"<link>https://outlet{number}.example/{n}</link><guid>{number}-{n}</guid>"
        f"<pubDate>Wed, 25 Nov 2026 08:{n % 60:02}:00 GMT</pubDate>"
        f"<description>{_SUMMARY}</description></item>"
        for n in (first, *range(1_000_000, 1_000_000 + ENTRIES - 1))
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel>'
        f"<title>Outlet {number}</title><!-- {turn} -->{items}</channel></rss>"
    ).encode()


def _head(status: str, length: int, more: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/rss+xml\r\nETag: {_ETAG}\r\n"
        f"{more}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    ).encode()


async def _drip(transport: asyncio.Transport, kind: str) -> None:
    transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n<rss>")
    piece, pause = (b" ", 1.0) if kind == "slow" else (b" " * 65536, 0.001)
    while not transport.is_closing():
        transport.write(piece)
        await asyncio.sleep(pause)


async def _serve(addresses: int) -> None:
    loop = asyncio.get_running_loop()
    first = await loop.create_server(_Feeds, "127.0.0.1", 0, backlog=1024)
    port = first.sockets[0].getsockname()[1]
    hosts = [f"127.1.{n // 250}.{n % 250 + 1}" for n in range(addresses)]
    rest = await loop.create_server(_Feeds, hosts, port, backlog=1024)
    print(port, flush=True)  # noqa: T201 - what the caller reads
    async with first, rest:
        await loop.create_future()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
