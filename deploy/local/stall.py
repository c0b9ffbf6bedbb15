"""When a job that runs does not move any more, and which part is to blame."""

from __future__ import annotations

from typing import Final

from deploy.local.flink import CheckpointView, JobView
from deploy.local.patience import Patience

BLAMED: Final = ("workers", "engine")
"""In this order, as long as nothing moves: a worker that hangs holds every checkpoint."""


class Stall:
    """Looks for life in a job: records that move, checkpoints, even failures.

    A job with nothing to do completes a checkpoint every few seconds, and one with a long way to go
    moves records. Flink itself gives a checkpoint ten minutes, and the worker that holds it none.
    """

    def __init__(self, limit_s: float, now_s: float) -> None:
        self._patience = Patience(limit_s, now_s)
        self._records = 0
        self._completed = 0
        self._failure: object = None
        self._blamed = 0

    def look(
        self, job: JobView, checkpoints: CheckpointView, failure: object, now_s: float
    ) -> str | None:
        """The part to be started again; None: it moves, or may yet."""
        moved = job.records > self._records or checkpoints.completed > self._completed
        failed = failure != self._failure
        # They begin at nothing again after each restart of the job.
        self._records, self._completed = job.records, checkpoints.completed
        self._failure = failure
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

    def excuse(self, now_s: float) -> None:
        """It cannot move now, and no part of ours is to blame."""
        self._patience.answered(now_s)
        self._blamed = 0
