"""The parts of the service: which program each is, how one sees that it is up, and still well."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from deploy.local import kafka, ports
from deploy.local.plan import Plan, python_command
from deploy.local.supervise import answers
from deploy.local.supervise.supervisor import Part


def parts_of(plan: Plan) -> tuple[Part, ...]:
    """In the order of their start; they are stopped in the reverse one."""
    kafka_part = () if plan.kafka is None else (_kafka(plan),)
    engine_parts = _engine(plan)
    needs_kafka, needs_engine = (
        tuple(part.name for part in parts) for parts in (kafka_part, engine_parts)
    )
    return (*kafka_part, *engine_parts, *_ours(plan, needs_kafka, needs_engine))


def _kafka(plan: Plan) -> Part:
    assert plan.kafka is not None  # noqa: S101 - asked for only then
    # Ready: it answers, and the topics are as they must be.
    return Part(
        "kafka",
        tuple(plan.kafka.command()),
        plan.environment(),
        _asked(lambda: kafka.is_ready(plan.bootstrap) and make_topics(plan)),
        stop_seconds=10,
        answers=answers.asked(plan.kafka.port, answers.KAFKA),
        hung_seconds=plan.settings.hung_seconds,
    )


def _engine(plan: Plan) -> tuple[Part, ...]:
    environment = plan.environment()
    at = plan.engine.ports
    pool = (sys.executable, "-m", "deploy.local.flink.worker_pool", "--port", str(at.workers))
    hung_seconds = plan.settings.hung_seconds
    # Whether the job moves is the pipeline's to see: it says so by an event `hung`.
    workers = Part(
        "workers",
        pool,
        environment,
        _asked(lambda: ports.answers(at.workers)),
        answers=answers.asked(at.workers, answers.GRPC),
        hung_seconds=hung_seconds,
    )
    engine = Part(
        "engine",
        tuple(plan.engine.command()),
        environment | plan.engine.environment(),
        _asked(lambda: ports.answers(at.job)),
        answers=answers.asked(at.job, answers.GRPC),
        hung_seconds=hung_seconds,
    )
    return (engine,) if plan.engine.pool else (workers, engine)


def _ours(
    plan: Plan, needs_kafka: tuple[str, ...], needs_engine: tuple[str, ...]
) -> tuple[Part, Part, Part]:
    environment = plan.environment()
    settings = plan.settings
    # The pipeline says by an event that its job runs.
    return (
        Part(
            "pipeline",
            python_command("pipeline", "run"),
            environment,
            None,
            (*needs_kafka, *needs_engine),
            ready_seconds=300,
            answers=answers.asked(settings.port_pipeline_metrics, answers.HTTP),
            hung_seconds=settings.hung_seconds,
        ),
        Part(
            "desk",
            python_command("desk", "run"),
            environment,
            _asked(lambda: ports.answers(settings.port_desk_metrics)),
            needs_kafka,
            answers=answers.asked(settings.port_desk_metrics, answers.HTTP),
            hung_seconds=settings.hung_seconds,
        ),
        Part(
            "feeds",
            python_command("feeds", "run"),
            environment,
            _asked(lambda: ports.answers(settings.port_feeds_metrics)),
            needs_kafka,
            answers=answers.asked(settings.port_feeds_metrics, answers.HTTP),
            hung_seconds=settings.hung_seconds,
        ),
    )


def make_topics(plan: Plan) -> bool:
    """Make the topics exist with their settings; False when Kafka is not up to it yet."""
    from connectors.bus.errors import Unavailable
    from connectors.bus.topics import ensure_topics
    from pipeline.contracts.topics import topic_specs

    specs = topic_specs(plan.settings.retention_days, plan.settings.article_partitions)
    try:
        ensure_topics(plan.bootstrap, specs)
    except Unavailable:
        return False
    return True


def _asked(question: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    """A question that may block, off the event loop."""

    async def probe() -> bool:
        return await asyncio.to_thread(question)

    return probe
