"""What the part ``pipeline`` of the service runs: the job's start, its watch and its metrics."""

from __future__ import annotations

import json
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from deploy.applied_topics import read_applied
from deploy.errors import Fault, WrongUse
from deploy.local.job.pipeline_job import run_job
from deploy.local.job.rules_status import (
    CHANGING,
    LIVE,
    REPLAYING,
    STARTING,
    RulesStatus,
    write_status,
)
from deploy.local.job.site import JobRules, JobSite
from deploy.local.layout import Layout
from deploy.local.plan import engine_setup
from deploy.local.running import kafka_of
from deploy.local.setup.jars import JarStore
from deploy.local.setup.java import find_java
from deploy.pipeline_metrics import export_pipeline_metrics
from deploy.settings import PREFIX, Settings
from deploy.topic_files import read_topic_files, rules_in_force
from pipeline.rules.tagging.topic_file import TopicSet
from pipeline.rules.tagging.topic_model import TopicFileError


def run_on_our_engine(settings: Settings) -> None:
    """Until SIGTERM, which leaves the job running, or until the job is over.

    A full disk ends it in one line, and the supervisor tries again.

    Raises:
        WrongUse: no engine was named.
        Fault: the job ended or cannot be started.
    """
    if not settings.port_engine_job or not (settings.flink_rest or settings.port_engine_rest):
        raise WrongUse(
            f"no engine is named: `straitwatch up` runs one, or set {PREFIX}PORT_ENGINE_JOB, "
            "…_ARTIFACT, …_REST and …_PORT_WORKERS to those of yours, or give --runner"
        )
    layout = Layout(settings.home)
    kafka = kafka_of(settings.home, settings.kafka_bootstrap, settings.port_kafka)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        export_pipeline_metrics(kafka, settings.port_pipeline_metrics)
    except OSError as e:
        raise Fault(f"port {settings.port_pipeline_metrics} for the metrics: {e.strerror}") from e
    setup = engine_setup(settings, layout, find_java().path, JarStore().class_path("flink"))
    while True:
        # Ends when other rules are in force: then all over with those.
        force = _Force(settings)
        try:
            voice = _Voice(layout.run, force)
        except OSError as e:
            raise _full(settings, e) from e
        try:
            run_job(
                JobSite(
                    setup,
                    kafka,
                    force.rules,
                    force.is_changed,
                    voice.emit,
                    # A start of workers on a busy machine moves nothing for a while.
                    stalled_seconds=2 * settings.hung_seconds,
                    readers=settings.readers,
                )
            )
        except Fault as e:
            # What cannot be written on a full disk is in the log.
            with suppress(OSError):
                voice.report(fault=str(e))
            raise
        except OSError as e:
            raise _full(settings, e) from e


def _full(settings: Settings, error: OSError) -> Fault:
    where = error.filename or settings.home
    return Fault(f"{where}: {error.strerror or error}; mend that, it is tried again")


class _Force:
    """The rules in force when it was made, and whether others are by now."""

    def __init__(self, settings: Settings) -> None:
        self._home, self._setting = settings.home, settings.topics
        self._applied = read_applied(self._home)
        found = rules_in_force(self._home, self._setting)
        files = read_topic_files(found.folder)
        try:
            topics = TopicSet.parse(files)
        except TopicFileError as e:
            raise WrongUse(f"topics: {found.folder}/{e.faults[0]}") from e
        self.rules = JobRules(
            topics.version,
            tuple(topic.name for topic in topics.topics),
            files,
            time.time() if found.asked_at is None else found.asked_at,
        )

    @property
    def setting(self) -> str | None:
        """The folder that the setting names."""
        return None if self._setting is None else str(self._setting)

    def is_changed(self) -> bool:
        """Looks at one small file, unless that has changed."""
        try:
            applied = read_applied(self._home)
        except Fault:
            return False  # nobody has asked for other rules; the next start says what is wrong
        if applied == self._applied:
            return False
        self._applied = applied
        folder = rules_in_force(self._home, self._setting).folder
        return TopicSet.parse(read_topic_files(folder)).version != self.rules.version


_STATES: Final = {"rules-changing": CHANGING, "rules-progress": REPLAYING, "rules-live": LIVE}


class _Voice:
    """Tells the supervisor by lines, and `topics apply` by the status file."""

    def __init__(self, run: Path, force: _Force) -> None:
        self._run = run
        self._status = RulesStatus(force.rules.version, STARTING, force.setting)
        self.report()

    def report(self, **changes: Any) -> None:
        """Write the status anew where it changes."""
        self._status = replace(self._status, **changes)
        write_status(self._run, self._status)

    def emit(self, event: str, **fields: Any) -> None:
        """A line that the supervisor passes on; progress is for the status only."""
        if event in _STATES:
            self.report(
                state=_STATES[event],
                through=fields.get("through"),
                young=tuple(fields.get("young", ())),
            )
        if event == "running" and fields.get("live"):
            self.report(state=LIVE)
        if event != "rules-progress":
            print(json.dumps({"event": event, **fields}), flush=True)  # noqa: T201 - its output
