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
    from deploy.settings import load

    if runner is not None:
        from deploy.any_runner import run_on

        run_on(runner, context.args, load())
        return
    if context.args:
        from deploy.errors import WrongUse

        raise WrongUse(f"{context.args[0]}: options of a runner need --runner in front")
    from deploy.local.run_pipeline import run_on_our_engine

    run_on_our_engine(load())
