"""`straitwatch pipeline run`: the Beam job, on our engine or on any Beam runner."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="The Beam job.")
    group.callback()(_group)
    group.command(
        "run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
    )(run)
    app.add_typer(group, name="pipeline")


def _group() -> None:
    """The Beam job: tags articles, groups stories, raises alerts."""


def run(
    context: typer.Context,
    runner: Annotated[
        str | None,
        typer.Option(help="A Beam runner; what follows are its options. None: our own engine."),
    ] = None,
) -> None:
    """Run the job: attach to the running one, else start it, from its newest checkpoint.

    Example: straitwatch pipeline run --runner FlinkRunner --flink_master flink:8081
    """
    if runner is not None:
        _on(runner, list(context.args))
        return
    if context.args:
        from deploy.errors import WrongUse

        raise WrongUse(f"{context.args[0]}: options of a runner need --runner in front")
    from deploy.local.run_pipeline import run_on_our_engine
    from deploy.settings import load

    run_on_our_engine(load())


def _on(runner: str, options: list[str]) -> None:
    """The job on a runner of the user's, in this process."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from deploy.job import JobOptions, build
    from deploy.local.running import kafka_of
    from deploy.settings import load
    from deploy.topic_files import read_topic_files, rules_in_force

    settings = load()
    job = JobOptions(
        bootstrap=kafka_of(settings.home, settings.kafka_bootstrap, settings.port_kafka),
        topic_files=read_topic_files(rules_in_force(settings.home, settings.topics).folder),
    )
    root = beam.Pipeline(options=PipelineOptions([f"--runner={runner}", *options], streaming=True))
    build(root, job)
    root.run().wait_until_finish()
