"""What the part ``pipeline`` of the service runs: the job's start, its watch and its metrics."""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

from deploy.errors import Fault, WrongUse
from deploy.local.jars import JarStore
from deploy.local.java import find_java
from deploy.local.layout import Layout
from deploy.local.pipeline_job import PipelineJob
from deploy.local.plan import engine_setup
from deploy.local.running import kafka_of
from deploy.pipeline_metrics import export_pipeline_metrics
from deploy.settings import PREFIX, Settings
from deploy.topic_files import read_topic_files, topics_folder


def run_on_our_engine(settings: Settings) -> None:
    """Until SIGTERM, which leaves the job running, or until the job is over.

    Raises:
        WrongUse: no engine was named.
        Fault: the job ended or cannot be started.
    """
    if not settings.port_engine_job or not settings.port_engine_rest:
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
    PipelineJob(
        engine_setup(settings, layout, find_java().path, JarStore().class_path("flink")),
        kafka,
        read_topic_files(settings.topics or topics_folder()),
        _emit,
    ).run()


def _emit(event: str, **fields: Any) -> None:
    """A line that the supervisor passes on."""
    print(json.dumps({"event": event, **fields}), flush=True)  # noqa: T201 - its output
