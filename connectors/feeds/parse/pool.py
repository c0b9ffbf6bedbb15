"""Documents of strangers parsed in processes that can be killed: `ParsePool`, `FullTextPool`.

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
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from connectors.feeds.parse import limits, wire
from connectors.feeds.parse.model import DocumentReason, ParsedFeed

_START_SECONDS: Final = 30.0
"""A worker starts in 0.2 s; a machine under load may take a hundred times that."""
_RECYCLE_AFTER: Final = 20_000
"""Documents: bounds whatever a library might leak."""
_NICE: Final = 10
"""Niceness of the workers for strangers and suspects: a tenth of a processor that others want."""
_MOST_SUSPECTS: Final = 10_000
_LARGE_ANSWER: Final = 128 * 1024
"""Bytes: what takes a millisecond to read is read aside."""


class WorkerStartError(RuntimeError):
    """A worker did not start: a fault of the installation or of the machine, not of a document."""


@dataclass(frozen=True, slots=True)
class _Done:
    body: bytes
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: DocumentReason
    detail: str
    worker_died: bool = False
    used_up: bool = False
    """It was the processor time that its lane gives."""


class _Lane:
    """Processes for one kind of documents: so many at most, started when they are needed."""

    def __init__(self, kind: str, workers: int, cpu_seconds: float, nice: int = 0) -> None:
        """``kind``: of `worker`; ``cpu_seconds``: of one document."""
        self._kind = kind
        self._nice = nice
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self.places = asyncio.Semaphore(workers)
        self.cpu_seconds = cpu_seconds

    async def take(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive():
                return worker
            await self.discard(worker)
        worker = await _Worker.start(self._kind, self._nice)
        self._all.add(worker)
        return worker

    def give_back(self, worker: _Worker) -> None:
        self._idle.append(worker)

    async def discard(self, worker: _Worker) -> None:
        self._all.discard(worker)
        await worker.kill()

    async def close(self) -> None:
        self._idle.clear()
        await asyncio.gather(*(self.discard(w) for w in tuple(self._all)))


class _Pool:
    """At most ``workers`` processes of one kind, and two more that give way to all others.

    One is for documents of feeds that have not proved themselves, one for suspicious documents.
    A document that has not ended in `_QUICK_SECONDS` of processor time loses its worker and begins
    anew among the suspects, one at a time; the next one of its feed goes there at once, as large
    ones do. So no number of costly documents keeps the others waiting for long.

    Use as an async context manager, or call `close`. Calls may be concurrent; those beyond the
    number of workers wait their turn. Belongs to one event loop.
    """

    _KIND: ClassVar[str]
    """Of `worker`."""
    _QUICK_SECONDS: ClassVar[float] = limits.CPU_SECONDS
    """Of processor time: what a document may take that nothing speaks against."""
    _QUICK_BYTES: ClassVar[int] = limits.MAX_DOCUMENT_BYTES

    def __init__(
        self,
        workers: int = 2,
        *,
        wall_seconds: float = limits.WALL_SECONDS,
        on_kill: Callable[[DocumentReason], None] = lambda _: None,
    ) -> None:
        """A pool with no process yet.

        Args:
            workers: processes at most, beside those for strangers and suspects.
            wall_seconds: what one document may take before its worker is killed.
            on_kill: told each time that a worker had to be ended or died, with the reason.
        """
        if workers < 1:
            raise ValueError("a pool needs a worker")
        self._ordinary = _Lane(self._KIND, workers, self._QUICK_SECONDS)
        self._strangers = _Lane(self._KIND, 1, self._QUICK_SECONDS, _NICE)
        self._slow = _Lane(self._KIND, 1, limits.CPU_SECONDS, _NICE)
        self._suspects: dict[str, None] = {}
        """Feeds whose last document was costly, the longest known first."""
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

    async def close(self) -> None:
        """End every worker, also those at work."""
        await asyncio.gather(self._ordinary.close(), self._strangers.close(), self._slow.close())

    async def _answer(
        self, data: bytes, feed_id: str = "", proven: bool = True, **known: Any
    ) -> bytes | _Failure:
        """A worker's answer on ``data``.

        Raises:
            WorkerStartError: no worker could be started.
        """
        header = json.dumps(known | {"feed_id": feed_id} if feed_id else known).encode()
        if feed_id not in self._suspects and len(data) <= self._QUICK_BYTES:
            lane = self._ordinary if proven else self._strangers
            answer = await self._in_lane(lane, header, data)
            if isinstance(answer, _Done):
                return answer.body
            self._suspect(feed_id)
            if not (answer.used_up and self._QUICK_SECONDS < limits.CPU_SECONDS):
                self._on_kill(answer.reason)
                return answer
        answer = await self._in_lane(self._slow, header, data)
        if isinstance(answer, _Failure):
            self._suspect(feed_id)
            self._on_kill(answer.reason)
            return answer
        if answer.cpu_seconds < self._QUICK_SECONDS:
            self._suspects.pop(feed_id, None)
        return answer.body

    async def _in_lane(self, lane: _Lane, header: bytes, data: bytes) -> _Done | _Failure:
        """A worker that somebody killed costs nothing: a fresh one gets the document once more."""
        head = wire.REQUEST.pack(len(header), len(data), lane.cpu_seconds)
        request = b"".join((head, header, data))
        async with lane.places:
            answer = await self._ask(lane, request)
            if isinstance(answer, _Failure) and answer.worker_died:
                self._on_kill(answer.reason)
                answer = await self._ask(lane, request)
        return answer

    async def _ask(self, lane: _Lane, request: bytes) -> _Done | _Failure:
        worker = await lane.take()
        answer: _Done | _Failure | None = None
        try:
            async with asyncio.timeout(self._wall_seconds):
                answer = await worker.ask(request)
        except TimeoutError:
            answer = _TOO_SLOW
        except (OSError, EOFError, ValueError):
            answer = await worker.cause_of_death()
        finally:
            # Also when the caller is cancelled: an answer that is still under way would be taken
            # for the next one's.
            if answer is not None and worker.fit():
                lane.give_back(worker)
            else:
                await lane.discard(worker)
        return answer

    def _suspect(self, feed_id: str) -> None:
        if not feed_id:
            return
        self._suspects[feed_id] = None
        if len(self._suspects) > _MOST_SUSPECTS:
            del self._suspects[next(iter(self._suspects))]


class ParsePool(_Pool):
    """Feed documents parsed in guarded workers."""

    _KIND = "feeds"
    _QUICK_SECONDS = 0.2  # twice what an honest document of 1 MiB takes
    _QUICK_BYTES = limits.MIB

    async def parse(
        self,
        data: bytes,
        content_type: str | None = None,
        url: str | None = None,
        feed_id: str = "",
        max_entries: int = limits.MAX_ENTRIES,
        proven: bool = True,
    ) -> ParsedFeed:
        """What is in ``data``; see `parse.document.parse`. Never raises for a document.

        What is from a feed that is not ``proven`` has a worker apart, which gives way to others.

        Raises:
            WorkerStartError: no worker could be started.
        """
        if len(data) > limits.MAX_DOCUMENT_BYTES:
            most = limits.MAX_DOCUMENT_BYTES // limits.MIB
            return _refused(_Failure(DocumentReason.TOO_LARGE, f"larger than {most} MiB"))
        answer = await self._answer(
            data, feed_id, proven, content_type=content_type, url=url, max_entries=max_entries
        )
        if isinstance(answer, _Failure):
            return _refused(answer)
        if len(answer) < _LARGE_ANSWER:
            return wire.load(answer)
        return await asyncio.to_thread(wire.load, answer)


class FullTextPool(_Pool):
    """Texts of article pages extracted in guarded workers. Needs the extra ``fulltext``."""

    _KIND = "pages"

    async def extract(self, page: bytes, content_type: str | None = None) -> str | None:
        """The main text of ``page``; see `full_text.extract`. None also when a limit was broken.

        Raises:
            WorkerStartError: no worker could be started.
        """
        if len(page) > limits.MAX_PAGE_BYTES:
            return None
        answer = await self._answer(page, content_type=content_type)
        return None if isinstance(answer, _Failure) else answer.decode() or None


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
        self._fit = True

    @classmethod
    async def start(cls, kind: str, nice: int) -> _Worker:
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.to_thread(_spawn, kind, nice, theirs)
        except BaseException as e:
            # A process that starts all the same finds its socket closed, and ends.
            ours.close()
            if isinstance(e, OSError):
                raise WorkerStartError(f"no parse worker can be started: {e}") from e
            raise
        reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
        worker = cls(process, reader, writer)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await reader.readexactly(len(wire.READY))
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
        return self._fit and self._served < _RECYCLE_AFTER

    async def ask(self, request: bytes) -> _Done | _Failure:
        self._served += 1
        # Until an answer says otherwise.
        self._fit = False
        self._writer.write(request)
        await self._writer.drain()
        head = await self._reader.readexactly(wire.ANSWER.size)
        goes_on, outcome, length, cpu_seconds = wire.ANSWER.unpack(head)
        body = await self._reader.readexactly(length)
        self._fit = bool(goes_on)
        match wire.Outcome(outcome):
            case wire.Outcome.DONE:
                return _Done(body, cpu_seconds)
            case wire.Outcome.NO_MEMORY:
                return _Failure(DocumentReason.TOO_MUCH_MEMORY, "needs too much memory")
            case wire.Outcome.FAILED:
                name = body.decode("ascii", "replace")
                return _Failure(DocumentReason.CRASHED, f"the parser failed: {name}")

    async def cause_of_death(self) -> _Failure:
        """Why the process went away; ends it if it has not."""
        await self.kill()
        if self._process.returncode == -signal.SIGPROF:
            return _USED_UP
        return _Failure(DocumentReason.CRASHED, "the parse worker died of it", worker_died=True)

    async def kill(self) -> None:
        self._writer.close()
        if self.alive():
            self._process.kill()
        await asyncio.to_thread(self._process.wait)


def _spawn(kind: str, nice: int, end: socket.socket) -> subprocess.Popen[bytes]:
    with end:
        return subprocess.Popen(
            [sys.executable, "-m", "connectors.feeds.parse.worker", kind, str(nice)],
            stdin=end.fileno(),
            stdout=end.fileno(),
        )


_TOO_SLOW: Final = _Failure(DocumentReason.TOO_SLOW, "took too long to parse")
_USED_UP: Final = replace(_TOO_SLOW, used_up=True)


def _refused(failure: _Failure) -> ParsedFeed:
    return ParsedFeed(format=None, reason=failure.reason, detail=failure.detail)
