"""Whether the program behind a port still answers: a port alone says nothing.

The kernel takes connections for a program that hangs. So each question is one that the program
itself has to answer, in the words of its protocol, with a limit of its own.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from deploy.local.ports import HOST

SECONDS: Final = 10.0
"""For one answer, on a machine that is busy."""

_CLIENT: Final = b"straitwatch-up"
_API_VERSIONS: Final = struct.pack(">hhih", 18, 0, 1, len(_CLIENT)) + _CLIENT
KAFKA: Final = struct.pack(">i", len(_API_VERSIONS)) + _API_VERSIONS
"""Which versions of its protocol it speaks (Kafka's protocol guide, ApiVersions)."""

GRPC: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""The preface of a connection and no settings of our own (RFC 9113, 3.4): settings come back."""

HTTP: Final = b"GET /metrics HTTP/1.0\r\n\r\n"

Question = Callable[[], Awaitable[bool]]


def asked(port: int, greeting: bytes, host: str = HOST) -> Question:
    """The question whether somebody at the port has anything to say to ``greeting``."""

    async def question() -> bool:
        try:
            async with asyncio.timeout(SECONDS):
                return await _says_something(host, port, greeting)
        except (OSError, TimeoutError):
            return False

    return question


async def _says_something(host: str, port: int, greeting: bytes) -> bool:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(greeting)
        said = await reader.read(1024)
        if greeting is HTTP:
            # To its end: a page that we leave halfway is an error in the log of its server.
            while await reader.read(1 << 16):
                pass
        return bool(said)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
