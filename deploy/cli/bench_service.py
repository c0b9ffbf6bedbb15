"""`straitwatch bench chaos, latency, replay, author`: the whole service on a stage of its own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from deploy.errors import WrongUse


def register_service(bench: typer.Typer) -> None:
    """Add the runs of the whole service."""
    bench.command("chaos")(chaos)
    bench.command("latency")(latency)
    bench.command("replay")(replay)
    bench.command("author")(author)


def chaos(
    rounds: Annotated[int, typer.Option(min=1, help="In all, of each kind in turn.")] = 20,
    seed: Annotated[int, typer.Option(help="Decides the moments.")] = 1,
    kinds: Annotated[
        str | None,
        typer.Option(help="Comma-separated: parts, 'checkpoint' (the engine in one), 'pair'."),
    ] = None,
) -> None:
    """Kill each part with kill -9 while articles flow; nothing may be lost, doubled or late.

    Example: straitwatch bench chaos --rounds 9
    """
    from deploy.bench.faults import ROUNDS, header, run_faults, summary

    chosen = ROUNDS if kinds is None else tuple(kind.strip() for kind in kinds.split(","))
    if wrong := [kind for kind in chosen if kind not in ROUNDS]:
        raise WrongUse(f"--kinds: '{wrong[0]}' is none; there are {', '.join(ROUNDS)}")
    typer.echo(header())
    report = run_faults(rounds, seed, typer.echo, chosen)
    typer.echo(summary(report))
    raise typer.Exit(0 if report.ok else 1)


def latency(
    seconds: Annotated[float, typer.Option(min=30, help="Length of the run.")] = 180,
    rate: Annotated[float, typer.Option(min=1, help="Articles a second.")] = 50,
) -> None:
    """Time stories on their way to a webhook, under load; exit 1 when a promise is broken.

    Example: straitwatch bench latency --seconds 3600
    """
    from deploy.bench.latency import run_latency, table

    report = run_latency(_say, seconds, rate)
    typer.echo(table(report))
    raise typer.Exit(0 if report.ok else 1)


def author(
    days: Annotated[int, typer.Option(min=8, help="Length of the archive.")] = 28,
    a_day: Annotated[int, typer.Option("--a-day", min=100, help="Articles a day.")] = 1000,
    share: Annotated[float, typer.Option(min=0.001, max=1, help="Of them on topic.")] = 0.05,
) -> None:
    """Time the loop of who writes topic files: export, backtest, compare, apply, warm again.

    Example: straitwatch bench author --a-day 3000
    """
    from deploy.bench.author import run_author, table

    report = run_author(days, a_day, share, _say)
    typer.echo(table(report))
    raise typer.Exit(0 if report.ok else 1)


def replay(
    archive: Annotated[Path, typer.Argument(help="An archive, JSONL or JSONL.zst.")],
    first: Annotated[str, typer.Option("--first", help="First day of the back-fill.")],
    day: Annotated[str, typer.Option("--day", help="The day to serve; the back-fill ends there.")],
    speed: Annotated[float, typer.Option(min=1, help="Times the real pace.")] = 20,
    tagged: Annotated[
        Path | None, typer.Option(help="Where to put the tagged articles, to read them.")
    ] = None,
) -> None:
    """Take an archive through the whole service: some days as back-fill, one day served live.

    Example: straitwatch bench replay archive.jsonl.zst --first 2026-07-09 --day 2026-07-31
    """
    from deploy.bench.replay import run_replay, table

    try:
        days = datetime.fromisoformat(first).date(), datetime.fromisoformat(day).date()
    except ValueError as e:
        raise WrongUse(f"--first and --day are dates like 2026-07-31: {e}") from e
    if not archive.is_file():
        raise WrongUse(f"{archive}: no such file; name an archive")
    report = run_replay(archive, *days, speed, _say, tagged)
    typer.echo(table(report))
    raise typer.Exit(0 if report.ok else 1)


def _say(text: str) -> None:
    typer.echo(f"straitwatch: {text}", err=True)
