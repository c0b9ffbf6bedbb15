"""`straitwatch feeds import-archive`: back-fill."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(group: typer.Typer) -> None:
    """Add the subcommand."""
    group.command("import-archive")(import_archive)


def import_archive(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines, plain or .zst.")],
    feeds: Annotated[
        Path | None,
        typer.Option(
            "--feeds",
            help="Feed list: publisher, owner and group of a source; default: the list in use.",
        ),
    ] = None,
) -> None:
    """Publish an archive as back-fill: it teaches the baselines and never raises an alert.

    Example: straitwatch feeds import-archive last-year.jsonl.zst

    The articles need the fields that `backtest` reads; `articles export` writes them.
    """
    import asyncio
    import os
    import sys
    import time

    from connectors.bus.errors import BusError
    from connectors.bus.kafka import KafkaPublisher
    from connectors.feeds.backfill import publish_archive
    from connectors.feeds.state.database import open_database
    from connectors.feeds.state.store import FeedStore
    from deploy.archive import Archive, read_sources
    from deploy.errors import Fault
    from deploy.feeds import database_faults, database_url, feed_list_path
    from deploy.local.running import kafka_of
    from deploy.settings import load

    settings = load()
    archive = Archive(file, read_sources(feeds or feed_list_path(settings)))
    settings.home.mkdir(parents=True, exist_ok=True)
    with database_faults():
        engine = open_database(database_url(settings))
    # A name of its own: a connector that runs beside it must not take its journal for its own.
    store = FeedStore(engine, f"import-{int(time.time())}-{os.getpid()}")
    bootstrap = kafka_of(settings.home, settings.kafka_bootstrap, settings.port_kafka)
    try:
        publisher = KafkaPublisher(bootstrap, client_id="straitwatch-import")
        with typer.progressbar(length=archive.size, label="import", file=sys.stderr) as bar:

            def show(_: int) -> None:
                bar.update(archive.bytes_read - bar.pos)

            with database_faults():
                count = asyncio.run(publish_archive(archive, store, publisher, on_progress=show))
        publisher.close()
    except BusError as e:
        raise Fault(f"{e}; start the service first (`straitwatch up`)") from e
    finally:
        engine.dispose()
    if told := archive.bad.sentence(file):
        typer.echo(f"straitwatch: {told}", err=True)
    typer.echo(f"straitwatch: {count} articles published as back-fill", err=True)
