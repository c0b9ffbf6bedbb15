"""`straitwatch feeds run`: the connector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from connectors.feeds.service import FeedsConfig
    from deploy.settings import Settings


def register(group: typer.Typer) -> None:
    """Add the subcommand."""
    group.command("run")(run)


def run() -> None:
    """Poll the feeds and publish their articles, until told to stop.

    Example: straitwatch feeds run
    """
    import asyncio
    import logging

    from connectors.feeds.errors import FeedListError
    from connectors.feeds.service import run as run_connector
    from deploy.errors import Fault, WrongUse
    from deploy.feeds import database_faults
    from deploy.settings import load

    settings = load()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Its lines repeat what our own say, once for each broker and second.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    settings.home.mkdir(parents=True, exist_ok=True)
    try:
        with database_faults():
            asyncio.run(run_connector(config_of(settings)))
    except FeedListError as e:
        raise WrongUse(str(e)) from e
    except OSError as e:
        raise Fault(f"the feed connector cannot start: {e}") from e


def config_of(settings: Settings) -> FeedsConfig:
    """What the connector is told by ``settings``."""
    from connectors.feeds.service import FeedsConfig
    from deploy.feeds import database_url, feed_list_places, trusted, user_agent
    from deploy.local.running import kafka_of

    return FeedsConfig(
        database_url=database_url(settings),
        kafka_bootstrap=kafka_of(settings.home, settings.kafka_bootstrap, settings.port_kafka),
        feed_lists=feed_list_places(settings),
        user_agent=user_agent(settings.contact),
        trust=trusted(settings),
        allow_hosts=settings.allow_hosts,
        poll_seconds=settings.poll_seconds,
        metrics_port=settings.port_feeds_metrics,
        websub_url=settings.websub_url,
        websub_port=settings.port_websub,
        owner=settings.connector,
    )
