"""Brings the pipeline's job to run: attaches to it, or starts it, from a checkpoint or empty.

A job with other rules than those in force is given time to tell what it has decided, then ended;
what follows is a new generation, a replay.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.errors import Fault
from deploy.local import ports
from deploy.local.flink.checkpoints import Checkpoint, JobNote
from deploy.local.flink.rest import FlinkAway, JobView
from deploy.local.job.follow import Follow
from deploy.local.job.generations import Generation, hand_over, note_counted
from deploy.local.job.site import JobSite
from deploy.local.job.submitter import Submitter
from pipeline.rules.alerts.detector import DETECTOR_VERSION

_START_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.2
_DRAIN_SECONDS: Final = 45.0
"""What a job with old rules is given to tell all until the new ones were asked for."""


class _NotRestored(Exception):
    """This checkpoint is no use; the next one, or a replay."""


@dataclass(frozen=True, slots=True)
class JobStart:
    """Each way gives the id of the job that runs then."""

    _site: JobSite

    def attach(self) -> str | None:
        """The job of ours that runs and may go on; None: there is none.

        Raises:
            Fault: nobody can tell.
        """
        try:
            jobs = self._site.jobs.active()
        except FlinkAway as e:
            if self._site.engine.flink is None and not ports.answers(self._site.engine.ports.rest):
                return None  # inside our own engine the service lives as long as a job
            # The job may be there all the same: a second one would count everything twice, or be
            # refused its place, and a replay would follow for nothing.
            raise Fault(str(e)) from e
        current = self._site.generations.current()
        for job_id in jobs:
            note = self._site.checkpoints.note_of(job_id)
            if note is not None and current is not None and note.generation == current.name:
                if (note.kafka, note.workers) != (self._site.kafka, self._site.engine.workers):
                    self._site.jobs.cancel(job_id)
                    continue
                if not self._outdated(note):
                    self._site.emit(
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
            self._site.jobs.cancel(job_id)
        return None

    def _outdated(self, note: JobNote) -> str | None:
        """Why state of that job cannot be gone on with; None: it can."""
        if note.rules != self._site.rules.version:
            return "the topic files have changed"
        if note.detector != DETECTOR_VERSION:
            return f"the detector has changed to version {DETECTOR_VERSION}"
        return None

    def _drain(self, job_id: str, generation: Generation) -> None:
        """Let the job tell all that was to be told when the new rules were asked for."""
        self._site.emit("rules-changing", version=self._site.rules.version)
        follow = Follow(self._site.rest, self._site.generations, generation.topics)
        end = time.monotonic() + _DRAIN_SECONDS
        try:
            job = self._site.rest.job(job_id)
            while follow.told_until() < self._site.rules.asked_at and time.monotonic() < end:
                time.sleep(_LOOK_SECONDS)
                follow.look(job)
        except FlinkAway:
            pass  # what it did not tell, the next one will

    def start(self) -> str:
        """Start a job, from a checkpoint where there is one of use.

        Raises:
            Fault: it cannot be started; to be run again.
        """
        if (asked := self._site.asked_to_replay()) is not None:
            return self.replay(asked)
        current = self._site.generations.current()
        found = self._site.checkpoints.newest_first()
        # Never state of another generation: others have told since what it would tell again.
        candidates = [c for c in found if current and c.note.generation == current.name]
        if current is None or not candidates:
            begun = (
                current is not None
                and not current.live
                and current.rules == self._site.rules.version
            )
            if current is not None and begun:
                return self.replay(current.reason)
            changed = found and self._outdated(found[0].note)
            return self.replay(changed or "there is no checkpoint")
        if outdated := self._outdated(candidates[0].note):
            return self.replay(outdated)
        reasons = []
        for checkpoint in candidates:
            try:
                return self._restore(checkpoint, current)
            except _NotRestored as e:
                reasons.append(f"{checkpoint.folder.name}: {e}")
                self._site.emit("not-restored", checkpoint=str(checkpoint.folder), reason=str(e))
        return self.replay(f"no checkpoint can be restored ({'; '.join(reasons)[:500]})")

    def _restore(self, checkpoint: Checkpoint, generation: Generation) -> str:
        self._site.engine.configure(restore_from=checkpoint.folder)
        try:
            job = self._submit(generation)
            came_from = self._site.rest.checkpoints(job.job_id).restored_from
        except FlinkAway as e:
            raise Fault(f"the engine went away while the job started: {e}") from e
        finally:
            self._site.engine.configure(restore_from=None)
        if came_from is None or Path(came_from.removeprefix("file:")) != checkpoint.folder:
            self._site.jobs.cancel(job.job_id)
            raise _NotRestored(f"Flink says that the state came from {came_from}")
        if _comparable(job.vertices) != _comparable(checkpoint.note.vertices):
            self._site.jobs.cancel(job.job_id)
            raise _NotRestored("the job's steps are not those that the state belongs to")
        self._note(job, generation)
        self._site.emit(
            "running",
            job=job.job_id,
            how="restored",
            checkpoint=str(checkpoint.folder),
            generation=generation.name,
            live=generation.live,
        )
        return job.job_id

    def replay(self, reason: str) -> str:
        """Start empty, from the earliest records that Kafka retains: on purpose, and said so.

        Raises:
            Fault: it cannot be started; to be run again.
        """
        generation = self._next_generation(reason)
        self._site.generations.save(generation)
        self._site.engine.configure(restore_from=None)
        try:
            job = self._submit(generation)
        except (_NotRestored, FlinkAway) as e:
            raise Fault(f"the job does not start: {e}") from e
        self._note(job, generation)
        self._site.has_replayed()
        self._site.emit(
            "running", job=job.job_id, how="replay", reason=reason, generation=generation.name
        )
        return job.job_id

    def _next_generation(self, reason: str) -> Generation:
        """A new run, with what it takes over from those before."""
        now = datetime.now(UTC)
        told = self._site.generations.told()
        asked_at = int(self._site.rules.asked_at)
        taken = hand_over(self._site.kafka, told, self._site.rules.topics, asked_at)
        note_counted(self._site.kafka, self._site.generations)
        return Generation(
            name=now.strftime("%Y%m%dT%H%M%S.%fZ"),
            rules=self._site.rules.version,
            started_at=now.timestamp(),
            reason=reason,
            topics={
                topic: taken.handovers[topic].since if topic in taken.handovers else 0
                for topic in self._site.rules.topics
            },
            handover={topic: left.to_json() for topic, left in taken.handovers.items()},
        )

    def _submit(self, generation: Generation) -> JobView:
        """Hand the job over and wait until Flink runs it.

        Raises:
            Fault: something else than the job is at fault.
            _NotRestored: the engine took it, and it failed at once.
        """
        at = self._site.engine.ports
        name = self._site.jobs.new_name()
        options = {
            "bootstrap": self._site.kafka,
            "topic_files": dict(self._site.rules.files),
            "job_endpoint": f"{ports.HOST}:{at.job}",
            "artifact_endpoint": f"{ports.HOST}:{at.artifact}",
            "worker_pool": self._site.engine.workers,
            "generation": generation.name,
            "handover": dict(generation.handover),
            "name": name,
            "readers": self._site.readers,
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
            for job_id in self._site.rest.active_jobs():
                job = self._site.rest.job(job_id)
                if job.name == name and job.state in {"RUNNING", "RESTARTING"}:
                    return job
        except FlinkAway:
            pass
        return None

    def _note(self, job: JobView, generation: Generation) -> None:
        note = JobNote(
            generation.name,
            generation.rules,
            job.vertices,
            DETECTOR_VERSION,
            kafka=self._site.kafka,
            workers=self._site.engine.workers,
        )
        self._site.checkpoints.note(job.job_id, note)


def _comparable(vertices: Mapping[str, str]) -> dict[str, str]:
    """Vertices with the steps in their names in one order: Beam lists them in any."""
    return {vertex: " ".join(sorted(re.split(r"\W+", name))) for vertex, name in vertices.items()}
