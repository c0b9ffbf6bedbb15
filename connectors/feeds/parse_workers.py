"""`ParsePool`: feed documents parsed in processes that can be killed.

A document that takes too long, too much memory or kills its worker ends as its own outcome
(`DocumentReason`); the other documents never notice.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from connectors.feeds.parse import limits, wire
from connectors.feeds.parse.model import DocumentReason, ParsedFeed

_START_SECONDS: Final = 30.0
"""A worker starts in 0.2 s; a machine under load may take a hundred times that."""
_RECYCLE_AFTER: Final = 20_000
"""Documents: bounds whatever a library might leak."""


class WorkerStartError(RuntimeError):
    """A worker did not start: a fault of the installation or of the machine, not of a document."""


class ParsePool:
    """At most ``workers`` processes, started when they are needed.

    Use as an async context manager, or call `close`. Calls may be concurrent; those beyond the
    number of workers wait their turn. Belongs to one event loop.
    """

    def __init__(
        self,
        workers: int = 2,
        *,
        wall_seconds: float = limits.WALL_SECONDS,
        on_kill: Callable[[DocumentReason], None] = lambda _: None,
    ) -> None:
        """A pool with no process yet.

        Args:
            workers: processes at most.
            wall_seconds: what one document may take before its worker is killed.
            on_kill: told each time that a worker had to be killed or died, with the reason.
        """
        if workers < 1:
            raise ValueError("a pool needs a worker")
        self._places = asyncio.Semaphore(workers)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._wall_seconds = wall_seconds
        self._on_kill = on_kill

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def parse(
        self,
        data: bytes,
        content_type: str | None = None,
        url: str | None = None,
        feed_id: str = "",
        max_entries: int = limits.MAX_ENTRIES,
    ) -> ParsedFeed:
        """What is in ``data``; see `parse.document.parse`.

        Never raises for a document. A worker that dies without a limit being the cause (somebody
        killed it) gets the document once more, on a fresh one.

        Raises:
            WorkerStartError: no worker could be started.
        """
        if len(data) > limits.MAX_DOCUMENT_BYTES:
            return _failed(DocumentReason.TOO_LARGE, len(data))
        header = json.dumps(
            {
                "content_type": content_type,
                "url": url,
                "feed_id": feed_id,
                "max_entries": max_entries,
            }
        ).encode()
        request = b"".join((wire.REQUEST.pack(len(header), len(data)), header, data))
        async with self._places:
            outcome = await self._ask(request)
            if outcome is DocumentReason.CRASHED:
                outcome = await self._ask(request)
        return outcome if isinstance(outcome, ParsedFeed) else _failed(outcome, len(data))

    async def close(self) -> None:
        """End every worker, also those at work."""
        self._idle.clear()
        await asyncio.gather(*(self._discard(w) for w in tuple(self._all)))

    async def _ask(self, request: bytes) -> ParsedFeed | DocumentReason:
        worker = await self._take()
        outcome: ParsedFeed | DocumentReason | None = None
        try:
            async with asyncio.timeout(self._wall_seconds):
                outcome = await worker.ask(request)
        except TimeoutError:
            outcome = DocumentReason.TOO_SLOW
        except (OSError, EOFError, ValueError):
            outcome = await worker.cause_of_death()
        finally:
            # Also when the caller is cancelled: an answer that is still under way would be taken
            # for the next one's.
            if isinstance(outcome, ParsedFeed) and worker.fit():
                self._idle.append(worker)
            else:
                await self._discard(worker)
        if isinstance(outcome, DocumentReason):
            self._on_kill(outcome)
        return outcome

    async def _take(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive():
                return worker
            await self._discard(worker)
        worker = await _Worker.start()
        self._all.add(worker)
        return worker

    async def _discard(self, worker: _Worker) -> None:
        self._all.discard(worker)
        await worker.kill()


class _Worker:
    """One process and the socket to it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._served = 0
        self._spent = False

    @classmethod
    async def start(cls) -> _Worker:
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.to_thread(_spawn, theirs)
        except OSError as e:
            ours.close()
            raise WorkerStartError(f"no parse worker can be started: {e}") from e
        reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
        worker = cls(process, reader, writer)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await reader.readexactly(1)
        except (OSError, EOFError) as e:
            await worker.kill()
            raise WorkerStartError("a parse worker ended before it was ready") from e
        except BaseException:
            await worker.kill()
            raise
        return worker

    def alive(self) -> bool:
        return self._process.poll() is None

    def fit(self) -> bool:
        """Whether it may serve another document."""
        return not self._spent and self._served < _RECYCLE_AFTER

    async def ask(self, request: bytes) -> ParsedFeed:
        self._served += 1
        self._writer.write(request)
        await self._writer.drain()
        goes_on, length = wire.ANSWER.unpack(await self._reader.readexactly(wire.ANSWER.size))
        feed = wire.load(await self._reader.readexactly(length))
        self._spent = not goes_on
        return feed

    async def cause_of_death(self) -> DocumentReason:
        """Why the process went away; ends it if it has not."""
        await self.kill()
        if self._process.returncode == -signal.SIGXCPU:
            return DocumentReason.TOO_SLOW
        return DocumentReason.CRASHED

    async def kill(self) -> None:
        self._writer.close()
        if self.alive():
            self._process.kill()
        await asyncio.to_thread(self._process.wait)


def _spawn(end: socket.socket) -> subprocess.Popen[bytes]:
    with end:
        return subprocess.Popen(
            [sys.executable, "-m", "connectors.feeds.parse_worker"],
            stdin=end.fileno(),
            stdout=end.fileno(),
        )


_DETAILS: Final = {
    DocumentReason.TOO_LARGE: f"larger than {limits.MAX_DOCUMENT_BYTES // limits.MIB} MiB",
    DocumentReason.TOO_SLOW: "took too long to parse",
    DocumentReason.CRASHED: "the parse worker died of it",
}


def _failed(reason: DocumentReason, size: int) -> ParsedFeed:
    return ParsedFeed(
        format=None, reason=reason, detail=f"{_DETAILS[reason]} (document of {size} bytes)"
    )
