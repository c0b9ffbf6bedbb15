"""`straitwatch feeds add` and `check`: feeds looked at before, and while, they are polled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from connectors.feeds.discover import Discovery, Found
    from connectors.feeds.feed_list import Feed
    from connectors.feeds.hosts import Hosts
    from connectors.feeds.parse.model import ParsedFeed
    from deploy.settings import Settings

_AT_ONCE = 8


def register(group: typer.Typer) -> None:
    """Add the subcommands."""
    group.command("add")(add)
    group.command("check")(check)


def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="A feed, or a page of a news site.")],
    publisher: Annotated[str | None, typer.Option("--publisher", help="Whose voice it is.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Publishers of one owner.")] = None,
    language: Annotated[str | None, typer.Option("--language", help="A hint.")] = None,
    group: Annotated[str, typer.Option("--group", help="Exposure is kept by it.")] = "default",
    every: Annotated[
        bool, typer.Option("--all", help="All feeds of the page, not only its first.")
    ] = False,
) -> None:
    """Add a feed, by its address or by that of a page that has one; a running service takes it up.

    Example: straitwatch feeds add https://outlet.example/ --group en-asia
    """
    import asyncio

    from connectors.feeds.feed_list import Feed, field_fault
    from connectors.feeds.http.address import feed_id_of, parse_address
    from deploy.errors import Refused, WrongUse
    from deploy.feeds import add_to_list, use_feed_list
    from deploy.settings import load

    settings = load()
    # Said before the search, which may last a minute and a half.
    options = {"publisher": publisher, "owner": owner, "language": language, "group": group}
    for name, value in options.items():
        if value is not None and (fault := field_fault(name, value)):
            raise WrongUse(f"--{name}: {fault}")
    use_feed_list(settings)
    discovery = asyncio.run(_discover(settings, url))
    if not discovery.feeds:
        raise Refused(f"no feed at {discovery.page.final_url or 'this address'}: {_why(discovery)}")
    chosen = discovery.feeds if every else discovery.feeds[:1]
    feeds = [
        Feed(feed_id_of(f.url), f.url, publisher, owner, language or _language(f), group)
        for f in chosen
    ]
    path, added = add_to_list(settings, feeds)
    for found in chosen:
        known = "" if any(f.url == found.url for f in added) else " (was in the list)"
        shown = parse_address(found.url).url
        typer.echo(f"{shown}: {len(found.document.articles)} articles now{known}")
    for other in discovery.feeds[len(chosen) :]:
        typer.echo(f"straitwatch: the page also has {other.url}", err=True)
    typer.echo(f"straitwatch: {len(added)} added to {path}", err=True)


def check(
    urls: Annotated[
        list[str] | None, typer.Argument(metavar="[URL]…", help="Default: the whole feed list.")
    ] = None,
) -> None:
    """Ask feeds once and explain what comes: nothing is published or remembered.

    Example: straitwatch feeds check
    """
    import asyncio

    from connectors.feeds.feed_list import Feed
    from connectors.feeds.parse.pool import WorkerStartError
    from deploy.errors import Fault, Refused
    from deploy.feeds import use_feed_list
    from deploy.settings import load

    settings = load()
    feeds = (
        [Feed("", url) for url in urls]
        if urls
        else [f for f in use_feed_list(settings) if f.enabled]
    )
    try:
        bad = asyncio.run(_check_all(settings, feeds))
    except WorkerStartError as e:
        raise Fault(str(e)) from e
    if bad:
        raise Refused(f"{bad} of {len(feeds)} feeds do not answer as feeds")


async def _check_all(settings: Settings, feeds: list[Feed]) -> int:
    """Print a line for each feed as it ends; how many are no good."""
    import asyncio

    fetcher, pool = _tools(settings)
    hosts = _hosts(settings)
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int, feed: Feed) -> bool:
        from time import time

        from connectors.feeds.errors import AddressError
        from connectors.feeds.http.address import parse_address
        from connectors.feeds.http.fetch import Outcome

        try:
            host = parse_address(feed.url).host
        except AddressError as e:
            # Not as it was typed: it may hold a password.
            typer.echo(f"bad   address {number}: {e}")
            return False
        async with places:
            while (wait := hosts.wait(host, time())) > 0:  # noqa: ASYNC110 - a politeness
                await asyncio.sleep(wait)
            hosts.enter(host, time())
            try:
                result = await fetcher.fetch(feed.url)
                document = None
                if result.outcome is Outcome.OK:
                    document = await pool.parse(result.body, result.content_type, result.final_url)
            finally:
                hosts.leave(host)
        shown = parse_address(feed.url).url
        if document is not None and document.ok:
            typer.echo(f"ok    {shown}: {_describe(document)}{_moved(shown, result.moved_to)}")
            return True
        why = document.detail if document is not None else result.reason
        typer.echo(f"bad   {shown}: {result.outcome if document is None else 'bad_feed'}: {why}")
        return False

    async with pool:
        results = await asyncio.gather(*(one(n, f) for n, f in enumerate(feeds, start=1)))
    return sum(not ok for ok in results)


async def _discover(settings: Settings, url: str) -> Discovery:
    from connectors.feeds.discover import find_feeds
    from connectors.feeds.errors import AddressError
    from connectors.feeds.parse.pool import WorkerStartError
    from deploy.errors import Fault, WrongUse

    fetcher, pool = _tools(settings)
    try:
        async with pool:
            return await find_feeds(fetcher, pool, url, _hosts(settings))
    except AddressError as e:
        raise WrongUse(f"the address: {e}") from e
    except WorkerStartError as e:
        raise Fault(str(e)) from e


def _tools(settings: Settings):  # type: ignore[no-untyped-def]
    from connectors.feeds.http.fetch import Fetcher
    from connectors.feeds.http.guard import Guard
    from connectors.feeds.parse.pool import ParsePool
    from deploy.feeds import trusted, user_agent

    guard, trust = Guard(settings.allow_hosts), trusted(settings)
    return Fetcher(guard, user_agent(settings.contact), trust=trust), ParsePool(2)


def _hosts(settings: Settings) -> Hosts:
    from connectors.feeds.hosts import Hosts

    return Hosts.of_allow_list(settings.allow_hosts)


def _why(discovery: Discovery) -> str:
    if discovery.page.outcome.answered:
        return "neither it nor the addresses that it names or usually has are feeds"
    return f"{discovery.page.outcome}: {discovery.page.reason}"


def _language(found: Found) -> str | None:
    import re

    text = found.document.hints.language or ""
    return text if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", text) else None


def _describe(document: ParsedFeed) -> str:
    from datetime import UTC, datetime

    from connectors.feeds.health import say_seconds

    articles = document.articles
    rejects = len(document.entries) - len(articles)
    text = f"{document.format}, {len(articles)} articles"
    if rejects:
        text += f", {rejects} rejected"
    dates = [a.published_at for a in articles if a.published_at is not None]
    if dates:
        age = (datetime.now(UTC) - max(dates)).total_seconds()
        text += f", the newest {say_seconds(max(age, 0))} old"
    return text


def _moved(url: str, to: str | None) -> str:
    return f"; it has moved to {to}: change the list" if to and to != url else ""
