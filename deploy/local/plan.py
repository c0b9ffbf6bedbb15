"""What `up` is about to start: settings resolved, everything checked, nothing started yet."""

from __future__ import annotations

import base64
import io
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.errors import Fault, Refused, WrongUse
from deploy.local import ports
from deploy.local.flink.engine import EnginePorts, EngineSetup
from deploy.local.flink.rest import FlinkAway, FlinkRest
from deploy.local.kafka import KafkaSetup, is_ready
from deploy.local.layout import Layout
from deploy.local.setup import java
from deploy.local.setup.jars import JarStore
from deploy.settings import PREFIX, Settings, unknown_variables

_ANY_SECRET: Final = "whsec_" + base64.b64encode(bytes(32)).decode()

FLINK_VERSION: Final = "1.19"
"""Of the runner in deploy/locks/jars-flink.lock; Flink promises no more between versions."""

LEAST_FREE_BYTES: Final = 500_000_000
"""Below it Kafka and the checkpoints would soon stand still."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the parts need to know; ports are real ones."""

    settings: Settings
    layout: Layout
    kafka: KafkaSetup | None
    """None: an existing Kafka is used."""
    engine: EngineSetup

    @property
    def bootstrap(self) -> str:
        """Where Kafka is."""
        return self.settings.kafka_bootstrap or self._own.bootstrap

    @property
    def _own(self) -> KafkaSetup:
        assert self.kafka is not None  # noqa: S101 - one of the two there is
        return self.kafka

    def environment(self) -> dict[str, str]:
        """The environment of our Python parts: ours, with every setting that was resolved."""
        resolved = {
            f"{PREFIX}{name.upper()}": str(value)
            for name, value in self.settings.model_dump().items()
            if name.startswith("port_")
        }
        resolved[f"{PREFIX}HOME"] = str(self.settings.home)
        resolved[f"{PREFIX}KAFKA_BOOTSTRAP"] = self.bootstrap
        # The command has named the misspelt ones: not each part again. And a setting is heard in
        # small letters too: a part must not find it twice.
        not_again = {*unknown_variables(os.environ), *resolved}
        return {
            **{k: v for k, v in os.environ.items() if not {k, k.upper()} & not_again},
            **resolved,
            "PYTHONUNBUFFERED": "1",
            # Fewer arenas of glibc: tens of MB less a process.
            "MALLOC_ARENA_MAX": "2",
            # The engine's jars and Beam's Python part are of different ages, and say so often.
            "GRPC_VERBOSITY": "ERROR",
        }


def make_plan(settings: Settings) -> Plan:
    """Check the machine, and resolve the ports; files and room were checked before.

    Raises:
        WrongUse: a setting is wrong.
        Fault: a port in use, no Java, no jars, a Kafka or a database that does not answer.
    """
    layout = Layout(settings.home)
    settings = resolve_ports(settings)
    store = JarStore()
    found = java.find_java()
    check_flink(settings)
    check_database(settings)
    if settings.kafka_bootstrap is not None and not is_ready(settings.kafka_bootstrap):
        raise Fault(
            f"no Kafka answers at {settings.kafka_bootstrap}: start it, or unset "
            f"{PREFIX}KAFKA_BOOTSTRAP to use our own"
        )
    kafka = None
    if settings.kafka_bootstrap is None:
        kafka = KafkaSetup(
            layout.kafka,
            found.path,
            store.class_path("kafka"),
            settings.port_kafka,
            settings.port_kafka_controller,
        )
    engine = engine_setup(settings, layout, found.path, store.class_path("flink"))
    return Plan(settings, layout, kafka, engine)


def engine_setup(settings: Settings, layout: Layout, java_path: Path, jars: Path) -> EngineSetup:
    """The engine of these settings; their ports must be resolved."""
    return EngineSetup(
        layout.engine,
        java_path,
        jars,
        EnginePorts(
            job=settings.port_engine_job,
            artifact=settings.port_engine_artifact,
            rest=settings.port_engine_rest,
            rpc=settings.port_engine_rpc,
            metrics=settings.port_engine_metrics,
            workers=settings.port_workers,
        ),
        flink=settings.flink_rest,
        pool=settings.flink_workers,
    )


def check_flink(settings: Settings) -> None:
    """Pass when the engine is our own, or a Flink that takes the job.

    Raises:
        WrongUse: of another version, or a pool of workers for no Flink.
        Fault: it does not answer.
    """
    if settings.flink_rest is None:
        if settings.flink_workers is not None:
            raise WrongUse(f"{PREFIX}FLINK_WORKERS says nothing without {PREFIX}FLINK_REST")
        return
    try:
        version = FlinkRest(settings.flink_rest).version()
    except FlinkAway as e:
        raise Fault(
            f"no Flink answers at {settings.flink_rest}: start it, or unset {PREFIX}FLINK_REST to "
            "use our own"
        ) from e
    if version.rpartition(".")[0] != FLINK_VERSION:
        raise WrongUse(
            f"{PREFIX}FLINK_REST: Flink {version} answers, the job is made for {FLINK_VERSION}: "
            "name one of that version, or unset it to use our own"
        )


def check_database(settings: Settings) -> None:
    """Pass when the database is our own file, or one that answers.

    Raises:
        WrongUse: its driver is not installed.
        Fault: it does not answer, or refuses.
    """
    from connectors.desk.database import database_url, open_database, reach
    from connectors.desk.errors import DatabaseAway, WrongDatabase

    if settings.database_url is None:
        return
    try:
        url = database_url(settings.home, settings.database_url.get_secret_value())
        engine = open_database(url)
        try:
            reach(engine)
        finally:
            engine.dispose()
    except WrongDatabase as e:
        raise WrongUse(str(e)) from e
    except DatabaseAway as e:
        raise Fault(f"{e}; start it, or set {PREFIX}DATABASE_URL to one that answers") from e


def check_files(settings: Settings) -> None:
    """Read topic files, feed list, channels and certificates as the parts will.

    Raises:
        WrongUse: the first fault in them, with its place.
    """
    from deploy.feeds import trusted

    check_topics(settings)
    check_feed_list(settings)
    check_channels(settings)
    trusted(settings)


def check_topics(settings: Settings) -> tuple[Path, tuple[str, ...]]:
    """The folder of the topic files, and the names of the topics.

    Raises:
        WrongUse: a file is wrong.
    """
    from deploy.topic_files import read_topic_files, rules_in_force
    from pipeline.rules.tagging.topic_file import TopicFileError, TopicSet

    folder = rules_in_force(settings.home, settings.topics).folder
    try:
        topics = TopicSet.parse(read_topic_files(folder)).topics
    except TopicFileError as e:
        raise WrongUse(_summary("topics", [f"{folder}/{fault}" for fault in e.faults])) from e
    except Refused as e:
        raise WrongUse(f"topics: {e}") from e
    return folder, tuple(topic.name for topic in topics)


def check_feed_list(settings: Settings) -> tuple[Path, int]:
    """The feed list's file, and how many feeds it has switched on.

    Raises:
        WrongUse: it is wrong, or cannot be read.
    """
    from connectors.feeds.errors import FeedListError
    from connectors.feeds.feed_list import read_feed_list
    from deploy.feeds import feed_list_path

    path = feed_list_path(settings)
    try:
        feeds = read_feed_list(path.read_text(encoding="utf-8"), str(path))
    except FeedListError as e:
        raise WrongUse(_summary("feed list", e.faults)) from e
    except (OSError, UnicodeDecodeError) as e:
        raise WrongUse(f"{PREFIX}FEEDS: {path} cannot be read: {e}") from e
    return path, sum(feed.enabled for feed in feeds)


def check_channels(settings: Settings) -> None:
    """Open each channel as the desk will, and send nothing.

    Raises:
        WrongUse: one is no channel, or the webhook secret is none.
        Fault: the file of the secret cannot be read.
    """
    from connectors.desk.channels.opening import open_channels
    from connectors.desk.errors import DeskError
    from connectors.desk.secret import FILE_NAME, webhook_secret
    from pipeline.contracts.clock import SystemClock

    given = settings.webhook_secret.get_secret_value() if settings.webhook_secret else None
    if given is None and not (settings.home / FILE_NAME).exists():
        given = _ANY_SECRET  # the desk makes one at its first start
    try:
        secret = webhook_secret(settings.home, given)
        open_channels(settings.channels, secret, SystemClock(), io.StringIO())
    except DeskError as e:
        raise WrongUse(str(e)) from e
    except OSError as e:
        raise Fault(f"{e.filename}: {e.strerror}; mend it, or remove it for a new one") from e


def check_room(home: Path) -> None:
    """Pass when the disk has room.

    Raises:
        Fault: it has not.
    """
    free = shutil.disk_usage(home).free
    if free < LEAST_FREE_BYTES:
        raise Fault(
            f"{free / 1e6:.0f} MB are free for {home}, at least {LEAST_FREE_BYTES / 1e6:.0f} are "
            f"needed: make room or set {PREFIX}HOME to another disk"
        )


def resolve_ports(settings: Settings) -> Settings:
    """The settings with a free port in place of each 0.

    Raises:
        Fault: a port that is set is in use.
        WrongUse: two listeners have the same one.
    """
    wanted = {
        name: int(value)
        for name, value in settings.model_dump().items()
        if name.startswith("port_") and not (settings.kafka_bootstrap and "kafka" in name)
    }
    taken: dict[int, str] = {}
    for name, port in wanted.items():
        if port == 0 or not _is_used(name, settings):
            continue
        if port in taken:
            raise WrongUse(
                f"{PREFIX}{name.upper()} and {PREFIX}{taken[port].upper()} are both {port}: "
                "set one to another port"
            )
        taken[port] = name
        ports.check_free(port, f"{PREFIX}{name.upper()}")
    used = {port for port in wanted.values() if port}
    free = {name: ports.find_free(used) for name, port in wanted.items() if port == 0}
    return settings.model_copy(update=free)


def _is_used(name: str, settings: Settings) -> bool:
    """Whether anything will listen on the port of that name."""
    if name == "port_websub":
        return settings.websub_url is not None
    if name in {"port_engine_rest", "port_engine_rpc", "port_engine_metrics"}:
        return settings.flink_rest is None
    if name == "port_workers":
        return settings.flink_workers is None
    return name != "port_console"  # nothing serves a console yet


def _summary(what: str, faults: Sequence[str]) -> str:
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{what}: {faults[0]}{more}"


def python_command(*arguments: str) -> tuple[str, ...]:
    """`straitwatch` of this very installation."""
    return (sys.executable, "-m", "deploy.cli", *arguments)
