"""A loopback server of many feeds for `bench feeds`: well-behaved ones, or hostile ones.

Run as ``python -m deploy.bench.feed_farm FIRST COUNT NICE``: listens on COUNT addresses from the
FIRST of 127.1.0.0/16 on and prints its port. Hostile feeds get a process of their own, so that no
work for them delays the answers of the others; with a NICE above 0 it gives way to the connector,
since servers of the internet have processors of their own. Bodies are made beforehand.

Well-behaved: ``/same/N`` answers 304 when asked with its ETag, ``/old/N`` always 200 with the same
articles in other bytes, ``/new/N`` with one new article each time, ``/mix/N`` as a world of feeds
does: 70 % 304, 25 % nothing new, 5 % one new article. ``/mix/N/MS`` answers after MS milliseconds.

Hostile, each at `RATE` bytes a second at most, as the net between would have it (what loopback
gives, gigabytes a second, would measure this server and not the connector):

- ``silent`` takes the request and says nothing; ``slow`` sends a byte a second.
- ``huge`` sends items without end; ``endless`` sends little pieces without end.
- ``circle`` redirects for ever.
- ``broken`` is malformed, and other bytes each time; ``costly`` is so malformed that it takes a
  parser a second; ``wide`` has 5 MB of damaged text that all comes through.
- ``bomb`` is 64 kB of gzip that becomes 64 MiB.
- ``many`` has 2,000 entries, all of them new each time.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

ENTRIES: Final = 20
HOSTILE: Final = (
    "silent", "slow", "huge", "endless", "circle", "broken", "costly", "wide", "bomb", "many",
)  # fmt: skip
RATE: Final = 1024 * 1024
_PIECE: Final = 64 * 1024
_ETAG: Final = b'"1"'
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
        self._sending: asyncio.Task[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._sending is not None:
            self._sending.cancel()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if b"\r\n\r\n" in self._data and self._transport is not None:
            path = self._data.split(b" ", 2)[1].decode("latin-1")
            kind, number, delay = (*path.strip("/").split("/"), "", "")[:3]
            loop = asyncio.get_running_loop()
            if (hostile := _HOSTILE.get(kind)) is not None:
                task = self._send(self._transport, hostile(number))
                self._sending = loop.create_task(task)
            elif delay:
                loop.call_later(int(delay) / 1000, self._reply, self._transport, kind)
            else:
                self._reply(self._transport, kind)

    def _reply(self, transport: asyncio.Transport, kind: str) -> None:
        transport.write(_answer(kind, _ETAG in self._data))
        transport.close()

    async def _send(
        self, transport: asyncio.Transport, pieces: Iterator[tuple[bytes, float]]
    ) -> None:
        """Write each piece and wait its seconds, no faster than the other side reads."""
        for piece, pause in pieces:
            transport.write(piece)
            await asyncio.sleep(pause)
            await self._may_write.wait()
        transport.close()


def _answer(kind: str, knows_etag: bool) -> bytes:
    turn = next(_CLOCK)
    if kind == "mix":
        kind = "same" if turn % 20 < 14 else "old" if turn % 20 < 19 else "new"
    if kind == "same" and knows_etag:
        return _head(b"304 Not Modified", 0)
    body = document(turn if kind == "new" else 0, turn)
    return _head(b"200 OK", len(body)) + body


def document(first: int, turn: int, entries: int = ENTRIES) -> bytes:
    """An RSS document of ``entries`` items: ``first`` is new, ``turn`` makes the bytes differ."""
    return b"".join((_START, b"<!-- %d -->" % turn, _item(first), _items(entries - 1), _END))


_START: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>Outlet</title>'
)
_END: Final = b"</channel></rss>"


def _item(number: int) -> bytes:
    return (
        f"<item><title>Bridge times no. {number}</title>"
        f"<link>https://outlet.example/{number}</link><guid>{number}</guid>"
        f"<pubDate>Wed, 25 Nov 2026 08:{number % 60:02}:00 GMT</pubDate>"
        f"<description>{_SUMMARY}</description></item>"
    ).encode()


@cache
def _items(count: int) -> bytes:
    return b"".join(_item(n) for n in range(1_000_000, 1_000_000 + count))


def _head(status: bytes, length: int | None, more: bytes = b"") -> bytes:
    size = b"" if length is None else b"Content-Length: %d\r\n" % length
    return (
        b"HTTP/1.1 %s\r\nContent-Type: application/rss+xml\r\nETag: %s\r\n%s%s"
        b"Connection: close\r\n\r\n" % (status, _ETAG, more, size)
    )


# -- hostile: pieces, each with the seconds to wait after it ---------------------------------------

_Pieces = Iterator[tuple[bytes, float]]


def _at_rate(data: bytes) -> _Pieces:
    for start in range(0, len(data), _PIECE):
        piece = data[start : start + _PIECE]
        yield piece, len(piece) / RATE


def _whole(body: bytes, more: bytes = b"") -> _Pieces:
    yield _head(b"200 OK", len(body), more), 0.0
    yield from _at_rate(body)


def _silent(number: str) -> _Pieces:  # noqa: ARG001
    while True:
        yield b"", 60.0


def _slow(number: str) -> _Pieces:  # noqa: ARG001
    yield _head(b"200 OK", None) + _START, 1.0
    while True:
        yield b" ", 1.0


def _huge(number: str) -> _Pieces:  # noqa: ARG001
    yield _head(b"200 OK", None) + _START, 0.0
    while True:
        yield from _at_rate(_items(500))


def _endless(number: str) -> _Pieces:  # noqa: ARG001
    yield _head(b"200 OK", None) + _START, 0.0
    while True:
        yield b" " * 1024, 0.02


def _circle(number: str) -> _Pieces:
    there = f"Location: /circle/{number[:20]}x{next(_CLOCK)}\r\n".encode()
    yield _head(b"302 Found", 0, there), 0.0


def _broken(number: str) -> _Pieces:  # noqa: ARG001
    yield from _whole(b"<rss><channel><item><title>\xff\xfe&&& %d" % next(_CLOCK) * 200)


def _costly(number: str) -> _Pieces:  # noqa: ARG001
    item = b"</title><description>&lt;p&gt;&amp;x</description></item"
    items = (b"<<item><title>tide %d" % n + item for n in range(8_000))
    head = b"<feed <rss version='2.0'><channel><!-- %d -->" % next(_CLOCK)
    yield from _whole(head + b"".join(items))


def _wide(number: str) -> _Pieces:  # noqa: ARG001
    text = b"</title><description>" + b"\xe6\x97\xa5\xff&nbsp;" * 400 + b"</description></item>"
    items = (b"<item><title>tide %d" % n + text for n in range(1_200))
    yield from _whole(b"".join((_START, b"<!-- %d -->" % next(_CLOCK), *items, _END)))


def _bomb(number: str) -> _Pieces:  # noqa: ARG001
    yield from _whole(_bomb_body(), b"Content-Encoding: gzip\r\n")


@cache
def _bomb_body() -> bytes:
    return gzip.compress(_START + b" " * (64 * 1024 * 1024))


def _many(number: str) -> _Pieces:  # noqa: ARG001
    first = 10_000_000 + 2_000 * next(_CLOCK)
    items = (_item(first + n).replace(_SUMMARY.encode(), b"-") for n in range(2_000))
    yield from _whole(b"".join((_START, *items, _END)))


_HOSTILE: Final[dict[str, Callable[[str], _Pieces]]] = {
    "silent": _silent,
    "slow": _slow,
    "huge": _huge,
    "endless": _endless,
    "circle": _circle,
    "broken": _broken,
    "costly": _costly,
    "wide": _wide,
    "bomb": _bomb,
    "many": _many,
}


def host(number: int) -> str:
    """The loopback address of this number: from 127.1.0.1 on."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


async def _serve(first: int, count: int) -> None:
    _bomb_body()
    loop = asyncio.get_running_loop()
    one = await loop.create_server(_Feeds, host(first), 0, backlog=1024)
    port = one.sockets[0].getsockname()[1]
    rest = [host(n) for n in range(first + 1, first + count)]
    others = await loop.create_server(_Feeds, rest, port, backlog=1024)
    print(port, flush=True)  # noqa: T201 - what the caller reads
    async with one, others:
        await loop.create_future()


if __name__ == "__main__":
    os.nice(int(sys.argv[3]))
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
