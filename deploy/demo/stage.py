"""A stage for the whole service: a folder of its own, `straitwatch up` as a child, and its events.

The demo plays on it, and so do the fault runs and the latency figures.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from connectors.feeds.state.database import sqlite_url
from deploy.errors import Fault
from deploy.ledger import LedgerView, read_ledger
from deploy.local.job.generations import GenerationStore
from deploy.local.layout import Layout
from deploy.local.supervise.processes import leashed
from deploy.settings import Settings
from pipeline.contracts.clock import Clock

READY_SECONDS: Final = 180.0
STOP_SECONDS: Final = 30.0
PORTS: Final = tuple(
    name.removeprefix("port_").upper() for name in Settings.model_fields if name.startswith("port_")
)

OnEvent = Callable[[dict[str, Any]], None]


class Service:
    """`straitwatch up --json` as a child: its events, its processes, its ports."""

    def __init__(self, environment: Mapping[str, str], on_event: OnEvent | None = None) -> None:
        self._environment = dict(environment)
        self._on_event = on_event or (lambda _event: None)
        self._changed = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._listener: threading.Thread | None = None
        self._ready: dict[str, Any] | None = None
        self._pids: dict[str, int] = {}

    @property
    def kafka(self) -> str:
        """``host:port`` of the broker."""
        return str(self._known()["kafka"])

    @property
    def metrics(self) -> dict[str, str]:
        """The metrics page of each part that has one."""
        return dict(self._known()["metrics"])

    @property
    def pids(self) -> dict[str, int]:
        """The process of each part, as the newest event has it."""
        with self._changed:
            return dict(self._pids)

    def start(self) -> None:
        """Start, and wait until it is ready; from the main thread (see `leashed`).

        Raises:
            Fault: it ended, or was not ready in time.
        """
        command = leashed([*straitwatch(), "up", "--json"])
        self._ready = None
        self._process = subprocess.Popen(
            command,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self._listener = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._listener.start()
        self.wait_until(lambda: self._ready is not None or not self.alive, READY_SECONDS)
        if self._ready is None:
            self.stop()
            raise Fault("the service did not come up: the lines above say why")

    @property
    def alive(self) -> bool:
        """Whether the supervisor runs."""
        return self._process is not None and self._process.poll() is None

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until an event makes ``condition`` true; whether it did."""
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def reap(self) -> None:
        """Collect the supervisor after it was killed."""
        if self._process is not None:
            self._process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """Ask it to stop and wait until its last event was told; its exit code."""
        if self._process is None:
            return 0
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self._listener is not None:
            self._listener.join(STOP_SECONDS)
        return code

    def _known(self) -> dict[str, Any]:
        if self._ready is None:
            raise Fault("the service is not ready")
        return self._ready

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101 - asked for with PIPE
        with process.stdout as lines:
            for line in lines:
                event = json.loads(line)
                with self._changed:
                    self._pids |= event.get("pids", {})
                    if event["event"] == "ready":
                        self._ready = event
                    self._changed.notify_all()
                self._on_event(event)
        process.wait()
        with self._changed:
            self._changed.notify_all()


@contextmanager
def running(service: Service) -> Iterator[Service]:
    """The service, from ready to stopped."""
    try:
        service.start()
        yield service
    finally:
        service.stop()


def stage_environment(home: Path, **settings: str) -> dict[str, str]:
    """An environment in which only ``settings`` are set (names without prefix), on free ports.

    What the user has set for the real service does not concern a stage, but for the jars' mirror.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STRAITWATCH_") or name == "STRAITWATCH_JAR_MIRROR"
    }
    ports = {f"STRAITWATCH_PORT_{port}": "0" for port in PORTS}
    ours = {f"STRAITWATCH_{name}": value for name, value in settings.items()}
    return kept | ports | {"STRAITWATCH_HOME": str(home)} | ours


def command_on(service: Service, environment: Mapping[str, str], *arguments: str) -> str:
    """Run a `straitwatch` command against the running service; its output.

    Raises:
        Fault: it failed; the message has its last words.
    """
    done = subprocess.run(
        [*straitwatch(), *arguments],
        env={**environment, "STRAITWATCH_KAFKA_BOOTSTRAP": service.kafka},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise Fault(f"`straitwatch {' '.join(arguments[:2])}` failed: {done.stderr.strip()[-300:]}")
    return done.stdout


def settled(home: Path, kafka: str, clock: Clock, seconds: float) -> LedgerView:
    """The ledger once nothing is under way any more, or as it stands after ``seconds``."""
    deadline = clock.monotonic() + seconds
    calm = 0
    previous: LedgerView | None = None
    counted = GenerationStore(Layout(home).engine).counted()
    while True:
        ledger = read_ledger(sqlite_url(home), kafka, counted)
        calm = calm + 1 if ledger.lost == 0 and _progress(ledger) == _progress(previous) else 0
        if calm >= 2 or clock.monotonic() > deadline:
            return ledger
        previous = ledger
        clock.sleep(1.0)


def straitwatch() -> list[str]:
    """The command of this very installation."""
    return [sys.executable, "-m", "deploy.cli"]


def _progress(ledger: LedgerView | None) -> tuple[int, int] | None:
    # Polls go on for ever and find only duplicates: they are no progress.
    return None if ledger is None else (ledger.accepted, ledger.tagged + ledger.off_topic)
