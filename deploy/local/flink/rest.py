"""Flink's REST service, as far as we ask it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Final

_SECONDS: Final = 5.0
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""The engine is ours, on this machine: proxies of the environment are not for it."""
_END_OF_TIME: Final = 2**53
_RECORDS: Final = ("read-records", "write-records")

ACTIVE: Final = frozenset({"INITIALIZING", "CREATED", "RUNNING", "RESTARTING", "FAILING"})
"""States of a job that is not over (Flink's JobStatus); the others are CANCELLING and terminal."""


class FlinkAway(Exception):
    """Flink does not answer; inside the job server it answers only while a job runs."""


@dataclass(frozen=True, slots=True)
class JobView:
    """What Flink says about a job."""

    job_id: str
    name: str
    state: str
    vertices: dict[str, str]
    """Id -> name: what state is kept by."""
    records: int = 0
    """That its vertices have read and written since it was started or restarted."""


@dataclass(frozen=True, slots=True)
class CheckpointView:
    """What Flink says about the checkpoints of a job."""

    completed: int
    """Since it started."""
    restored_from: str | None
    """Path of the checkpoint that its state came from; None: it started empty."""
    triggered_ms: int | None = None
    """When the newest complete one began, ms since the epoch."""


class FlinkRest:
    """One Flink, at ``host:port``. Every call may raise `FlinkAway`."""

    def __init__(self, address: str) -> None:
        self.address = address

    def version(self) -> str:
        """The version of Flink, as in ``1.19.1``."""
        return str(self._get("/config")["flink-version"])

    def active_jobs(self) -> list[str]:
        """Ids of the jobs that are not over."""
        jobs = self._get("/jobs")["jobs"]
        return [str(job["id"]) for job in jobs if job["status"] in ACTIVE]

    def job(self, job_id: str) -> JobView:
        """One job."""
        found = self._get(f"/jobs/{job_id}")
        vertices = {str(v["id"]): str(v["name"]) for v in found["vertices"]}
        records = sum(int(v["metrics"][way]) for v in found["vertices"] for way in _RECORDS)
        return JobView(job_id, str(found["name"]), str(found["state"]), vertices, records)

    def checkpoints(self, job_id: str) -> CheckpointView:
        """Its checkpoints."""
        found = self._get(f"/jobs/{job_id}/checkpoints")
        restored, newest = found["latest"]["restored"], found["latest"]["completed"]
        return CheckpointView(
            int(found["counts"]["completed"]),
            None if restored is None else str(restored["external_path"]),
            None if newest is None else int(newest["trigger_timestamp"]),
        )

    def watermark(self, job: JobView, step: str) -> int | None:
        """How far the vertex that holds ``step`` has come, ms of event time; None: not begun."""
        marks = [
            int(mark["value"])
            for vertex, name in job.vertices.items()
            if step in name
            for mark in self._get(f"/jobs/{job.job_id}/vertices/{vertex}/watermarks")
        ]
        # Long.MIN before the first one, Long.MAX at the end of all input.
        return min(marks) if marks and 0 <= min(marks) < _END_OF_TIME else None

    def last_failure(self, job_id: str) -> tuple[int, str] | None:
        """When (ms since the epoch) and why the job was restarted last; None: never."""
        entries = self._get(f"/jobs/{job_id}/exceptions")["exceptionHistory"]["entries"]
        if not entries:
            return None
        newest = max(entries, key=lambda entry: int(entry["timestamp"]))
        return int(newest["timestamp"]), _root_cause(str(newest["stacktrace"]))

    def cancel(self, job_id: str) -> None:
        """Ask the job to end; its retained checkpoints stay."""
        self._ask("PATCH", f"/jobs/{job_id}")

    def _get(self, path: str) -> Any:
        return self._ask("GET", path)

    def _ask(self, method: str, path: str) -> Any:
        request = urllib.request.Request(f"http://{self.address}/v1{path}", method=method)
        try:
            with _DIRECT.open(request, timeout=_SECONDS) as answer:
                return json.load(answer)
        except (urllib.error.URLError, OSError, ValueError) as e:
            raise FlinkAway(f"Flink at {self.address}: {e}") from e


def _root_cause(trace: str) -> str:
    """The line of a Java stack trace, with Python's inside, that says most."""
    lines = [line.strip() for line in trace.splitlines() if line.strip()]
    python = [line for line in lines if "Error: " in line or "[while running" in line]
    causes = [line for line in lines if line.startswith("Caused by: ")]
    best = (python or causes or lines[:1] or ["no word of it"])[-1]
    return best.removeprefix("Caused by: ")[:300]
