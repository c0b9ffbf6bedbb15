"""The jobs of this service on its Flink: which are ours, and how one is ended."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Final

from deploy.errors import Fault
from deploy.job import JOB_NAME
from deploy.local import ports
from deploy.local.flink.engine import EngineSetup
from deploy.local.flink.rest import ACTIVE, FlinkAway, FlinkRest

_END_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class OurJobs:
    """Those of one home. On a Flink of the user's, others may run beside them."""

    engine: EngineSetup
    rest: FlinkRest

    def new_name(self) -> str:
        """A name for one more, by which it will be known as ours."""
        return f"{self._prefix}{secrets.token_hex(4)}"

    def active(self) -> list[str]:
        """Ids of those that are not over; inside our own engine there are no others.

        Raises:
            FlinkAway: Flink does not answer.
        """
        jobs = self.rest.active_jobs()
        if self.engine.flink is None:
            return jobs
        return [job_id for job_id in jobs if self.rest.job(job_id).name.startswith(self._prefix)]

    def cancel(self, job_id: str) -> None:
        """End the job, and wait until it is over: the next one needs its place.

        Raises:
            Fault: it does not end.
        """
        end = time.monotonic() + _END_SECONDS
        while time.monotonic() < end:
            try:
                state = self.rest.job(job_id).state
                if state in ACTIVE:
                    self.rest.cancel(job_id)
                elif state != "CANCELLING" and self.engine.flink is not None:
                    return
                # Else Flink's own service ends with the job.
            except FlinkAway:
                if self.engine.flink is None and ports.is_free(self.engine.ports.rest):
                    return
            time.sleep(_LOOK_SECONDS)
        raise Fault(f"the job {job_id} cannot be ended; see logs/engine.log")

    def end_all(self) -> None:
        """End every one: on a Flink of the user's they would outlive the service.

        Raises:
            Fault: Flink does not answer, or one does not end.
        """
        try:
            for job_id in self.active():
                self.cancel(job_id)
        except FlinkAway as e:
            raise Fault(f"the job may run on, and the next start will find it: {e}") from e

    @property
    def _prefix(self) -> str:
        home = hashlib.sha256(str(self.engine.folder).encode()).hexdigest()[:8]
        return f"{JOB_NAME}-{home}-"
