"""When a job that runs does not move any more, and which part is to blame."""

from __future__ import annotations

from typing import Final

from deploy.local.flink.rest import CheckpointView, JobView
from deploy.local.supervise.patience import Patience

BLAMED: Final = ("workers", "engine")
"""In this order, as long as nothing moves: a worker that hangs holds every checkpoint."""

_FAILURES: Final = 3
"""Without a checkpoint in between: then it is no accident."""


class Stall:
    """Looks for life in a job: records that move, checkpoints, even failures.

    A job with nothing to do completes a checkpoint every few seconds, and one with a long way to go
    moves records. Flink itself gives a checkpoint ten minutes, and the worker that holds it none.

    A job that fails again and again and never comes to a checkpoint is the engine's fault as well:
    a JVM can be spoiled for good. One that could not unpack a library on a full disk never tries
    again.
    """

    def __init__(self, limit_s: float, now_s: float) -> None:
        self._patience = Patience(limit_s, now_s)
        self._in_vain = Patience(limit_s, now_s)
        self._failures = 0
        self._records = 0
        self._completed = 0
        self._failure: object = None
        self._blamed = 0

    def look(
        self, job: JobView, checkpoints: CheckpointView, failure: object, now_s: float
    ) -> str | None:
        """The part to be started again; None: it moves, or may yet."""
        completed = checkpoints.completed > self._completed
        moved = completed or job.records > self._records
        failed = failure != self._failure
        # They begin at nothing again after each restart of the job.
        self._records, self._completed = job.records, checkpoints.completed
        self._failure = failure
        if self._fails_in_vain(completed, failed, now_s):
            return BLAMED[-1]
        if moved:
            self._blamed = 0
        if moved or failed:
            self._patience.answered(now_s)
            return None
        if not self._patience.is_over(now_s):
            return None
        self._patience.answered(now_s)
        self._blamed += 1
        return BLAMED[min(self._blamed, len(BLAMED)) - 1]

    def _fails_in_vain(self, completed: bool, failed: bool, now_s: float) -> bool:
        self._failures += failed
        is_over = self._in_vain.is_over(now_s)
        if completed or (is_over and self._failures >= _FAILURES):
            in_vain = not completed
            self._failures = 0
            self._in_vain.answered(now_s)
            return in_vain
        return False

    def excuse(self, now_s: float) -> None:
        """It cannot move now, and no part of ours is to blame."""
        self._failures = 0
        self._in_vain.answered(now_s)
        self._patience.answered(now_s)
        self._blamed = 0
