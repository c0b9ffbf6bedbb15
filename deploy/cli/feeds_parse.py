"""`straitwatch feeds parse`: what the poller would make of documents."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from connectors.feeds.parse.model import ParsedFeed
    from connectors.feeds.parse.pool import ParsePool


def register(group: typer.Typer) -> None:
    """Add the subcommand."""
    group.command("parse")(parse)


def parse(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Documents.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write the lines.")],
    content_type: Annotated[
        str | None,
        typer.Option("--content-type", help="As an HTTP header would say, for all files."),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option("--url", help="Where the documents came from; only their links need it."),
    ] = None,
) -> None:
    """Parse feed documents: one JSON line for each entry, then one for the document.

    Example: straitwatch feeds parse feed.xml --out entries.jsonl

    With one FILE the exit code is the document's: 0 a feed, 3 none or refused.
    """
    import asyncio

    from deploy.errors import Refused

    names = [_printable(file) for file in files]
    failed = asyncio.run(_parse_all(files, names, out, content_type, url))
    if failed and len(files) == 1:
        raise Refused(failed[0])
    for message in failed:
        typer.echo(f"straitwatch: {message}", err=True)


_AHEAD: Final = 2
"""Documents for each worker that are in memory, read or parsed, before their turn to be written."""


async def _parse_all(
    files: Sequence[str], names: Sequence[str], out: Path, content_type: str | None, url: str | None
) -> list[str]:
    """Write the lines of all documents; a sentence for each one that is no feed or was refused."""
    import json
    import os
    from contextlib import aclosing

    from connectors.feeds.parse.pool import ParsePool, WorkerStartError
    from deploy.cli.feed_lines import document_line, entry_lines
    from deploy.errors import Fault
    from deploy.output import written

    failed = []
    try:
        workers = min(len(files), os.cpu_count() or 1)
        async with ParsePool(workers) as pool:
            done = _outcomes(pool, files, names, content_type, url, _AHEAD * workers)
            with written(out) as target:
                async with aclosing(done):
                    async for name, feed in done:
                        for line in (*entry_lines(name, feed), document_line(name, feed)):
                            target.write(json.dumps(line, ensure_ascii=False) + "\n")
                        if not feed.ok:
                            failed.append(f"{name}: {feed.detail}")
    except WorkerStartError as e:
        raise Fault(str(e)) from e
    return failed


async def _outcomes(
    pool: ParsePool,
    files: Sequence[str],
    names: Sequence[str],
    content_type: str | None,
    url: str | None,
    most: int,
) -> AsyncGenerator[tuple[str, ParsedFeed], None]:
    """The documents in the order given, parsed side by side, ``most`` at a time."""
    import asyncio
    from collections import deque

    feed_id = _feed_id(url)
    under_way: deque[tuple[str, asyncio.Task[ParsedFeed]]] = deque()
    try:
        for file, name in zip(files, names, strict=True):
            if len(under_way) == most:
                earlier, outcome = under_way.popleft()
                yield earlier, await outcome
            # Ids are scoped to a feed: its address, and without one the document itself.
            parsed = _parse_one(pool, file, content_type, url, feed_id or name)
            under_way.append((name, asyncio.create_task(parsed)))
        while under_way:
            earlier, outcome = under_way.popleft()
            yield earlier, await outcome
    finally:
        tasks = [task for _, task in under_way]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _parse_one(
    pool: ParsePool, file: str, content_type: str | None, url: str | None, feed_id: str
) -> ParsedFeed:
    """The document's outcome; a file that cannot be read is one, and stops no other."""
    from connectors.feeds.parse.model import DocumentReason, ParsedFeed

    try:
        data = _read(file)
    except OSError as e:
        why = (e.strerror or str(e)).lower()
        return ParsedFeed(None, reason=DocumentReason.UNREADABLE, detail=f"cannot be read: {why}")
    return await pool.parse(data, content_type, url, feed_id)


def _feed_id(url: str | None) -> str | None:
    """The id that the poller would give the feed, so that its articles have the same ids here."""
    from connectors.feeds.errors import AddressError
    from connectors.feeds.http.address import feed_id_of

    try:
        return None if url is None else feed_id_of(url)
    except AddressError:
        return url


def _read(file: str) -> bytes:
    """The document, and one byte more than is ever accepted at the most."""
    from connectors.feeds.parse.limits import MAX_DOCUMENT_BYTES

    with Path(file).open("rb") as f:
        return f.read(MAX_DOCUMENT_BYTES + 1)


def _printable(path: str) -> str:
    """A path as it can stand in UTF-8: bytes that are none become U+FFFD."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
