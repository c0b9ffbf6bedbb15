"""Processor time and memory of the service's parts, each with its children."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import psutil

from deploy.demo.stage import Service

_PARTS: Final = ("kafka", "engine", "workers", "pipeline", "feeds", "desk", "supervisor")

ByPart = dict[str, float]


class Meter:
    """Processor time from here on; what has ended by then is not in it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._before = _cpu(service)

    def seconds(self) -> ByPart:
        """So far, by part."""
        return _spent(self._before, _cpu(self._service))


def idle(service: Service, seconds: float) -> tuple[ByPart, ByPart]:
    """Per cent of one core and megabytes of the service when nothing is asked of it."""
    before, began = _cpu(service), time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - began
    spent = _spent(before, _cpu(service))
    cpu = {part: seconds / elapsed * 100 for part, seconds in spent.items()}
    memory = {
        part: sum(_ask(process, _bytes) for process in family) / 1e6
        for part, family in _families(service).items()
    }
    return cpu, memory


def _spent(before: dict[str, dict[int, float]], after: dict[str, dict[int, float]]) -> ByPart:
    """Processor time between the two; a process that came meanwhile counts from its start."""
    return {
        part: sum(s - before.get(part, {}).get(pid, 0.0) for pid, s in family.items())
        for part, family in after.items()
    }


def _cpu(service: Service) -> dict[str, dict[int, float]]:
    """Seconds of processor time by part and process, children included."""
    return {
        part: {process.pid: _ask(process, _seconds) for process in family}
        for part, family in _families(service).items()
    }


def _families(service: Service) -> dict[str, list[psutil.Process]]:
    """The processes of each part; those of the supervisor without those of its parts."""
    pids = service.pids
    families = {}
    for part in _PARTS:
        try:
            process = psutil.Process(pids[part])
            below = [] if part == "supervisor" else process.children(recursive=True)
        except (psutil.Error, KeyError):
            continue
        families[part] = [process, *below]
    return families


def _ask(process: psutil.Process, what: Callable[[psutil.Process], float]) -> float:
    try:
        return what(process)
    except psutil.Error:  # it ended while we looked
        return 0.0


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _bytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss)
