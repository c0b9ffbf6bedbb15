"""`straitwatch alerts`: what the desk has kept, from a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploy.errors import Fault, Refused, WrongUse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.desk.archive import Archive, Fate

_LONGEST: Final = 200
"""Characters: more than the desk takes for an id or a topic, so what is cut matches nothing."""

AsJson = Annotated[bool, typer.Option("--json", help="One alert record a line.")]


def register(app: typer.Typer) -> None:
    """Add the group `alerts`."""
    group = typer.Typer(no_args_is_help=True, help="Alerts that the desk has kept.")
    group.command("list")(list_alerts)
    group.command("show")(show)
    group.command("export")(export)
    app.add_typer(group, name="alerts")


def list_alerts(
    topic: Annotated[str | None, typer.Option(help="Only this topic.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the latest first.")] = 20,
    *,
    still_open: Annotated[bool, typer.Option("--open", help="Only those not closed.")] = False,
    undelivered: Annotated[
        bool,
        typer.Option("--undelivered", help="Only those with a message refused, dead or dropped."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List episodes, the latest first, each with its newest revision.

    Example: straitwatch alerts list --open --topic taiwan
    """
    from connectors.desk.message import usual
    from connectors.desk.plain import clean
    from pipeline.contracts import codec
    from pipeline.contracts.records import AlertState

    topic = None if topic is None else _text(topic)
    with _archive() as archive:
        # All when filtered: what is open may be older than what is listed.
        found = archive.newest(topic, None if still_open or undelivered else limit)
        failed = archive.undelivered() if undelivered else {}
    if still_open:
        found = tuple(a for a in found if a.state is not AlertState.CLOSED)
    if undelivered:
        found = tuple(a for a in found if a.alert_id in failed)
    for a in found[:limit]:
        if as_json:
            typer.echo(codec.encode(a).decode())
            continue
        typer.echo(
            f"{clean(a.alert_id, 128):<32}  {a.raised_at:%Y-%m-%d %H:%M}  {a.severity:<8}  "
            f"{a.state:<12}  {clean(a.topic, 30):<14}  rev {a.revision:<3} "
            f"{a.observed.independent} stories, usual {usual(a)}"
        )
        for fate in failed.get(a.alert_id, ()):
            typer.echo(f"  {_told(fate)}")
    if not found:
        what = f"no alert{'' if topic is None else f' on {topic}'}"
        what += " that is open" if still_open and undelivered else ""
        ends = "is undelivered" if undelivered else "is open" if still_open else "yet"
        typer.echo(f"{what} {ends}", err=True)


def show(
    alert_id: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    revision: Annotated[int | None, typer.Option(help="This one; else the newest.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show one alert as an analyst gets it, its revisions, and what became of each message.

    Example: straitwatch alerts show 3f2a
    """
    from connectors.desk.message import as_text, compose
    from connectors.desk.plain import clean
    from pipeline.contracts import codec

    with _archive() as archive:
        alert_id = _one(archive, _text(alert_id))
        revisions = {a.revision: a for a in archive.revisions(alert_id)}
        fates, decisions = archive.fates(alert_id), archive.decisions(alert_id)
    wanted = max(revisions) if revision is None else revision
    if wanted not in revisions:
        raise Refused(f"alert {alert_id} has no revision {wanted}; it has 1 to {max(revisions)}")
    if as_json:
        typer.echo(codec.encode(revisions[wanted]).decode())
        return
    message = compose(revisions[wanted])
    typer.echo(f"{message.title}\n{as_text(message, 30_000)}\n")
    typer.echo("Revisions")
    for a in revisions.values():
        typer.echo(
            f"  {a.revision}  {a.revised_at:%Y-%m-%d %H:%M:%S}  {a.severity}, {a.state}: "
            f"{clean(a.reason, 200)}"
        )
    typer.echo("\nMessages")
    for f in fates:
        typer.echo(f"  {_told(f)}")
    held = [d for d in decisions if d.action != "send"]
    if held:
        typer.echo("\nHeld back")
    for d in held:
        typer.echo(f"  {d.revision}  {clean(d.channel, 60)} at {d.at:%Y-%m-%d %H:%M}: {d.reason}")


def export(
    out: Annotated[Path, typer.Option(help="A file of JSON lines; - for the terminal.")],
) -> None:
    """Write every revision of every alert, one record a line.

    Example: straitwatch alerts export --out alerts.jsonl
    """
    from deploy.output import written
    from pipeline.contracts import codec

    with _archive() as archive:
        if str(out) == "-":
            for alert in archive.all_revisions():
                typer.echo(codec.encode(alert).decode())
            return
        with written(out) as file:
            for alert in archive.all_revisions():
                file.write(codec.encode(alert).decode() + "\n")


def _told(fate: Fate) -> str:
    """What became of one message, as a line."""
    from connectors.desk.plain import clean

    when = f" at {fate.finished_at:%Y-%m-%d %H:%M:%S}" if fate.finished_at else ""
    again = f", {fate.repeats} after a crash" if fate.repeats else ""
    note = f": {clean(fate.note, 200)}" if fate.note else ""
    return (
        f"{fate.revision}  {clean(fate.channel, 60)}: {fate.state}{when}, "
        f"attempts {fate.attempts}{again}{note}"
    )


def _text(argument: str) -> str:
    """An argument of any bytes and length as text that a database takes."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")[:_LONGEST]


def _one(archive: Archive, start: str) -> str:
    found = archive.matching(start)
    if start in found or len(found) == 1:
        return start if start in found else found[0]
    if not found:
        raise Refused(f"no alert begins with {start}; `straitwatch alerts list` shows them")
    raise Refused(f"several alerts begin with {start}: {', '.join(found[:3])} …; give more of it")


@contextmanager
def _archive() -> Iterator[Archive]:
    from sqlalchemy.exc import SQLAlchemyError

    from connectors.desk.archive import Archive
    from connectors.desk.database import database_url, open_database
    from connectors.desk.errors import DeskError
    from deploy.settings import load
    from pipeline.contracts.errors import DecodeError

    settings = load()
    configured = settings.database_url
    try:
        url = database_url(settings.home, configured.get_secret_value() if configured else None)
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
            raise Refused(f"no desk has run in {settings.home}; `straitwatch up` starts one")
        engine = open_database(url, read_only=True)
        try:
            archive = Archive(engine)
            if not archive.is_ready():
                raise Refused("the desk has not made its tables yet; `straitwatch up` starts it")
            yield archive
        finally:
            engine.dispose()
    except DeskError as e:
        raise WrongUse(str(e)) from e
    except DecodeError as e:
        wrong = f"an alert of the desk cannot be read ({e}): has a newer Straitwatch kept it?"
        raise Fault(wrong) from e
    except SQLAlchemyError as e:
        cause = getattr(e, "orig", None) or e
        raise Fault(f"the desk's database cannot be read ({cause})") from e
