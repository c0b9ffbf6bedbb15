"""The job on a Beam runner of the user's: what `pipeline run --runner …` does.

Handed over from this process, which then waits for its end. Who runs that runner restores it and
watches it: a new submission is a new run from the start of the log, with nothing taken over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from deploy.errors import Fault, WrongUse
from deploy.job import JOB_NAME, JobOptions, build
from deploy.local.running import kafka_of
from deploy.settings import Settings
from deploy.topic_files import read_topic_files, rules_in_force
from pipeline.rules.tagging.topic_file import TopicFileError

_FLINKS: Final = frozenset({"FlinkRunner", "PortableRunner"})
_FLINK_DEFAULTS: Final = (
    "--checkpointing_interval=5000",
    "--finish_bundle_before_checkpointing",
    "--externalized_checkpoints_enabled",
    "--retain_externalized_checkpoints_on_cancellation",
    "--max_bundle_time_mills=200",
    "--max_bundle_size=1000",
)
"""As on our own engine (`deploy.job`); with Flink's own each stage holds its output for 10 s."""


def run_on(runner: str, given: Sequence[str], settings: Settings) -> None:
    """Hand the job to the runner and wait until it is over.

    Args:
        runner: as Beam names it.
        given: its options, as on a command line; they stand above our defaults.
        settings: topic files, and where Kafka is.

    Raises:
        WrongUse: no such runner, an option that it refuses, a topic file with a fault.
        Fault: Kafka or the runner does not answer, or the job failed.
    """
    import apache_beam as beam
    import grpc
    from apache_beam.options.pipeline_options import PipelineOptions
    from kafka.errors import KafkaError

    job = JobOptions(
        bootstrap=kafka_of(settings.home, settings.kafka_bootstrap, settings.port_kafka),
        topic_files=read_topic_files(rules_in_force(settings.home, settings.topics).folder),
        generation=datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ"),
        readers=settings.readers,
    )
    try:
        root = beam.Pipeline(options=PipelineOptions(options_for(runner, given), streaming=True))
        build(root, job)
        root.run().wait_until_finish()
    except TopicFileError as e:
        raise WrongUse(f"topics: {e.faults[0]}") from e
    except ValueError as e:  # what Beam says of a runner or an option that it does not know
        raise WrongUse(f"--runner {runner}: {_brief(e)}") from e
    except KafkaError as e:
        raise Fault(f"Kafka at {job.bootstrap} does not take part: {_brief(e)}") from e
    except grpc.RpcError as e:
        raise Fault(f"{runner} does not answer: {_brief(e)}") from e
    except (RuntimeError, OSError) as e:
        raise Fault(f"the job on {runner} failed: {_brief(e)}") from e


def options_for(runner: str, given: Sequence[str]) -> list[str]:
    """Beam's options: the given ones, and for a Flink those that the job needs and nobody gave."""
    named = {option.partition("=")[0] for option in given}
    defaults = [f"--job_name={JOB_NAME}", *(_FLINK_DEFAULTS if runner in _FLINKS else ())]
    missing = [option for option in defaults if option.partition("=")[0] not in named]
    return [f"--runner={runner}", *missing, *given]


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"
