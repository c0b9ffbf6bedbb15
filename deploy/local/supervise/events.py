"""What `up` says: JSON lines for programs, few and calm words for people."""

from __future__ import annotations

import io
import json
import os
import select
import sys
from collections.abc import Callable
from typing import Any, Final, TextIO

Event = dict[str, Any]
"""``event``: its name; the rest depends on it. Documented in deploy/docs/operate.md."""

Listener = Callable[[Event], None]


def json_lines(event: Event) -> None:
    """A line a change of state, on stdout."""
    _put(json.dumps(event, ensure_ascii=False), sys.stdout)


_READER_SECONDS: Final = 0.5
"""What a reader is given to make room for the next line, before that is dropped."""

_WORDS: Final[dict[str, str]] = {
    "leftovers-ended": "ended what a former service had left: {parts}",
    "starting": "starting …",
    "part-first-ready": "  {part} is ready",
    "part-ready": "{part} is back",
    "part-hung": "{part} hangs: {reason}",
    "part-ended": "{part} {reason}{said}; started again {when}",
    "ready": "ready: Kafka {kafka}, logs in {logs}; Ctrl-C stops it",
    "running-restored": "  the pipeline goes on from its newest checkpoint",
    "running-replay": "  the pipeline reads all that Kafka retains: {reason}",
    "rules-changing": "  other topic files: the pipeline tells what the old ones have decided …",
    "rules-live": "  rules {version} have read all that Kafka retains, and are live",
    "not-restored": "  checkpoint {checkpoint} is no use: {reason}",
    "job-restarted": "the engine has restarted the pipeline's job: {reason}",
    "job-left": "the pipeline's job is left on Flink: {reason}",
    "stopping": "stopping …",
    "stopped": "stopped",
}


def words(event: Event) -> None:
    """The same for a person, on stderr, where it is worth saying."""
    name = event["event"]
    match event:
        case {"event": "part-ready", "first": True}:
            name = "part-first-ready"
        case {"event": "running", "how": how}:
            name = f"running-{how}"
        case {"event": "part-ended", "last_words": last, "retry_s": seconds}:
            last = last.removeprefix("straitwatch: ")
            when = f"in {seconds:.0f} s" if seconds >= 1 else "at once"
            if "full_disk" in event:
                when = f"when there is room again in {event['full_disk']}: make some"
            event = event | {"said": f" ({last})" if last else "", "when": when}
    if name in _WORDS:
        _put(_WORDS[name].format_map(event), sys.stderr)


def _put(line: str, stream: TextIO) -> None:
    """Write a line where somebody may listen; the service goes on, and stops, whether they do."""
    try:
        if _takes(stream):
            print(line, file=stream, flush=True)
    except BrokenPipeError:
        # Whoever read us went away (`| head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except OSError:
        return  # a terminal that was closed, a file on a full disk


def _takes(stream: TextIO) -> bool:
    """Whether a line can be written: a reader that does not read would hold the whole service."""
    try:
        return bool(select.select([], [stream], [], _READER_SECONDS)[1])
    except io.UnsupportedOperation:
        return True  # no file of the system
