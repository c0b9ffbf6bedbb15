"""`straitwatch up` as a child of a test, and its events."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from deploy.settings import Settings
from deploy.topic_files import PACKAGED

SECONDS = 150


class Up:
    """`up --json` on a home folder of its own, with no feeds."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self._settings = {f"STRAITWATCH_{name}": value for name, value in settings.items()}
        self.events: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            up_command(),
            env=environment(self.home) | self._settings,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        return process

    def again(self) -> None:
        """Start on the same home once more."""
        self.process.wait(SECONDS)
        self.events = []
        self.process = self._start()

    @property
    def pids(self) -> dict[str, int]:
        out: dict[str, int] = {}
        for event in list(self.events):
            out |= event.get("pids", {})
        return out

    def until(self, event: str, after: int = 0, **fields: Any) -> dict[str, Any]:
        """The first such event, or a failure; ``after``: of those from that number on."""

        def found() -> dict[str, Any] | None:
            for e in self.events[after:]:
                if e["event"] == event and all(e.get(k) == v for k, v in fields.items()):
                    return e
            return None

        with self._changed:
            done = self._changed.wait_for(
                lambda: found() is not None or self.process.poll() is not None, SECONDS
            )
            event_found = found()
            assert done, f"no {event} {fields} within {SECONDS} s: {self.events}"
            assert event_found is not None, f"up has ended: {self.events}"
            return event_found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                with self._changed:
                    self.events.append(json.loads(line))
                    self._changed.notify_all()
        process.wait()
        with self._changed:
            self._changed.notify_all()


def up_command() -> list[str]:
    return [sys.executable, "-m", "deploy.cli", "up", "--json"]


def environment(home: Path) -> dict[str, str]:
    ports = [name for name in Settings.model_fields if name.startswith("port_")]
    feeds, topics = home.parent / "feeds.toml", home.parent / "topics"
    feeds.write_text("")
    if not topics.exists():
        # A copy: other topic files than before would be a reason for a replay.
        shutil.copytree(PACKAGED, topics)
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("STRAITWATCH_")},
        **{f"STRAITWATCH_{name.upper()}": "0" for name in ports},
        "STRAITWATCH_HOME": str(home),
        "STRAITWATCH_FEEDS": str(feeds),
        "STRAITWATCH_TOPICS": str(topics),
    }
