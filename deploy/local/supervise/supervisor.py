"""Starts the parts of the service in order, watches them, starts them again, stops them in reverse.

Everything is in one event loop, in the main thread: children are leashed to the thread that starts
them. A part that dies is started again with a back-off; those that need it wait for it by
themselves, as they would for any server that is away. A part that gives no answer any more is
killed, and then it is one that has died.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from deploy.errors import Fault
from deploy.local.supervise import room, stops
from deploy.local.supervise.backoff import Backoff
from deploy.local.supervise.events import Listener
from deploy.local.supervise.log_files import RotatingLog
from deploy.local.supervise.patience import Patience
from deploy.local.supervise.processes import Register, Started, end_session, leashed

_PROBE_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 5.0
"""Between two questions whether a part still answers; shorter where its limit is short."""
_ROOM_SECONDS: Final = 1.0
"""Between two looks whether there is room on the disk again."""
_LONGEST_LINE: Final = 1 << 20
_LAST_WORDS_SECONDS: Final = 0.5
_FIRST_TRIES: Final = 3
"""Starts that a part may fail before the service has been ready once; then it is given up."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the service: a process that runs as long as the service does."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    is_ready: Callable[[], Awaitable[bool]] | None
    """Asked again and again after a start; None: an event ``running`` of its own says so."""
    needs: tuple[str, ...] = ()
    """Parts that must be ready before it is started, each time."""
    ready_seconds: float = 120.0
    stop_seconds: float = 5.0
    """What it is given to end by itself."""
    answers: Callable[[], Awaitable[bool]] | None = None
    """Asked again and again once it was ready; None: a process that runs is taken for well."""
    hung_seconds: float = 60.0
    """Without an answer for so long it is killed, and so started again."""


@dataclass(slots=True)
class _State:
    part: Part
    log: RotatingLog
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    process: asyncio.subprocess.Process | None = None
    output: int = -1
    """Our end of the pipe that it writes to."""
    was_ready: bool = False
    starts: int = 0
    ending: bool = False
    probe_failure: str = ""
    """The last that was written to the log."""
    hung: str = ""
    """Why it was killed as hung, in words."""


class Supervisor:
    """Runs the parts until it is told to stop."""

    def __init__(
        self, parts: tuple[Part, ...], register: Register, logs: Path, tell: Listener
    ) -> None:
        self._register = register
        self._logs = logs
        self._tell = tell
        self._states = {
            part.name: _State(part, RotatingLog(logs / f"{part.name}.log")) for part in parts
        }
        self._stopping = asyncio.Event()
        self._fault: Fault | None = None

    @property
    def pids(self) -> dict[str, int | None]:
        """The process of each part, and our own."""
        out: dict[str, int | None] = {"supervisor": os.getpid()}
        for name, state in self._states.items():
            out[name] = state.process.pid if state.process is not None else None
        return out

    def is_up(self) -> dict[str, bool]:
        """Whether each part is ready."""
        return {name: state.ready.is_set() for name, state in self._states.items()}

    def restarts(self) -> dict[str, int]:
        """How often each part was started again."""
        return {name: max(0, state.starts - 1) for name, state in self._states.items()}

    async def run(self, on_ready: Callable[[], Awaitable[None]]) -> None:
        """Start everything, call ``on_ready`` once all is ready, and keep it so until `stop`.

        Raises:
            Fault: a part did not come up at all; everything was stopped again.
        """
        loop = asyncio.get_running_loop()
        for number in stops.heard():
            loop.add_signal_handler(number, self.stop)
        keepers = {name: asyncio.create_task(self._keep(s)) for name, s in self._states.items()}
        for keeper in keepers.values():
            keeper.add_done_callback(self._kept)
        announce = asyncio.create_task(self._announce(on_ready))
        await self._stopping.wait()
        announce.cancel()
        self._tell({"event": "stopping"})
        for name in reversed(self._states):
            await self._end(self._states[name], keepers[name])
        await asyncio.gather(announce, return_exceptions=True)
        self._register.clear()
        for state in self._states.values():
            state.log.close()
        if self._fault is not None:
            raise self._fault

    def stop(self) -> None:
        """Let `run` stop everything and return."""
        self._stopping.set()

    def _kept(self, keeper: asyncio.Task[None]) -> None:
        """A keeper that fails leaves its part alone: better no service than half of one."""
        if not keeper.cancelled() and (error := keeper.exception()) is not None:
            self._give_up(Fault(f"the supervisor failed: {type(error).__name__}: {error}"))

    async def _announce(self, on_ready: Callable[[], Awaitable[None]]) -> None:
        # A part that was ready may have died while another came up.
        while not all(self.is_up().values()):
            for state in self._states.values():
                await state.ready.wait()
        try:
            await on_ready()
        except Exception as e:  # noqa: BLE001 - whatever it is, nobody else would hear of it
            reason = str(e) if isinstance(e, OSError) else f"{type(e).__name__}: {e}"
            self._give_up(Fault(f"the service cannot say that it is ready: {reason}"))

    async def _keep(self, state: _State) -> None:
        """Run a part again and again."""
        part = state.part
        backoff = Backoff()
        while True:
            for name in part.needs:
                await self._states[name].ready.wait()
            began = time.monotonic()
            try:
                state.process, state.output = await _spawn(part)
            except OSError as e:  # no more processes, files or memory: there may be again
                reason = f"cannot be started ({e.strerror or e})"
            else:
                self._note_start(state, state.process)
                reason = await self._run_once(state, state.process)
            self._clean_up(state)
            if state.ending:
                return
            if not state.was_ready and backoff.failures + 1 >= _FIRST_TRIES:
                words = state.log.last_words()
                said = f": {words}" if words else ""
                self._give_up(Fault(f"{part.name} {reason}{said}; see {state.log.path}"))
                return
            seconds = backoff.after(time.monotonic() - began)
            full = room.is_full(self._logs)
            self._tell(
                {
                    "event": "part-ended",
                    "part": part.name,
                    "reason": reason,
                    "last_words": state.log.last_words(),
                    "retry_s": round(seconds, 1),
                }
                | ({"full_disk": str(self._logs.parent)} if full else {})
            )
            await asyncio.sleep(seconds)
            while full and room.is_full(self._logs):  # noqa: ASYNC110 - no event tells of room
                await asyncio.sleep(_ROOM_SECONDS)

    def _note_start(self, state: _State, process: asyncio.subprocess.Process) -> None:
        name = state.part.name
        state.hung = ""
        state.starts += 1
        self._register.note(name, process.pid)
        self._tell({"event": "part-started", "part": name, "pids": {name: process.pid}})

    async def _run_once(self, state: _State, process: asyncio.subprocess.Process) -> str:
        """Until the process ends; why it did, in words."""
        reader = asyncio.create_task(self._read(state, state.output))
        prober = asyncio.create_task(self._probe(state))
        try:
            code = await process.wait()
        finally:
            prober.cancel()
            # What is in the pipe still; a grandchild may keep it open.
            await asyncio.wait([reader], timeout=_LAST_WORDS_SECONDS)
            reader.cancel()
            await asyncio.gather(reader, prober, return_exceptions=True)
        if state.hung:
            return f"hung ({state.hung}) and was killed"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    async def _read(self, state: _State, pipe: int) -> None:
        """Its output into its log, line by line; a line that is an event of ours is passed on."""
        stream = asyncio.StreamReader(limit=_LONGEST_LINE)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(pipe, "rb", buffering=0)
        )
        try:
            await self._copy(state, stream)
        finally:
            transport.close()

    async def _copy(self, state: _State, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # longer than the limit: the stream has dropped it
                continue
            if not line:
                return
            state.log.write(line)
            if line.startswith(b'{"event":'):
                self._pass_on(state, line)

    def _pass_on(self, state: _State, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        if event["event"] == "hung":
            # Seen by a part that works with it: `JobWatch` sees what the workers do.
            if (other := self._states.get(event.get("hung", ""))) is not None:
                self._end_hung(other, str(event.get("reason")))
            return
        self._tell({**event, "part": state.part.name})
        if event["event"] == "running" and state.part.is_ready is None:
            self._mark_ready(state)

    async def _probe(self, state: _State) -> None:
        """Ask until it is ready, then whether it still answers; kill it where it does not."""
        part = state.part
        patience = Patience(part.ready_seconds, time.monotonic())
        while not state.ready.is_set():
            if part.is_ready is not None and await self._ask(state, part.is_ready):
                self._mark_ready(state)
            elif patience.is_over(time.monotonic()) and state.process is not None:
                state.log.write(f"not ready within {part.ready_seconds:.0f} s\n".encode())
                state.process.kill()
                return
            else:
                await asyncio.sleep(_PROBE_SECONDS)
        if part.answers is not None:
            await self._until_hung(state, part.answers)

    async def _until_hung(self, state: _State, answers: Callable[[], Awaitable[bool]]) -> None:
        limit = state.part.hung_seconds
        patience = Patience(limit, time.monotonic())
        while True:
            await asyncio.sleep(min(_LOOK_SECONDS, limit / 4))
            if await self._ask(state, answers):
                patience.answered(time.monotonic())
            elif patience.is_over(time.monotonic()):
                self._end_hung(state, f"no answer for {limit:.0f} s")
                return

    def _end_hung(self, state: _State, reason: str) -> None:
        if state.process is None or state.ending:
            return  # it is being started again as it is
        state.hung = reason
        state.log.write(f"hung: {reason}\n".encode())
        self._tell({"event": "part-hung", "part": state.part.name, "reason": reason})
        # One that hangs may not hear a SIGTERM; all parts are made for this.
        with suppress(ProcessLookupError):
            state.process.kill()

    async def _ask(self, state: _State, question: Callable[[], Awaitable[bool]]) -> bool:
        """A question that fails is a no, with its reason in the part's log, once a reason."""
        try:
            return await question()
        except Exception as e:  # noqa: BLE001 - else nobody would ask any more
            words = f"asking whether it is well failed: {type(e).__name__}: {e}"
            if words != state.probe_failure:
                state.probe_failure = words
                state.log.write(f"{words}\n".encode())
            return False

    def _mark_ready(self, state: _State) -> None:
        if state.ready.is_set():
            return
        first = not state.was_ready
        state.was_ready = True
        state.ready.set()
        self._tell(
            {
                "event": "part-ready",
                "part": state.part.name,
                "first": first,
                "pids": {name: pid for name, pid in self.pids.items() if pid is not None},
            }
        )

    async def _end(self, state: _State, keeper: asyncio.Task[None]) -> None:
        state.ending = True
        if state.process is None:
            keeper.cancel()  # it waits for something
        else:
            await self._end_process(state, state.process)
        await asyncio.gather(keeper, return_exceptions=True)
        self._clean_up(state)

    async def _end_process(self, state: _State, process: asyncio.subprocess.Process) -> None:
        """Ask it to end and wait. The process, not its keeper: that one may have failed before."""
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), state.part.stop_seconds)
        except TimeoutError:
            state.log.write(b"did not end by itself in time\n")
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _clean_up(self, state: _State) -> None:
        """Nothing of the part's session stays, whatever it had started itself."""
        state.ready.clear()
        if state.process is not None:
            # The leader is gone, so whoever is in its session is one of its children.
            end_session(Started(state.part.name, state.process.pid, psutil.boot_time()))
            state.process = None

    def _give_up(self, fault: Fault) -> None:
        self._fault = fault
        self.stop()


async def _spawn(part: Part) -> tuple[asyncio.subprocess.Process, int]:
    """A process of the part, and our end of the pipe that it writes to.

    Raises:
        OSError: the system has none to give.
    """
    # A pipe of our own: with its own, asyncio takes a process for running while a grandchild
    # holds the pipe.
    ours, theirs = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *leashed(list(part.command)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=theirs,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(part.environment),
            start_new_session=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return process, ours
