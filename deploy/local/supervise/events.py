"""What `up` says: JSON lines for programs, few and calm words for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any, Final

Event = dict[str, Any]
"""``event``: its name; the rest depends on it. Documented in deploy/docs/operate.md."""

Listener = Callable[[Event], None]


def json_lines(event: Event) -> None:
    """A line a change of state, on stdout."""
    try:
        print(json.dumps(event, ensure_ascii=False), flush=True)  # noqa: T201 - the output
    except BrokenPipeError:
        # Whoever read us went away (`| head`); the service goes on.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_WORDS: Final[dict[str, str]] = {
    "leftovers-ended": "ended what a former service had left: {parts}",
    "starting": "starting …",
    "part-first-ready": "  {part} is ready",
    "part-ready": "{part} is back",
    "part-hung": "{part} hangs: {reason}",
    "part-ended": "{part} {reason}; started again in {retry_s:.0f} s",
    "ready": "ready: Kafka {kafka}, logs in {logs}; Ctrl-C stops it",
    "ready-console": "ready: console {console}, Kafka {kafka}, logs in {logs}; Ctrl-C stops it",
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
        case {"event": "ready", "console": str()}:
            name = "ready-console"
        case {"event": "running", "how": how}:
            name = f"running-{how}"
    if name in _WORDS:
        print(_WORDS[name].format_map(event), file=sys.stderr, flush=True)  # noqa: T201
