"""`straitwatch feeds fetch`: one address, once, as the poller would."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from connectors.feeds.http.fetch import FetchResult
    from connectors.feeds.parse.model import ParsedFeed

_PARSE_SECONDS = 2.0
"""What parsing may take beyond ``--timeout``."""


def register(group: typer.Typer) -> None:
    """Add the subcommand."""
    group.command("fetch")(fetch)


def fetch(
    url: Annotated[str, typer.Argument(metavar="URL", help="An http or https address.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write the lines.")],
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="host:port that may be inside; again for each one."),
    ] = None,
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", min=1, help="Of the body, after decompression.")
    ] = 8 * 1024 * 1024,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, max=3600, help="Seconds for the whole fetch.")
    ] = 30.0,
    etag: Annotated[str | None, typer.Option("--etag", help="As the last answer had it.")] = None,
    last_modified: Annotated[
        str | None, typer.Option("--last-modified", help="As the last answer had it.")
    ] = None,
) -> None:
    """Fetch an address once, all guards on: the lines of `feeds parse`, then one for the fetch.

    Example: straitwatch feeds fetch https://outlet.example/rss.xml --out /dev/stdout
    """
    import asyncio
    import json

    from connectors.feeds.http.fetch import FetchLimits, Outcome
    from connectors.feeds.http.guard import Guard
    from connectors.feeds.http.headers import validator
    from deploy.cli.feed_lines import document_line, entry_lines
    from deploy.errors import Refused, WrongUse
    from deploy.output import written

    try:
        guard = Guard(allow_host or ())
    except ValueError as e:
        raise WrongUse(f"--allow-host: {e}") from e
    for name, value in (("--etag", etag), ("--last-modified", last_modified)):
        if value is not None and validator(value) is None:
            raise WrongUse(f"{name}: only printable ASCII, at most 4,096 characters")
    limits = FetchLimits(
        total=timeout,
        connect=min(10.0, timeout),
        headers=timeout,
        max_bytes=max_bytes,
        redirects=20,
    )
    with written(out) as target:
        result, parsed = asyncio.run(_fetch(url, guard, limits, (etag, last_modified)))
        lines: list[dict[str, Any]] = []
        if parsed is not None:
            lines += [
                *entry_lines(result.final_url, parsed),
                document_line(result.final_url, parsed),
            ]
        for line in (*lines, _fetch_line(result)):
            target.write(json.dumps(line, ensure_ascii=False) + "\n")
    if not result.outcome.answered:
        shown = result.final_url or "the address"
        raise Refused(f"{shown}: {result.outcome}: {result.reason}")
    if result.outcome is Outcome.NOT_MODIFIED:
        typer.echo("straitwatch: not modified", err=True)


async def _fetch(
    url: str, guard: Any, limits: Any, validators: tuple[str | None, str | None]
) -> tuple[FetchResult, ParsedFeed | None]:
    """How the fetch ended, and the document when one came that is a feed or should be."""
    from dataclasses import replace

    from connectors.feeds.http.fetch import Fetcher, Outcome, Validators
    from connectors.feeds.parse.pool import ParsePool, WorkerStartError
    from deploy.errors import Fault
    from deploy.feeds import trusted, user_agent
    from deploy.settings import load

    settings = load()
    fetcher = Fetcher(guard, user_agent(settings.contact), limits, trust=trusted(settings))
    result = await fetcher.fetch(url, Validators(*validators))
    if result.outcome is not Outcome.OK:
        return result, None
    left = max(limits.total - result.seconds, 0.0)
    try:
        async with ParsePool(1, wall_seconds=min(8.0, left + _PARSE_SECONDS)) as pool:
            parsed = await pool.parse(
                result.body, result.content_type, result.final_url, _feed_id(url)
            )
    except WorkerStartError as e:
        raise Fault(str(e)) from e
    if not parsed.ok:
        result = replace(result, outcome=Outcome.BAD_FEED, reason=parsed.detail)
    return result, parsed


def _feed_id(url: str) -> str:
    from connectors.feeds.http.address import feed_id_of

    return feed_id_of(url)


def _fetch_line(result: FetchResult) -> dict[str, Any]:
    return {
        "kind": "fetch",
        "status": result.status,
        "outcome": result.outcome,
        "cause": result.cause,
        "reason": result.reason or None,
        "bytes": len(result.body),
        "wire_bytes": result.wire_bytes,
        "final_url": result.final_url or None,
        "etag": result.validators.etag,
        "last_modified": result.validators.last_modified,
        "retry_after_s": result.retry_after_s,
        "moved_to": result.moved_to,
        "seconds": round(result.seconds, 3),
    }
