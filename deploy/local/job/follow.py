"""How far a running job's decisions are with the analysts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from deploy.local.flink.rest import FlinkRest, JobView
from deploy.local.job.generations import GenerationStore, Told

_DECIDES: Final = "DetectSpikes"
"""The step whose progress says how far alerts have been decided."""
_SETTLE_MS: Final = 1000
"""After the engine says how far a step is, until its bundles up to there have begun."""


class Follow:
    """Notes how far the decisions of a job are with the analysts.

    When the engine says that the deciding step has come to a time, its alerts until then are on
    Kafka once a checkpoint is complete that began after that: a checkpoint waits for open bundles,
    and a bundle ends by a flush.
    """

    def __init__(
        self, rest: FlinkRest, generations: GenerationStore, topics: Mapping[str, int]
    ) -> None:
        self._rest, self._generations, self._topics = rest, generations, topics
        self._mark: int | None = None
        self._seen_ms = 0.0
        self.confirmed = 0
        """Until when this job has told all, seconds since 1970; 0: not known yet."""

    def look(self, job: JobView) -> None:
        """Ask the engine once.

        Raises:
            FlinkAway: it does not answer.
        """
        if time.time() * 1000 < self._seen_ms:
            self._mark = None  # the clock was set back: no checkpoint would come after it for long
        began = self._rest.checkpoints(job.job_id).triggered_ms
        if self._mark is not None and (began is None or began <= self._seen_ms + _SETTLE_MS):
            return
        mark = self._rest.watermark(job, _DECIDES)
        # Lower than before: the job was restored in between, and may not be there again yet.
        if self._mark is not None and mark is not None and mark >= self._mark:
            # Timers at the watermark itself have fired too.
            self.confirmed = max(self.confirmed, self._mark // 1000 + 1)
            self._generations.tell(Told(self.confirmed, self._topics))
        self._mark = mark
        self._seen_ms = time.time() * 1000

    def told_until(self) -> int:
        """Until when all was told, by this job or those before; 0: not known."""
        told = self._generations.told()
        return told.until if told is not None else 0
