"""`straitwatch desk`: takes alerts to analysts."""

from __future__ import annotations

import typer

from deploy.errors import Fault, WrongUse
from deploy.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the group `desk`."""
    group = typer.Typer(no_args_is_help=True, help="Takes alerts to analysts.")
    group.command("run")(run)
    app.add_typer(group, name="desk")


def run() -> None:
    """Deliver alerts from Kafka to every channel, until SIGTERM or Ctrl-C.

    Example: STRAITWATCH_CHANNELS=https://receiver.example/alerts straitwatch desk run
    """
    from sqlalchemy.exc import SQLAlchemyError

    from connectors.desk.errors import AlreadyAtWork, DatabaseAway, DeskError
    from deploy.settings import load

    settings = load()
    try:
        _run(settings)
    except (AlreadyAtWork, DatabaseAway) as e:
        raise Fault(str(e)) from e
    except DeskError as e:
        raise WrongUse(str(e)) from e
    except SQLAlchemyError as e:
        cause = getattr(e, "orig", None) or e
        raise Fault(f"the desk's database failed ({cause}); mend it and start again") from e
    except OSError as e:
        raise Fault(f"{e.filename or 'the machine'}: {e.strerror or e}") from e


def _run(settings: Settings) -> None:
    import logging
    import signal
    import sys
    from datetime import datetime

    from connectors.bus.base import Start, Subscriber
    from connectors.bus.kafka import KafkaPublisher, KafkaSubscriber
    from connectors.desk.channels.opening import open_channels
    from connectors.desk.database import database_url, held, migrate, open_database
    from connectors.desk.secret import webhook_secret
    from connectors.desk.service import Bus, Desk
    from connectors.desk.store import Store
    from deploy.local.running import kafka_of
    from pipeline.contracts.clock import SystemClock

    _log_to_stderr()
    bootstrap = kafka_of(settings.home, settings.kafka_bootstrap, settings.port_kafka)
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        wrong = f"cannot make {settings.home} ({e.strerror}): mend it or set STRAITWATCH_HOME"
        raise Fault(wrong) from e
    clock = SystemClock()
    given, url = settings.webhook_secret, settings.database_url
    secret = webhook_secret(settings.home, given.get_secret_value() if given else None)
    channels = open_channels(settings.channels, secret, clock, sys.stdout)
    database = database_url(settings.home, url.get_secret_value() if url else None)

    def subscribe(topic: str, start: Start | datetime, group: str | None) -> Subscriber:
        return KafkaSubscriber(
            bootstrap,
            [topic],
            client_id="straitwatch-desk",
            start=start,
            group=group,
        )

    bus = Bus(subscribe, lambda: KafkaPublisher(bootstrap, client_id="straitwatch-desk"))
    engine = open_database(database)
    with held(engine) as still_held:
        migrate(engine)
        desk = Desk(Store(engine), channels, bus, clock, still_held=still_held)
        try:
            port = desk.serve_metrics("127.0.0.1", settings.port_desk_metrics)
        except OSError as e:
            raise Fault(
                f"port {settings.port_desk_metrics} is in use; "
                "set STRAITWATCH_PORT_DESK_METRICS to a free one, or 0"
            ) from e
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: desk.stop())
        logging.getLogger(__name__).info("metrics: http://127.0.0.1:%d/metrics", port)
        desk.run()


def _log_to_stderr() -> None:
    import logging
    import time

    formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # Their lines hold URLs, and ours say the same in fewer words.
    for name in ("httpx", "httpcore", "kafka", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # This one is listened to by its channel, which needs the warnings.
    logging.getLogger("apprise").addHandler(logging.NullHandler())
    logging.getLogger("apprise").propagate = False
