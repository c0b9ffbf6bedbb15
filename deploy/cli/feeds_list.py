"""`straitwatch feeds list`, `import` and `export`: the feed list, and how each feed does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from connectors.feeds.feed_list import Feed
    from connectors.feeds.state.records import FeedRow
    from deploy.settings import Settings

_OVERDUE = 600.0
"""Seconds after which a feed that is due and not asked tells of the connector, not of itself."""


def register(group: typer.Typer) -> None:
    """Add the subcommands."""
    group.command("list")(list_feeds)
    group.command("import")(import_opml)
    group.command("export")(export_opml)


def list_feeds(
    state: Annotated[
        str | None,
        typer.Option("--state", help="Only: new, healthy, quiet, failing, silent-zero, gone."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show every feed and how it does, the ones that need a person first.

    Example: straitwatch feeds list --state failing
    """
    import json
    import time

    from connectors.feeds.state.records import State
    from deploy.errors import WrongUse
    from deploy.feeds import use_feed_list
    from deploy.settings import load

    if state is not None and state not in list(State):
        raise WrongUse(f"--state: '{state}' is none of {', '.join(State)}")
    settings = load()
    feeds = use_feed_list(settings)
    rows = _rows(settings)
    lines = [_line(f, rows.get(f.feed_id), time.time()) for f in feeds]
    lines = [x for x in lines if state is None or x["state"] == state]
    if as_json:
        for line in lines:
            typer.echo(json.dumps(line, ensure_ascii=False))
        return
    order = [State.FAILING, State.SILENT_ZERO, State.GONE, State.QUIET, State.NEW, State.HEALTHY]
    lines.sort(key=lambda x: (order.index(State(x["state"])) if x["enabled"] else 9, x["url"]))
    for line in lines:
        typer.echo(_text(line))
    counts = {s: sum(x["state"] == s and x["enabled"] for x in lines) for s in order}
    typer.echo(
        f"straitwatch: {len(lines)} feeds: "
        + ", ".join(f"{n} {s}" for s, n in counts.items() if n),
        err=True,
    )


def import_opml(
    file: Annotated[Path, typer.Argument(metavar="FILE.opml")],
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            help="For all of them; default: the folders' names, of those in Latin letters.",
        ),
    ] = None,
) -> None:
    """Add the feeds of an OPML file to the feed list; known ones stay as they are.

    Example: straitwatch feeds import subscriptions.opml
    """
    from dataclasses import replace

    from connectors.feeds.errors import FeedListError
    from connectors.feeds.feed_list import DEFAULT_GROUP, field_fault
    from connectors.feeds.opml import read_opml
    from deploy.errors import Refused, WrongUse, unreadable
    from deploy.feeds import add_to_list
    from deploy.settings import load

    if group is not None and (fault := field_fault("group", group)):
        raise WrongUse(f"--group: {fault}")
    try:
        opml = read_opml(file.read_bytes(), str(file))
    except OSError as e:
        raise unreadable(file, e) from e
    except FeedListError as e:
        raise WrongUse(str(e)) from e
    if not opml.feeds:
        raise Refused(f"{file}: has no feed in it (an outline with a web address as its xmlUrl)")
    wanted = [f if group is None else replace(f, group=group) for f in opml.feeds]
    path, added = add_to_list(load(), wanted)
    typer.echo(f"straitwatch: {len(added)} of {len(wanted)} feeds added to {path}", err=True)
    if opml.unusable:
        typer.echo(
            f"straitwatch: {opml.unusable} outlines were left out: their xmlUrl is no web address",
            err=True,
        )
    lumped = sum(f.feed_id in opml.nameless for f in added) if group is None else 0
    if lumped:
        typer.echo(
            f"straitwatch: {lumped} of them stand in folders without a Latin letter and are in the "
            f"group '{DEFAULT_GROUP}': give them groups in the list, or import with --group NAME",
            err=True,
        )


def export_opml(
    out: Annotated[Path, typer.Option("--out", help="Where to write the OPML.")],
) -> None:
    """Write the feeds that are on as OPML, for a reader; without credentials in addresses.

    Example: straitwatch feeds export --out feeds.opml
    """
    from connectors.feeds.opml import write_opml
    from deploy.feeds import use_feed_list
    from deploy.output import written
    from deploy.settings import load

    feeds = use_feed_list(load())
    with written(out) as file:
        file.write(write_opml(feeds).decode("utf-8"))
    off = sum(not f.enabled for f in feeds)
    left = f"; {off} that are off were left out" if off else ""
    typer.echo(f"straitwatch: {len(feeds) - off} feeds{left}", err=True)


def _rows(settings: Settings) -> dict[str, FeedRow]:
    """What the connector knows; nothing when it has never run."""
    from connectors.feeds.state.database import FILE_NAME, open_database
    from connectors.feeds.state.store import FeedStore
    from deploy.feeds import database_faults, database_url

    if settings.database_url is None and not (settings.home / FILE_NAME).exists():
        return {}
    with database_faults():
        engine = open_database(database_url(settings))
        try:
            return {row.feed_id: row for row in FeedStore(engine).feeds()}
        finally:
            engine.dispose()


def _line(feed: Feed, row: FeedRow | None, now: float) -> dict[str, Any]:
    from connectors.feeds.health import health, say_seconds
    from connectors.feeds.http.address import parse_address
    from connectors.feeds.state.records import State

    # Silence grows between two polls: the state is that of now.
    state, reason = (State.NEW, "not asked yet") if row is None else health(row, now)
    if row is not None and feed.enabled and now - row.next_poll_at > _OVERDUE:
        waits = f"due for {say_seconds(now - row.next_poll_at)} and not asked: does it run?"
        reason = f"{waits} {reason}".strip()
    return {
        "feed_id": feed.feed_id,
        "url": parse_address(feed.url).url,
        "publisher": feed.publisher,
        "group": feed.group,
        "enabled": feed.enabled,
        "state": state,
        "reason": reason,
        "last_answer_s": _age(row.last_answer_at if row else None, now),
        "last_new_s": _age(row.last_new_at if row else None, now),
        "interval_s": None if row is None else round(row.interval_s),
        "articles": 0 if row is None else row.articles,
        "moved_to": row.moved_to if row else None,
    }


def _age(at: float | None, now: float) -> int | None:
    return None if at is None else round(now - at)


def _text(line: dict[str, Any]) -> str:
    from connectors.feeds.health import say_seconds

    state = line["state"] if line["enabled"] else "off"
    new = "never" if line["last_new_s"] is None else f"{say_seconds(line['last_new_s'])} ago"
    every = f"every {say_seconds(line['interval_s'])}" if line["interval_s"] else ""
    text = f"{state:<12}{line['articles']:>7}  new {new:<12}{every:<14}{line['url']}"
    moved = f"has moved to {line['moved_to']}" if line["moved_to"] else ""
    notes = [moved, line["reason"]] if line["enabled"] else []
    return "\n".join([text, *(f"{'':<12}{note}" for note in notes if note)])
