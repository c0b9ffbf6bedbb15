"""`straitwatch ledger`: how everything that was fetched has ended."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ledger")(ledger)


def ledger(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show how everything that was fetched has ended; nothing may be missing.

    Example: straitwatch ledger
    """
    from connectors.feeds.state.database import FILE_NAME
    from deploy.errors import Refused
    from deploy.feeds import database_faults, database_url
    from deploy.ledger import read_ledger
    from deploy.local.job.generations import GenerationStore
    from deploy.local.layout import Layout
    from deploy.local.running import kafka_of
    from deploy.settings import load

    settings = load()
    if settings.database_url is None and not (settings.home / FILE_NAME).exists():
        raise Refused(f"no connector has run in {settings.home}; `straitwatch up` starts one")
    kafka = kafka_of(settings.home, settings.kafka_bootstrap, settings.port_kafka)
    counted = GenerationStore(Layout(settings.home).engine).counted()
    with database_faults():
        view = read_ledger(database_url(settings), kafka, counted)
    if as_json:
        typer.echo(json.dumps(asdict(view) | {"lost": view.lost}))
        return
    for name, count in [
        ("fetched", view.fetched),
        ("  rejected", view.rejected),
        ("  duplicates", view.duplicates),
        ("  tagged", view.tagged),
        ("  off-topic", view.off_topic),
        ("  dead letters", view.dead_letters),
        ("  expired on Kafka", view.expired),
        ("  under way or lost", view.lost),
        ("redelivered after crashes", view.redelivered),
    ]:
        typer.echo(f"{name:<28}{count:>12,}")
