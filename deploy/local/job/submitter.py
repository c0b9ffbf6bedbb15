"""The process that hands a job to the engine (`deploy.local.job.submit`), as its parent sees it."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from deploy.local.supervise.processes import leashed


class Submitter:
    """`deploy.local.job.submit` as a child, as long as the block lasts."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.accepted = False
        self._failure: str | None = None
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            leashed([sys.executable, "-m", "deploy.local.job.submit"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert self._process.stdin is not None  # noqa: S101 - asked for with PIPE
        json.dump(options, self._process.stdin)
        self._process.stdin.close()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Submitter:
        return self

    def __exit__(self, *_: object) -> None:
        # It only looks on: the job is the engine's.
        self._process.kill()
        self._process.wait()

    def failure(self) -> str | None:
        """Why it failed; None while it has not."""
        while not self._events.empty():
            event = self._events.get()
            if event["event"] == "accepted":
                self.accepted = True
            else:
                self._failure = event["reason"]
        return self._failure

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - asked for with PIPE
        for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # a word of some library
            if isinstance(event, dict) and "event" in event:
                self._events.put(event)
        code = self._process.wait()
        self._events.put({"event": "failed", "reason": f"the submitting process ended: {code}"})
