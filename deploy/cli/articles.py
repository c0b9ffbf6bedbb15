"""`straitwatch articles`: archives out of the running system, and what it could not use."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.articles_export import Exported


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Articles that Kafka still holds.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command("export")(export)
    group.command("dead-letters")(dead_letters)
    app.add_typer(group, name="articles")


Since = Annotated[
    str | None, typer.Option("--since", help="ISO 8601; by the time Kafka got a message.")
]
Until = Annotated[str | None, typer.Option("--until", help="ISO 8601, exclusive.")]


def export(
    out: Annotated[
        Path, typer.Option("--out", help="JSON lines; compressed when it ends in .zst.")
    ],
    since: Since = None,
    until: Until = None,
    tagged: Annotated[
        bool, typer.Option("--tagged", help="Only articles on a topic, with their tags.")
    ] = False,
    feeds_status: Annotated[
        Path | None,
        typer.Option(
            "--feeds-status",
            help="Write the feed reports of the same time too, for `backtest --feed-status`.",
        ),
    ] = None,
) -> None:
    """Write what Kafka still holds as an archive for `backtest` and `feeds import-archive`.

    Example: straitwatch articles export --out month.jsonl.zst --since 2026-10-01
    """
    from deploy.articles_export import export as run
    from deploy.articles_export import export_statuses
    from deploy.errors import WrongUse

    begin, end = _time("--since", since), _time("--until", until)
    if feeds_status is not None and feeds_status.resolve() == out.resolve():
        raise WrongUse(f"{out}: is both --out and --feeds-status; give each a file of its own")
    with _kafka() as bootstrap:
        _tell(run(bootstrap, out, begin, end, tagged), "articles")
        if feeds_status is not None:
            _tell(export_statuses(bootstrap, feeds_status, begin, end), "feed reports")


def dead_letters(
    out: Annotated[Path, typer.Option("--out", help="JSON lines; /dev/stdout for the terminal.")],
    since: Since = None,
    until: Until = None,
) -> None:
    """Write the messages that could not be used: each with its reason, where it stood, and whole.

    Example: straitwatch articles dead-letters --out /dev/stdout --since 2026-10-01
    """
    from deploy.articles_export import export_dead_letters

    begin, end = _time("--since", since), _time("--until", until)
    with _kafka() as bootstrap:
        _tell(export_dead_letters(bootstrap, out, begin, end), "dead letters")


@contextmanager
def _kafka() -> Iterator[str]:
    """Where the service's Kafka listens; one that does not answer is a fault."""
    from connectors.bus.errors import BusError
    from deploy.errors import Fault
    from deploy.local.running import kafka_of
    from deploy.settings import load

    settings = load()
    try:
        yield kafka_of(settings.home, settings.kafka_bootstrap, settings.port_kafka)
    except BusError as e:
        raise Fault(f"{e}; is the service running (`straitwatch up`)?") from e


def _tell(done: Exported, what: str) -> None:
    typer.echo(f"straitwatch: {done.records} {what}", err=True)
    if done.unreadable:
        typer.echo(f"straitwatch: {done.unreadable} messages are no {what}", err=True)


def _time(option: str, text: str | None) -> datetime | None:
    from datetime import UTC

    from deploy.errors import WrongUse

    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as e:
        raise WrongUse(f"{option}: '{text}' is no ISO 8601 time such as 2026-10-01T00:00Z") from e
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
