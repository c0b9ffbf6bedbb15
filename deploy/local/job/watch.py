"""Watches the job while it runs: helps it up, says when it is live, sees what ends it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from deploy.errors import Fault
from deploy.local import ports
from deploy.local.flink.rest import FlinkAway
from deploy.local.job.follow import Follow
from deploy.local.job.generations import Generation, young_topics
from deploy.local.job.site import JobSite
from deploy.local.job.stall import Stall
from deploy.local.kafka import is_ready

_WATCH_SECONDS: Final = 2.0
_AWAY_LIMIT: Final = 5
"""Looks in a row that Flink may fail to answer: the machine may be busy."""
STATE_IS_NO_USE: Final = ("StateVersionError", "LogChangedError")
"""In the cause of a failure: the state is of another version than the code, of another Kafka's log,
or of a topic that had fewer partitions."""


@dataclass(frozen=True, slots=True)
class JobWatch:
    """Looks at the job every two seconds."""

    _site: JobSite

    def until_change(self, job_id: str) -> str | None:
        """Look until a replay is due, and return the reason for it; None: other rules are in force.

        Raises:
            Fault: the job is over, or the engine is gone.
        """
        away = 0
        seen_failure = self._failure(job_id)
        pruned = False
        generation = self._site.generations.current()
        assert generation is not None  # noqa: S101 - the job belongs to it
        follow = Follow(self._site.rest, self._site.generations, generation.topics)
        stall = Stall(self._site.stalled_seconds, time.monotonic())
        while True:
            time.sleep(_WATCH_SECONDS)
            try:
                job = self._site.rest.job(job_id)
                if job.state not in {"RUNNING", "RESTARTING", "FAILING", "CREATED"}:
                    raise Fault(f"the job has ended: {job.state}")
                failure = self._site.rest.last_failure(job_id)
                checkpoints = self._site.rest.checkpoints(job_id)
                if not pruned and checkpoints.completed:
                    self._site.checkpoints.prune(keep=job_id)
                    pruned = True
                follow.look(job)
            except FlinkAway as e:
                away += 1
                if away >= _AWAY_LIMIT or not ports.answers(self._site.engine.ports.job):
                    raise Fault(f"the engine or its job is gone ({e})") from e
                continue
            away = 0
            self._help_up(stall, stall.look(job, checkpoints, failure, time.monotonic()))
            if failure is not None and failure != seen_failure:
                self._site.emit("job-restarted", reason=failure[1])
                if any(error in failure[1] for error in STATE_IS_NO_USE):
                    return f"the state is no use: {failure[1]}"
            seen_failure = failure
            if not generation.live:
                generation = self._come_live(generation, follow)
            if (asked := self._site.asked_to_replay()) is not None:
                return asked
            if self._site.is_changed():
                return None

    def _help_up(self, stall: Stall, part: str | None) -> None:
        """Ask the supervisor to start the part again that holds the job; None: it moves."""
        if part is None:
            return
        if not is_ready(self._site.kafka):
            stall.excuse(time.monotonic())  # it waits, as it should
            return
        reason = f"the job has come to nothing for {self._site.stalled_seconds:.0f} s"
        self._site.emit("hung", hung=part, reason=reason)

    def _come_live(self, generation: Generation, follow: Follow) -> Generation:
        """The generation; live, and said to be so, once it has told all until its start."""
        reached = follow.confirmed
        if reached < generation.started_at:
            self._site.emit("rules-progress", through=_iso(reached) if reached else None)
            return generation
        generation = replace(generation, live=True)
        self._site.generations.save(generation)
        self._site.emit(
            "rules-live",
            version=generation.rules,
            generation=generation.name,
            topics=list(generation.topics),
            young=young_topics(self._site.kafka, generation.topics),
            seconds=round(time.time() - generation.started_at, 1),
        )
        return generation

    def _failure(self, job_id: str) -> tuple[int, str] | None:
        try:
            return self._site.rest.last_failure(job_id)
        except FlinkAway:
            return None


def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()
