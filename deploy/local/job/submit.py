"""``python -m deploy.local.job.submit``: hand the job to the engine and follow it.

A process of its own, since Beam's 140 MB are needed for some seconds only: `submitter` starts
it, and ends it once the job runs. In: `JobOptions` as JSON. Out, a JSON line each: ``accepted``
once the engine has the job, ``failed`` with the reason when it refuses it or the job ends.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    """Submit, then wait for the job's end or our own."""
    from kafka.errors import KafkaError

    from deploy.job import JobOptions, submit
    from pipeline.rules.tagging.topic_file import TopicFileError

    options = json.load(sys.stdin)
    try:
        result = submit(JobOptions(**options))
    except (KafkaError, TopicFileError, RuntimeError, OSError) as e:
        _fail(e)
    _say(event="accepted")
    try:
        state = result.wait_until_finish()
    except RuntimeError as e:  # what Beam's portable runner raises for a job that failed
        _fail(e)
    _say(event="failed", reason=f"the job ended: {state}")


def _fail(error: Exception) -> None:
    _say(event="failed", reason=f"{type(error).__name__}: {' '.join(str(error).split())[-400:]}")
    raise SystemExit(1) from None


def _say(**event: Any) -> None:
    print(json.dumps(event), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
