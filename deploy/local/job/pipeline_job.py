"""The pipeline's job on our engine: attach to it or start it, from a checkpoint where there is one.

There is never a second job: the engine's REST service, on one fixed port, belongs to one job, and
whoever finds a job of ours there attaches to it (`our_jobs` says which those are on a Flink of the
user's). `start` brings the job to run, `watch` looks at it until something else is due.
"""

from __future__ import annotations

from deploy.local.job.site import JobSite
from deploy.local.job.start import JobStart
from deploy.local.job.watch import JobWatch


def run_job(site: JobSite) -> None:
    """Attach or start, then watch until other rules are in force.

    Raises:
        Fault: the job ended or cannot be started; to be run again.
    """
    start, watch = JobStart(site), JobWatch(site)
    job_id = start.attach() or start.start()
    while (reason := watch.until_change(job_id)) is not None:
        site.jobs.cancel(job_id)
        job_id = start.replay(reason)
