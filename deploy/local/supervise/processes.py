"""Child processes that cannot outlive us, and the list of them for the next start."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

LEASH: Final = Path(__file__).with_name("leash.py")


def leashed(command: list[str]) -> list[str]:
    """The command such that it dies with this process, even by kill -9.

    It must be started by the main thread: Linux looks at the thread that started it.
    """
    return [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *command]


@dataclass(frozen=True, slots=True)
class Started:
    """A process that leads a session of its own, as the register notes it."""

    part: str
    pid: int
    created: float
    """Seconds since the epoch, as the kernel counts: with the pid, that process and no other."""


class Register:
    """The processes of the running service, in a file, for the start after a kill -9.

    The leash ends our children with us, but a child's own children (parser processes, say) may
    linger, and the file tells the next start which ones are ours.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._entries: dict[str, Started] = {}

    def note(self, part: str, pid: int) -> None:
        """Write down a part's new process."""
        try:
            created = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return
        self.note_started(Started(part, pid, created))

    def note_started(self, entry: Started) -> None:
        """Write down a part's new process, as it was read."""
        self._entries[entry.part] = entry
        self._write()

    def clear(self) -> None:
        """All were stopped."""
        self._entries.clear()
        self._write()

    def end_leftovers(self) -> list[Started]:
        """Kill what a former service left running; which parts those were."""
        out = [entry for entry in self._read() if end_session(entry)]
        self.clear()
        return out

    def _write(self) -> None:
        new = self._file.with_suffix(".new")
        # On a full disk the leash must do alone; the service goes on.
        with contextlib.suppress(OSError):
            new.write_text(json.dumps([asdict(entry) for entry in self._entries.values()]))
            new.replace(self._file)

    def _read(self) -> list[Started]:
        try:
            return [Started(**entry) for entry in json.loads(self._file.read_text())]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError):
            return []  # half a file of a full disk: the leash has ended them all the same


def end_session(entry: Started) -> bool:
    """Kill -9 that process and everything in its session; whether there was anything.

    A pid is not given again while a session of that number has members. So when the process of
    that number was created at another moment, the session is a stranger's; else all of it is ours.
    """
    ours = list(_session(entry.pid))
    leader = next((p for p in ours if p.pid == entry.pid), None)
    if leader is not None and abs(_created(leader) - entry.created) > 1:
        return False
    for process in ours:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(ours, timeout=5)
    return bool(ours)


def _session(leader: int) -> Iterable[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.pid == leader or os.getsid(process.pid) == leader:
                yield process
        except (ProcessLookupError, PermissionError):
            continue


def _created(process: psutil.Process) -> float:
    try:
        return process.create_time()
    except psutil.NoSuchProcess:
        return 0.0
