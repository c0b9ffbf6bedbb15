"""The pipeline's job on our engine: attach to it or start it, from a checkpoint where there is one.

There is never a second job: the engine's REST service, on one fixed port, belongs to one job, and
whoever finds a job of ours there attaches to it.
"""

from __future__ import annotations

import hashlib
import json
import queue
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy.errors import Fault
from deploy.job import JOB_NAME
from deploy.local import ports
from deploy.local.checkpoints import Checkpoint, CheckpointStore, JobNote
from deploy.local.engine import EngineSetup
from deploy.local.flink import FlinkAway, FlinkRest, JobView
from deploy.local.processes import leashed

Emit = Callable[..., None]
"""Tells the supervisor: ``emit(event, **fields)``."""

REPLAY_REQUEST: Final = "replay.request"
"""A file of this name in the engine's folder asks for a replay; its text is the reason."""

_START_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.2
_WATCH_SECONDS: Final = 2.0
_AWAY_LIMIT: Final = 5
"""Looks in a row that Flink may fail to answer: the machine may be busy."""
_STATE_IS_NO_USE: Final = ("StateVersionError", "LogReplacedError")
"""In the cause of a failure: the restored state is of another version than the code, or of another
Kafka's log than this one."""


class _NotRestored(Exception):
    """This checkpoint is no use; the next one, or a replay."""


@dataclass(frozen=True, slots=True)
class PipelineJob:
    """The job that belongs to one engine."""

    engine: EngineSetup
    kafka: str
    topic_files: Mapping[str, str]
    emit: Emit

    def run(self) -> None:
        """Attach or start, then watch until the job is over.

        Raises:
            Fault: the job ended or cannot be started; to be run again.
        """
        job_id = self._attach() or self._start()
        while (reason := self._watch(job_id)) is not None:
            self._cancel(job_id)
            job_id = self._replay(reason)

    def _attach(self) -> str | None:
        try:
            jobs = self._rest.active_jobs()
        except FlinkAway:
            return None
        for job_id in jobs:
            if self._store.note_of(job_id) is not None:
                self.emit("running", job=job_id, how="attached")
                return job_id
            # Started, and the one who did so was killed before it knew whether state came back.
            self._cancel(job_id)
        return None

    def _start(self) -> str:
        request = self.engine.folder / REPLAY_REQUEST
        if request.exists():
            return self._replay(_read(request))
        candidates = self._store.newest_first()
        if not candidates:
            return self._replay("there is no checkpoint")
        rules = digest(self.topic_files)
        if candidates[0].note.rules != rules:
            return self._replay("the topic files have changed")
        reasons = []
        for checkpoint in candidates:
            try:
                return self._restore(checkpoint)
            except _NotRestored as e:
                reasons.append(f"{checkpoint.folder.name}: {e}")
                self.emit("not-restored", checkpoint=str(checkpoint.folder), reason=str(e))
        return self._replay(f"no checkpoint can be restored ({'; '.join(reasons)[:500]})")

    def _restore(self, checkpoint: Checkpoint) -> str:
        self.engine.configure(restore_from=checkpoint.folder)
        try:
            job = self._submit(checkpoint.note.generation)
            came_from = self._rest.checkpoints(job.job_id).restored_from
        except FlinkAway as e:
            raise Fault(f"the engine went away while the job started: {e}") from e
        finally:
            self.engine.configure(restore_from=None)
        if came_from is None or Path(came_from.removeprefix("file:")) != checkpoint.folder:
            self._cancel(job.job_id)
            raise _NotRestored(f"Flink says that the state came from {came_from}")
        if _comparable(job.vertices) != _comparable(checkpoint.note.vertices):
            self._cancel(job.job_id)
            raise _NotRestored("the job's steps are not those that the state belongs to")
        self._note(job, checkpoint.note.generation)
        self.emit("running", job=job.job_id, how="restored", checkpoint=str(checkpoint.folder))
        return job.job_id

    def _replay(self, reason: str) -> str:
        """Start empty, from the earliest records that Kafka retains: on purpose, and said so."""
        generation = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.engine.configure(restore_from=None)
        try:
            job = self._submit(generation)
        except (_NotRestored, FlinkAway) as e:
            raise Fault(f"the job does not start: {e}") from e
        self._note(job, generation)
        (self.engine.folder / REPLAY_REQUEST).unlink(missing_ok=True)
        self.emit("running", job=job.job_id, how="replay", reason=reason, generation=generation)
        return job.job_id

    def _submit(self, generation: str) -> JobView:
        """Hand the job over and wait until Flink runs it.

        Raises:
            Fault: something else than the job is at fault.
            _NotRestored: the engine took it, and it failed at once.
        """
        at = self.engine.ports
        name = f"{JOB_NAME}-{secrets.token_hex(4)}"
        options = {
            "bootstrap": self.kafka,
            "topic_files": dict(self.topic_files),
            "job_endpoint": f"{ports.HOST}:{at.job}",
            "artifact_endpoint": f"{ports.HOST}:{at.artifact}",
            "worker_pool": f"{ports.HOST}:{at.workers}",
            "generation": generation,
            "name": name,
        }
        with _Submitter(options) as submitter:
            end = time.monotonic() + _START_SECONDS
            while time.monotonic() < end:
                failure = submitter.failure()
                if failure is not None:
                    if submitter.accepted and ports.answers(at.job):
                        raise _NotRestored(failure)
                    raise Fault(f"the engine did not take the job: {failure}")
                if submitter.accepted and (job := self._started(name)) is not None:
                    return job
                time.sleep(_LOOK_SECONDS)
        raise Fault(f"the job did not run within {_START_SECONDS:.0f} s; see logs/engine.log")

    def _started(self, name: str) -> JobView | None:
        try:
            for job_id in self._rest.active_jobs():
                job = self._rest.job(job_id)
                if job.name == name and job.state in {"RUNNING", "RESTARTING"}:
                    return job
        except FlinkAway:
            pass
        return None

    def _watch(self, job_id: str) -> str | None:
        """Look until a replay is due, and return the reason for it.

        Raises:
            Fault: the job is over, or the engine is gone.
        """
        away = 0
        seen_failure = self._failure(job_id)
        pruned = False
        while True:
            time.sleep(_WATCH_SECONDS)
            try:
                job = self._rest.job(job_id)
                if job.state not in {"RUNNING", "RESTARTING", "FAILING", "CREATED"}:
                    raise Fault(f"the job has ended: {job.state}")
                failure = self._rest.last_failure(job_id)
                if not pruned and self._rest.checkpoints(job_id).completed:
                    self._store.prune(keep=job_id)
                    pruned = True
            except FlinkAway as e:
                away += 1
                if away >= _AWAY_LIMIT or not ports.answers(self.engine.ports.job):
                    raise Fault(f"the engine or its job is gone ({e})") from e
                continue
            away = 0
            if failure is not None and failure != seen_failure:
                self.emit("job-restarted", reason=failure[1])
                if any(error in failure[1] for error in _STATE_IS_NO_USE):
                    return f"the restored state is no use: {failure[1]}"
            seen_failure = failure
            request = self.engine.folder / REPLAY_REQUEST
            if request.exists():
                return _read(request)

    def _failure(self, job_id: str) -> tuple[int, str] | None:
        try:
            return self._rest.last_failure(job_id)
        except FlinkAway:
            return None

    def _cancel(self, job_id: str) -> None:
        """End the job, and wait until it is over: the next one needs its ports."""
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            try:
                if job_id not in self._rest.active_jobs():
                    # Cancelling still; the service ends with the job.
                    time.sleep(_LOOK_SECONDS)
                    continue
                self._rest.cancel(job_id)
            except FlinkAway:
                if ports.is_free(self.engine.ports.rest):
                    return
            time.sleep(_LOOK_SECONDS)
        raise Fault(f"the job {job_id} cannot be ended; see logs/engine.log")

    def _note(self, job: JobView, generation: str) -> None:
        self._store.note(job.job_id, JobNote(generation, digest(self.topic_files), job.vertices))

    @property
    def _rest(self) -> FlinkRest:
        return FlinkRest(f"{ports.HOST}:{self.engine.ports.rest}")

    @property
    def _store(self) -> CheckpointStore:
        return CheckpointStore(self.engine.checkpoints)


def digest(topic_files: Mapping[str, str]) -> str:
    """Names a set of topic files by its content."""
    text = json.dumps(sorted(topic_files.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _comparable(vertices: Mapping[str, str]) -> dict[str, str]:
    """Vertices with the steps in their names in one order: Beam lists them in any."""
    return {vertex: " ".join(sorted(re.split(r"\W+", name))) for vertex, name in vertices.items()}


def _read(request: Path) -> str:
    try:
        return request.read_text(encoding="utf-8").strip() or "it was asked for"
    except OSError:
        return "it was asked for"


class _Submitter:
    """`deploy.local.submit` as a child, as long as the block lasts."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.accepted = False
        self._failure: str | None = None
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            leashed([sys.executable, "-m", "deploy.local.submit"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert self._process.stdin is not None  # noqa: S101 - asked for with PIPE
        json.dump(options, self._process.stdin)
        self._process.stdin.close()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> _Submitter:
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
