"""The program of a parse worker: documents come in on a socket, parsed feeds go out.

Started by `parse_workers.ParsePool` as ``python -m connectors.feeds.parse_worker``. Once it is
ready it gives up what a parser never needs: it can open no file and no connection (no descriptor is
left), write no file, dump no core, and take no more memory or time for a document than
`parse.limits` says.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from connectors.feeds.parse import document, limits, wire
from connectors.feeds.parse.model import DocumentReason, ParsedFeed


def main() -> None:
    """Serve documents from descriptor 0 until it is closed; answers go to descriptor 1."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the parent, which closes the socket.
    document.warm_up()
    with open(0, "rb", closefd=False) as requests, open(1, "wb", closefd=False) as answers:
        _give_up_rights()
        answers.write(wire.READY)
        answers.flush()
        while _serve_one(requests, answers):
            pass


def _serve_one(requests: BinaryIO, answers: BinaryIO) -> bool:
    head = requests.read(wire.REQUEST.size)
    if len(head) < wire.REQUEST.size:
        return False
    header_length, data_length = wire.REQUEST.unpack(head)
    header = json.loads(requests.read(header_length))
    data = requests.read(data_length)
    _allow_cpu(limits.CPU_SECONDS)
    exhausted = False
    try:
        answer = wire.dump(
            document.parse(
                data,
                content_type=header["content_type"],
                url=header["url"],
                feed_id=header["feed_id"],
                max_entries=header["max_entries"],
                now=datetime.now(UTC),
            )
        )
    except MemoryError:
        exhausted = True
        answer = wire.dump(_failed(DocumentReason.TOO_MUCH_MEMORY, "needs too much memory"))
    # A process boundary: whatever a document provokes ends as its own outcome.
    except Exception as e:  # noqa: BLE001
        answer = wire.dump(
            _failed(DocumentReason.CRASHED, f"the parser failed: {type(e).__name__}")
        )
    goes_on = not exhausted and _peak_memory() < limits.RECYCLE_BYTES
    answers.write(wire.ANSWER.pack(goes_on, len(answer)))
    answers.write(answer)
    answers.flush()
    return goes_on


def _failed(reason: DocumentReason, detail: str) -> ParsedFeed:
    return ParsedFeed(format=None, reason=reason, detail=detail)


def _allow_cpu(seconds: int) -> None:
    """SIGXCPU ends the process when it has used ``seconds`` more of processor time."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1 + seconds, hard))


def _give_up_rights() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stderr.fileno())
    os.close(null)
    most_memory = _address_space() + limits.WORKER_MEMORY_BYTES
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_AS, most_memory),
    ):
        resource.setrlimit(kind, (value, value))
    # 0, 1 and 2 are open: nothing else can be. `loose` raises it for the time of an import.
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 32))


def _peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
