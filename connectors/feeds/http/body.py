"""`read_body`: the plain body of an answer, within its limits and without holding others up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import httpcore

from connectors.feeds.http import headers as http_headers
from connectors.feeds.http.client import pieces
from connectors.feeds.http.decompress import TooLargeError, decoder_for
from connectors.feeds.http.network import Wire

_SURPLUS_WAIT: Final = 0.1  # seconds; a server that said "close" has closed by then
_TURN: Final = 256 * 1024
"""Plain bytes after which others have their turn: half a millisecond of decompression."""
_TURN_PAUSE: Final = 0.002
"""Seconds of that turn: 8 MiB take 60 ms longer, and cost a fifth of the loop's time meanwhile."""

Room = Callable[[], Awaitable[object]]
"""Waits until there is room for a large body in memory."""


async def read_body(
    response: httpcore.Response, wire: Wire, limit: int, large: int, before_large: Room | None
) -> bytes | None:
    """The plain body; None when the framing lies about it.

    Args:
        response: whose head has come.
        wire: what it comes on.
        limit: bytes, on the wire and after decompression.
        large: plain bytes after which ``before_large`` is awaited, once.
        before_large: None: there is room for any.

    Raises:
        TooLargeError, WireLimitError: more than the limit, or next to nothing of it is body.
        BadCodingError: it is not in the coding that it declares.
        as `Client.ask`.
    """
    headers = response.headers
    declared = http_headers.get(headers, b"content-length")
    is_number = declared is not None and declared.isascii() and declared.isdigit()
    length = int(declared) if declared and is_number and len(declared) < 19 else None
    if length is not None and length > limit:
        raise TooLargeError
    coding = ",".join(http_headers.get_all(headers, b"content-encoding"))
    decoder = decoder_for(coding, limit)
    out: list[bytes] = []
    on_wire = plain = 0
    turn_ends = _TURN
    async for piece in pieces(response):
        wire.was_body(len(piece))
        on_wire += len(piece)
        if on_wire > limit:
            raise TooLargeError
        for step in decoder.feed(piece):
            out.append(step)
            plain += len(step)
            if plain > large and before_large is not None:
                await before_large()
                before_large = None
            if plain > turn_ends:
                # A bomb grows in our hands: others have their turn in between.
                turn_ends = plain + _TURN
                await asyncio.sleep(_TURN_PAUSE)
    out.append(decoder.finish())
    chunked = http_headers.get(headers, b"transfer-encoding") is not None
    if length is not None and not chunked and await _has_surplus(response, wire, length):
        return None
    return b"".join(out)


async def _has_surplus(response: httpcore.Response, wire: Wire, length: int) -> bool:
    """Whether an HTTP/1 server that closes sent more than it declared: the document is cut."""
    if response.extensions.get("http_version") == b"HTTP/2":
        return False
    if (http_headers.get(response.headers, b"connection") or "").lower() == "close":
        await wire.read_more(_SURPLUS_WAIT)
    surplus = wire.after_body(length)
    # A whole second answer is no part of this one: it is dropped with the connection. So is
    # the line end that some servers send behind everything (RFC 9112, 2.2).
    return bool(surplus.strip(b"\r\n")) and not surplus.startswith(b"HTTP/")
