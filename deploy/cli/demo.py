"""`straitwatch demo`: an offline scenario through all real parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.cli.signals import end_on_signals


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line for each event; the last one sums up.")
    ] = False,
    keep: Annotated[
        Path | None, typer.Option(help="A new folder for the demo's data and logs, to look at.")
    ] = None,
) -> None:
    """Play an escalation through the whole service, offline, until its alert arrives.

    Example: straitwatch demo --json
    """
    from deploy.demo.run import run_demo

    def say(text: str) -> None:
        if as_json:
            typer.echo(json.dumps({"event": "step", "text": text}, ensure_ascii=False))
        else:
            typer.echo(f"· {text}")

    def on_event(event: dict[str, Any]) -> None:
        if as_json:
            typer.echo(json.dumps(event, ensure_ascii=False))

    end_on_signals()
    result = run_demo(say, on_event, keep)
    line = result.as_json()
    if as_json:
        typer.echo(json.dumps(line))
    else:
        from deploy.demo.story import tell

        typer.echo(tell(result))
    raise typer.Exit(0 if result.ok else 1)
