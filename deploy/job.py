"""The Beam job: what it is made of, and how it is handed to the engine.

`submit` returns as soon as the engine has the job; who starts the engine, restores a checkpoint and
watches is no concern of this module (`deploy.local`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pipeline.contracts import topics
from pipeline.rules.alerts.detector import DetectorSettings
from pipeline.rules.alerts.handover import Handover
from pipeline.rules.stories.index import StorySettings
from pipeline.rules.tagging.tagger import Tagger
from pipeline.rules.tagging.topic_file import TopicSet

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from pipeline.graph import Rules

JOB_NAME: Final = "straitwatch"


@dataclass(frozen=True, slots=True)
class JobOptions:
    """One submission."""

    bootstrap: str
    """Kafka: ``host:port[,host:port]``."""
    topic_files: Mapping[str, str]
    """The texts of the topic files by name: the rules in force."""
    job_endpoint: str = ""
    """Beam's job service of the engine, ``host:port``."""
    artifact_endpoint: str = ""
    worker_pool: str = ""
    """Where the engine asks for Python workers, ``host:port``."""
    generation: str = ""
    """Names a run from the start of the log; goes into the ledger. A restore keeps it."""
    readers: int = 2
    """Worker processes that read, decode and tag; one more has the rest. At most one a partition:
    each partition is read by one of them."""
    parallelism: int = 1
    checkpoint_ms: int = 5_000
    bundle_ms: int = 200
    """Longest wait of a bundle. Each stage adds it to the latency; shorter costs idle CPU."""
    name: str = JOB_NAME
    handover: Mapping[str, Any] = field(default_factory=dict)
    """By topic, as JSON values: what the generation before has left. A restore keeps it too."""
    topic_prefix: str = ""
    """Before the name of every Kafka topic: several installations on one Kafka."""
    extra: tuple[str, ...] = ()
    """More options for Beam's runner, as on its command line."""


def rules(options: JobOptions) -> Rules:
    """The rules that the job decides by.

    Raises:
        TopicFileError: a topic file is wrong.
    """
    from pipeline.graph import Rules

    topic_set = TopicSet.parse(dict(options.topic_files))
    return Rules(
        tagger=Tagger(topic_set),
        stories=StorySettings(),
        detectors={t.name: DetectorSettings.of(t.alerts_a_month) for t in topic_set.topics},
    )


def pipeline_options(options: JobOptions) -> PipelineOptions:
    """Beam's options for the engine."""
    from apache_beam.options.pipeline_options import PipelineOptions

    return PipelineOptions(
        [
            "--runner=PortableRunner",
            f"--job_endpoint={options.job_endpoint}",
            f"--artifact_endpoint={options.artifact_endpoint}",
            "--environment_type=EXTERNAL",
            f"--environment_config={options.worker_pool}",
            f"--job_name={options.name}",
            f"--parallelism={options.parallelism}",
            f"--checkpointing_interval={options.checkpoint_ms}",
            # Without it one start stalled for good: a checkpoint waits for an open bundle.
            "--finish_bundle_before_checkpointing",
            "--externalized_checkpoints_enabled",
            "--retain_externalized_checkpoints_on_cancellation",
            # The runner's own spelling.
            f"--max_bundle_time_mills={options.bundle_ms}",
            "--max_bundle_size=1000",
            *options.extra,
        ],
        streaming=True,
    )


def build(root: Any, options: JobOptions) -> None:
    """Lay the whole pipeline out, from Kafka to Kafka.

    Raises:
        KafkaError: Kafka does not answer, or a topic is not there.
        TopicFileError: a topic file is wrong.
    """
    from pipeline.graph import Sinks, Sources
    from pipeline.graph import build as build_graph
    from pipeline.io.kafka_sink import KafkaTopics, WriteKafka
    from pipeline.io.kafka_source import ReadKafka, partitions_of

    kafka = KafkaTopics.at(options.bootstrap)
    articles, feeds = (options.topic_prefix + name for name in (topics.ARTICLES, topics.FEEDS))
    partitions = partitions_of(options.bootstrap, (articles, feeds))

    def sink(name: str) -> WriteKafka:
        return kafka.sink(options.topic_prefix + name)

    build_graph(
        root,
        Sources(
            articles=[
                ReadKafka(options.bootstrap, articles, share, partitions[articles])
                for share in shares(partitions[articles], options.readers)
            ],
            feeds=ReadKafka(
                options.bootstrap, feeds, tuple(range(partitions[feeds])), partitions[feeds]
            ),
        ),
        Sinks(
            tagged=sink(topics.TAGGED),
            series=sink(topics.SERIES),
            alerts=sink(topics.ALERTS),
            ledger=sink(topics.LEDGER),
            dead_articles=sink(topics.DEAD_LETTERS),
            dead_feeds=sink(topics.DEAD_LETTERS),
            dead_stories=sink(topics.DEAD_LETTERS),
            dead_spikes=sink(topics.DEAD_LETTERS),
        ),
        rules(options),
        options.generation,
        {topic: Handover.from_json(raw) for topic, raw in options.handover.items()},
    )


def shares(partitions: int, readers: int) -> list[tuple[int, ...]]:
    """Who reads which partitions: at most ``readers`` shares, none of them empty."""
    count = max(1, min(partitions, readers))
    return [tuple(range(first, partitions, count)) for first in range(count)]


def submit(options: JobOptions) -> Any:
    """Hand the job to the engine and return Beam's result, which can wait and cancel.

    Raises:
        KafkaError: Kafka does not answer, or a topic is not there.
        TopicFileError: a topic file is wrong.
        RuntimeError: the engine refuses the job.
    """
    import apache_beam as beam

    root = beam.Pipeline(options=pipeline_options(options))
    build(root, options)
    return root.run()
