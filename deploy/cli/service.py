"""`straitwatch up` and `straitwatch doctor`."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up")(up)
    app.command("doctor")(doctor)


def up(
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON line on stdout for each change of state.")
    ] = False,
) -> None:
    """Run everything on this machine: Kafka, engine, pipeline, desk, feeds. Ctrl-C stops it.

    Example: STRAITWATCH_FEEDS=feeds.toml straitwatch up
    """
    from deploy.local.service import run_service
    from deploy.local.supervise.events import json_lines, words
    from deploy.settings import load

    run_service(load(), json_lines if as_json else words)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array of all findings.")] = False,
) -> None:
    """Say what is wrong with this installation, in words.

    Example: straitwatch doctor
    """
    from deploy.local.doctor import examine

    raise typer.Exit(examine(as_json))
