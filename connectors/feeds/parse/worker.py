"""The program of a parse worker: documents come in on a socket, what is in them goes out.

Started by `pool` as ``python -m connectors.feeds.parse.worker feeds 0`` (or ``pages``; the number
is its niceness). Once it is ready it gives up what a parser never needs: it can open no file and no
connection (no descriptor is left), write no file, dump no core, and take no more memory or time for
a document than `parse.limits` says.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

from connectors.feeds.parse import limits, wire

_Task = Callable[[bytes, dict[str, Any]], bytes]
"""A document and what is known about it -> the body of the answer."""


def main() -> None:
    """Serve documents from descriptor 0 until it is closed; answers go to descriptor 1."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent: it closes the socket.
    os.nice(int(sys.argv[2]))  # before all else: starting takes longer than most documents
    task = _TASKS[sys.argv[1]]()
    with open(0, "rb", closefd=False) as requests, open(1, "wb", closefd=False) as answers:
        memory = _Memory()
        _give_up_rights(memory)
        answers.write(wire.READY)
        answers.flush()
        while _serve_one(task, memory, requests, answers):
            pass


def _feeds() -> _Task:
    from connectors.feeds.parse import document

    def task(data: bytes, header: dict[str, Any]) -> bytes:
        return wire.dump(document.parse(data, now=datetime.now(UTC), **header))

    document.warm_up()
    return task


def _pages() -> _Task:
    from connectors.feeds import full_text

    def task(data: bytes, header: dict[str, Any]) -> bytes:
        return (full_text.extract(data, **header) or "").encode()

    full_text.warm_up()
    return task


_TASKS: Final[dict[str, Callable[[], _Task]]] = {"feeds": _feeds, "pages": _pages}
"""Kind of worker -> what loads all that it needs and gives its task."""


def _serve_one(task: _Task, memory: _Memory, requests: BinaryIO, answers: BinaryIO) -> bool:
    head = requests.read(wire.REQUEST.size)
    if len(head) < wire.REQUEST.size:
        return False
    header_length, data_length, seconds = wire.REQUEST.unpack(head)
    header = json.loads(requests.read(header_length))
    data = requests.read(data_length)
    before = time.process_time()
    _allow_cpu(seconds)
    try:
        outcome, answer = wire.Outcome.DONE, task(data, header)
    except MemoryError:
        outcome, answer = wire.Outcome.NO_MEMORY, b""
    # A process boundary: whatever a document provokes ends as its own outcome.
    except Exception as e:  # noqa: BLE001
        outcome, answer = wire.Outcome.FAILED, type(e).__name__.encode()
    _allow_cpu(0.0)
    used = time.process_time() - before
    goes_on = outcome is not wire.Outcome.NO_MEMORY and memory.grown() < limits.RECYCLE_BYTES
    answers.write(wire.ANSWER.pack(goes_on, outcome, len(answer), used))
    answers.write(answer)
    answers.flush()
    return goes_on


def _allow_cpu(seconds: float) -> None:
    """SIGPROF ends the process when it has used ``seconds`` of processor time; 0: it may go on.

    Not RLIMIT_CPU, which counts whole seconds.
    """
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _give_up_rights(memory: _Memory) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stderr.fileno())
    os.close(null)
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_AS, memory.at_start + limits.WORKER_MEMORY_BYTES),
    ):
        resource.setrlimit(kind, (value, value))
    # 0 to 3 are open: nothing else can be. `loose` raises it for the time of an import.
    resource.setrlimit(resource.RLIMIT_NOFILE, (4, 32))


class _Memory:
    """The address space of this process, which is what its limit counts.

    Not the peak of `resource.getrusage`: a process inherits that of the one that started it.
    """

    def __init__(self) -> None:
        self._statm = os.open("/proc/self/statm", os.O_RDONLY)
        os.dup2(self._statm, 3)
        if self._statm != 3:
            os.close(self._statm)
            self._statm = 3
        self.at_start = self._now()

    def grown(self) -> int:
        """Bytes more than at the start."""
        return self._now() - self.at_start

    def _now(self) -> int:
        return int(os.pread(self._statm, 100, 0).split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    main()
