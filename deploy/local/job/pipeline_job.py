"""The pipeline's job on our engine: attach to it or start it, from a checkpoint where there is one.

There is never a second job: the engine's REST service, on one fixed port, belongs to one job, and
whoever finds a job of ours there attaches to it (`our_jobs` says which those are on a Flink of the
user's). A job with other rules than those in force is given time to tell what it has decided, then
ended; what follows is a new generation, a replay.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.errors import Fault
from deploy.local import ports
from deploy.local.flink.checkpoints import Checkpoint, CheckpointStore, JobNote
from deploy.local.flink.engine import EngineSetup
from deploy.local.flink.rest import FlinkAway, FlinkRest, JobView
from deploy.local.job.follow import Follow
from deploy.local.job.generations import (
    Generation,
    GenerationStore,
    hand_over,
    note_counted,
    young_topics,
)
from deploy.local.job.our_jobs import OurJobs
from deploy.local.job.stall import Stall
from deploy.local.job.submitter import Submitter
from deploy.local.kafka import is_ready
from pipeline.rules.alerts.detector import DETECTOR_VERSION

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


_DRAIN_SECONDS: Final = 45.0
"""What a job with old rules is given to tell all until the new ones were asked for."""


class _NotRestored(Exception):
    """This checkpoint is no use; the next one, or a replay."""


@dataclass(frozen=True, slots=True)
class JobRules:
    """The topic files in force."""

    version: str
    topics: tuple[str, ...]
    files: Mapping[str, str]
    asked_at: float
    """Seconds since 1970: what topics new to the service tell begins then."""


@dataclass(frozen=True, slots=True)
class PipelineJob:
    """The job that belongs to one engine."""

    engine: EngineSetup
    kafka: str
    rules: JobRules
    is_changed: Callable[[], bool]
    """Whether other rules are in force by now."""
    emit: Emit
    stalled_seconds: float = 120.0
    """A job in which nothing moves for so long is helped up."""
    readers: int = 2
    """As in `deploy.job.JobOptions`. State of a job with another number is not gone on with."""

    def run(self) -> None:
        """Attach or start, then watch until other rules are in force.

        Raises:
            Fault: the job ended or cannot be started; to be run again.
        """
        job_id = self._attach() or self._start()
        while (reason := self._watch(job_id)) is not None:
            self._jobs.cancel(job_id)
            job_id = self._replay(reason)

    def _attach(self) -> str | None:
        try:
            jobs = self._jobs.active()
        except FlinkAway as e:
            if self.engine.flink is None and not ports.answers(self.engine.ports.rest):
                return None  # inside our own engine the service lives as long as a job
            # The job may be there all the same: a second one would count everything twice, or be
            # refused its place, and a replay would follow for nothing.
            raise Fault(str(e)) from e
        current = self._generations.current()
        for job_id in jobs:
            note = self._store.note_of(job_id)
            if note is not None and current is not None and note.generation == current.name:
                if (note.kafka, note.workers) != (self.kafka, self.engine.workers):
                    self._jobs.cancel(job_id)
                    continue
                if not self._outdated(note):
                    self.emit(
                        "running",
                        job=job_id,
                        how="attached",
                        generation=current.name,
                        live=current.live,
                    )
                    return job_id
                self._drain(job_id, current)
            # Of other rules; or the one who started it was killed before it knew whether state
            # came back.
            self._jobs.cancel(job_id)
        return None

    def _outdated(self, note: JobNote) -> str | None:
        """Why state of that job cannot be gone on with; None: it can."""
        if note.rules != self.rules.version:
            return "the topic files have changed"
        if note.detector != DETECTOR_VERSION:
            return f"the detector has changed to version {DETECTOR_VERSION}"
        return None

    def _drain(self, job_id: str, generation: Generation) -> None:
        """Let the job tell all that was to be told when the new rules were asked for."""
        self.emit("rules-changing", version=self.rules.version)
        follow = Follow(self._rest, self._generations, generation.topics)
        end = time.monotonic() + _DRAIN_SECONDS
        try:
            job = self._rest.job(job_id)
            while follow.told_until() < self.rules.asked_at and time.monotonic() < end:
                time.sleep(_LOOK_SECONDS)
                follow.look(job)
        except FlinkAway:
            pass  # what it did not tell, the next one will

    def _start(self) -> str:
        request = self.engine.folder / REPLAY_REQUEST
        if request.exists():
            return self._replay(_read(request))
        current = self._generations.current()
        found = self._store.newest_first()
        # Never state of another generation: others have told since what it would tell again.
        candidates = [c for c in found if current and c.note.generation == current.name]
        if current is None or not candidates:
            begun = current is not None and not current.live and current.rules == self.rules.version
            if current is not None and begun:
                return self._replay(current.reason)
            changed = found and self._outdated(found[0].note)
            return self._replay(changed or "there is no checkpoint")
        if outdated := self._outdated(candidates[0].note):
            return self._replay(outdated)
        reasons = []
        for checkpoint in candidates:
            try:
                return self._restore(checkpoint, current)
            except _NotRestored as e:
                reasons.append(f"{checkpoint.folder.name}: {e}")
                self.emit("not-restored", checkpoint=str(checkpoint.folder), reason=str(e))
        return self._replay(f"no checkpoint can be restored ({'; '.join(reasons)[:500]})")

    def _restore(self, checkpoint: Checkpoint, generation: Generation) -> str:
        self.engine.configure(restore_from=checkpoint.folder)
        try:
            job = self._submit(generation)
            came_from = self._rest.checkpoints(job.job_id).restored_from
        except FlinkAway as e:
            raise Fault(f"the engine went away while the job started: {e}") from e
        finally:
            self.engine.configure(restore_from=None)
        if came_from is None or Path(came_from.removeprefix("file:")) != checkpoint.folder:
            self._jobs.cancel(job.job_id)
            raise _NotRestored(f"Flink says that the state came from {came_from}")
        if _comparable(job.vertices) != _comparable(checkpoint.note.vertices):
            self._jobs.cancel(job.job_id)
            raise _NotRestored("the job's steps are not those that the state belongs to")
        self._note(job, generation)
        self.emit(
            "running",
            job=job.job_id,
            how="restored",
            checkpoint=str(checkpoint.folder),
            generation=generation.name,
            live=generation.live,
        )
        return job.job_id

    def _replay(self, reason: str) -> str:
        """Start empty, from the earliest records that Kafka retains: on purpose, and said so."""
        generation = self._next_generation(reason)
        self._generations.save(generation)
        self.engine.configure(restore_from=None)
        try:
            job = self._submit(generation)
        except (_NotRestored, FlinkAway) as e:
            raise Fault(f"the job does not start: {e}") from e
        self._note(job, generation)
        (self.engine.folder / REPLAY_REQUEST).unlink(missing_ok=True)
        self.emit(
            "running", job=job.job_id, how="replay", reason=reason, generation=generation.name
        )
        return job.job_id

    def _next_generation(self, reason: str) -> Generation:
        """A new run, with what it takes over from those before."""
        now = datetime.now(UTC)
        told = self._generations.told()
        asked_at = int(self.rules.asked_at)
        taken = hand_over(self.kafka, told, self.rules.topics, asked_at)
        note_counted(self.kafka, self._generations)
        return Generation(
            name=now.strftime("%Y%m%dT%H%M%S.%fZ"),
            rules=self.rules.version,
            started_at=now.timestamp(),
            reason=reason,
            topics={
                topic: taken.handovers[topic].since if topic in taken.handovers else 0
                for topic in self.rules.topics
            },
            handover={topic: left.to_json() for topic, left in taken.handovers.items()},
        )

    def _submit(self, generation: Generation) -> JobView:
        """Hand the job over and wait until Flink runs it.

        Raises:
            Fault: something else than the job is at fault.
            _NotRestored: the engine took it, and it failed at once.
        """
        at = self.engine.ports
        name = self._jobs.new_name()
        options = {
            "bootstrap": self.kafka,
            "topic_files": dict(self.rules.files),
            "job_endpoint": f"{ports.HOST}:{at.job}",
            "artifact_endpoint": f"{ports.HOST}:{at.artifact}",
            "worker_pool": self.engine.workers,
            "generation": generation.name,
            "handover": dict(generation.handover),
            "name": name,
            "readers": self.readers,
        }
        with Submitter(options) as submitter:
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
        """Look until a replay is due, and return the reason for it; None: other rules are in force.

        Raises:
            Fault: the job is over, or the engine is gone.
        """
        away = 0
        seen_failure = self._failure(job_id)
        pruned = False
        generation = self._generations.current()
        assert generation is not None  # noqa: S101 - the job belongs to it
        follow = Follow(self._rest, self._generations, generation.topics)
        stall = Stall(self.stalled_seconds, time.monotonic())
        while True:
            time.sleep(_WATCH_SECONDS)
            try:
                job = self._rest.job(job_id)
                if job.state not in {"RUNNING", "RESTARTING", "FAILING", "CREATED"}:
                    raise Fault(f"the job has ended: {job.state}")
                failure = self._rest.last_failure(job_id)
                checkpoints = self._rest.checkpoints(job_id)
                if not pruned and checkpoints.completed:
                    self._store.prune(keep=job_id)
                    pruned = True
                follow.look(job)
            except FlinkAway as e:
                away += 1
                if away >= _AWAY_LIMIT or not ports.answers(self.engine.ports.job):
                    raise Fault(f"the engine or its job is gone ({e})") from e
                continue
            away = 0
            self._help_up(stall, stall.look(job, checkpoints, failure, time.monotonic()))
            if failure is not None and failure != seen_failure:
                self.emit("job-restarted", reason=failure[1])
                if any(error in failure[1] for error in _STATE_IS_NO_USE):
                    return f"the restored state is no use: {failure[1]}"
            seen_failure = failure
            if not generation.live:
                generation = self._come_live(generation, follow)
            request = self.engine.folder / REPLAY_REQUEST
            if request.exists():
                return _read(request)
            if self.is_changed():
                return None

    def _help_up(self, stall: Stall, part: str | None) -> None:
        """Ask the supervisor to start the part again that holds the job; None: it moves."""
        if part is None:
            return
        if not is_ready(self.kafka):
            stall.excuse(time.monotonic())  # it waits, as it should
            return
        reason = f"the job has come to nothing for {self.stalled_seconds:.0f} s"
        self.emit("hung", hung=part, reason=reason)

    def _come_live(self, generation: Generation, follow: Follow) -> Generation:
        """The generation; live, and said to be so, once it has told all until its start."""
        reached = follow.confirmed
        if reached < generation.started_at:
            self.emit("rules-progress", through=_iso(reached) if reached else None)
            return generation
        generation = replace(generation, live=True)
        self._generations.save(generation)
        self.emit(
            "rules-live",
            version=generation.rules,
            generation=generation.name,
            topics=list(generation.topics),
            young=young_topics(self.kafka, generation.topics),
            seconds=round(time.time() - generation.started_at, 1),
        )
        return generation

    def _failure(self, job_id: str) -> tuple[int, str] | None:
        try:
            return self._rest.last_failure(job_id)
        except FlinkAway:
            return None

    def _note(self, job: JobView, generation: Generation) -> None:
        note = JobNote(
            generation.name,
            generation.rules,
            job.vertices,
            DETECTOR_VERSION,
            kafka=self.kafka,
            workers=self.engine.workers,
        )
        self._store.note(job.job_id, note)

    @property
    def _rest(self) -> FlinkRest:
        return FlinkRest(self.engine.rest)

    @property
    def _jobs(self) -> OurJobs:
        return OurJobs(self.engine, self._rest)

    @property
    def _store(self) -> CheckpointStore:
        return CheckpointStore(self.engine.checkpoints)

    @property
    def _generations(self) -> GenerationStore:
        return GenerationStore(self.engine.folder)


def _comparable(vertices: Mapping[str, str]) -> dict[str, str]:
    """Vertices with the steps in their names in one order: Beam lists them in any."""
    return {vertex: " ".join(sorted(re.split(r"\W+", name))) for vertex, name in vertices.items()}


def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()


def _read(request: Path) -> str:
    try:
        return request.read_text(encoding="utf-8").strip() or "it was asked for"
    except OSError:
        return "it was asked for"
