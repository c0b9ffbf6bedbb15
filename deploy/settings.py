"""The settings: environment ``STRAITWATCH_…`` first, then ``straitwatch.toml`` in the home folder.

Read once, in a command; everything below gets values. The contract names the variables; this is
their only home.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from platformdirs import user_data_path
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from deploy.errors import WrongUse

PREFIX = "STRAITWATCH_"
FILE_NAME = "straitwatch.toml"

Port = Annotated[int, Field(ge=0, le=65535)]
CommaList = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Every setting of every program, frozen.

    A port of 0 takes any free one.
    """

    # A variable that is set to nothing is not set.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    home: Path = Field(default_factory=lambda: _default_home())
    """The one folder for all data."""
    feeds: Path | None = None
    """Feed list; None: the packaged one."""
    topics: Path | None = None
    """Folder of topic files; None: the packaged one."""
    kafka_bootstrap: str | None = None
    """Use this Kafka instead of our own: ``host:port[,host:port]``."""
    flink_rest: str | None = None
    """Run the job on this Flink instead of inside our own: ``host:port`` of its REST service."""
    flink_workers: str | None = None
    """Where the machines of that Flink find the pool of Python workers; None: ours, on this one."""
    allow_hosts: CommaList = ()
    """Inner addresses that feeds may be fetched from: ``host:port``."""
    channels: CommaList = ()
    """Where alerts go: ``http(s)://`` is the signed webhook, any other scheme apprise's."""
    database_url: SecretStr | None = None
    """SQLAlchemy URL; None: SQLite files in the home folder."""
    webhook_secret: SecretStr | None = None
    """``whsec_…``; made at the first start and kept in the home folder when none is set."""
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 60
    """Of articles on Kafka."""
    poll_seconds: Annotated[float, Field(ge=1, le=86400)] = 120
    """The shortest interval between two polls of one feed."""
    hung_seconds: Annotated[float, Field(ge=5, le=3600)] = 60
    """Without an answer for so long a part of the service is killed and started again."""
    article_partitions: Annotated[int, Field(ge=1, le=64)] = 2
    """Partitions of the articles topic when it is created."""
    readers: Annotated[int, Field(ge=1, le=64)] = 2
    """Workers that read, decode and tag articles; at most one a partition is started."""
    jar_mirror: str | None = None
    """A Maven repository of your own for the jars; None: the public ones that jgo knows."""
    connector: str = "feeds"
    """Name of this feed connector: another one for each that shares a database."""
    contact: str | None = None
    """An address or URL that feed owners can complain to; goes into the user agent."""
    ca_file: Path | None = None
    """PEM file of certificate authorities of your own that feeds may have, beside the usual."""
    websub_url: str | None = None
    """Address under which WebSub hubs reach ``port_websub`` from outside; None: polling only."""
    port_websub: Port = 19107
    port_kafka: Port = 19092
    port_console: Port = 19080
    port_feeds_metrics: Port = 19101
    port_pipeline_metrics: Port = 19102
    port_desk_metrics: Port = 19103
    port_engine_metrics: Port = 19105
    """Flink's own metrics."""
    port_service_metrics: Port = 19106
    """What the supervisor has to tell: which parts run, and how often they were restarted."""
    # Inside the service only; any free one unless set.
    port_kafka_controller: Port = 0
    port_engine_job: Port = 0
    """Beam's job service."""
    port_engine_artifact: Port = 0
    port_engine_rest: Port = 0
    """Flink's REST service and web page."""
    port_engine_rpc: Port = 0
    port_workers: Port = 0
    """The pool of Python workers."""

    @field_validator("allow_hosts", "channels", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("allow_hosts")
    @classmethod
    def _as_the_guard_reads_it(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value:  # nothing is imported for commands that are told nothing
            from connectors.feeds.http.guard import host_and_port

            for item in value:
                host_and_port(item)
        return value

    @field_validator("websub_url")
    @classmethod
    def _reachable(cls, value: str | None) -> str | None:
        if value:
            from connectors.feeds.errors import AddressError
            from connectors.feeds.http.address import parse_address

            try:
                parse_address(value)
            except AddressError as e:
                raise ValueError(f"hubs cannot call it: {e}") from None
        return value

    @field_validator("connector")
    @classmethod
    def _fits_a_row(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value):
            raise ValueError(
                "at most 64 letters, digits, dots, dashes and underscores, a letter or digit first"
            )
        return value

    @field_validator("contact")
    @classmethod
    def _fits_a_header(cls, value: str | None) -> str | None:
        if value and not (len(value) <= 200 and value.isascii() and value.isprintable()):
            raise ValueError("at most 200 printable ASCII characters: it goes into a header")
        return value

    @classmethod
    def _host_and_port(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            host, _, port = item.rpartition(":")
            if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
                raise ValueError(f"'{item}' is not host:port")
        return value

    @field_validator("flink_rest", "flink_workers")
    @classmethod
    def _one_host_and_port(cls, value: str | None) -> str | None:
        return cls._host_and_port((value,))[0] if value else None

    @field_validator("kafka_bootstrap")
    @classmethod
    def _brokers(cls, value: str | None) -> str | None:
        if not value:
            return None
        return ",".join(cls._host_and_port(tuple(part.strip() for part in value.split(","))))

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: SecretStr | None) -> SecretStr | None:
        if not value:  # set to nothing is not set
            return None
        # Here, not above: light commands have no database set and start without it.
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            kind = make_url(value.get_secret_value()).drivername.partition("+")[0]
        except (ArgumentError, ValueError):
            # The URL holds a password: it is not shown.
            raise ValueError("is no database URL; postgresql://user@host/name is one") from None
        if kind not in ("sqlite", "postgresql", "postgres"):
            raise ValueError(f"names {kind}; use sqlite or postgresql")
        return value

    @field_validator("home", "feeds", "topics", "ca_file")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else _expanded(value)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file in the home folder."""
        # Where the file lies is read as every other setting is, but for the file.
        home = _expanded(
            Path(init_settings().get("home") or env_settings().get("home") or _default_home())
        )
        file = TomlConfigSettingsSource(settings_cls, home / FILE_NAME)
        stated = file.toml_data.get("home")
        if stated is not None and _expanded(Path(str(stated))) != home:
            # The parts would look for their settings in the other folder.
            raise ValueError(f"home in {FILE_NAME}: the file lies in it; set {PREFIX}HOME instead")
        return init_settings, env_settings, file


def _default_home() -> Path:
    folder = user_data_path("straitwatch", appauthor=False)
    if not folder.is_absolute():
        raise ValueError(f"this user has no home folder: set {PREFIX}HOME to a folder for all data")
    return folder


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError as e:
        raise ValueError(
            f"'{path}' begins with a user who has no home folder: give the whole path"
        ) from e


NOT_SETTINGS = frozenset({"EVAL_DATA", "TEST_NEEDS_ALL"})
"""Variables of the tests and evaluations, without the prefix."""


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables with our prefix that set nothing: misspelt, most likely."""
    known = {name.upper() for name in Settings.model_fields} | NOT_SETTINGS
    return sorted(
        name
        for name in environment
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in known
    )


def load(**overrides: Any) -> Settings:
    """The settings of this process; ``overrides`` stand above environment and file.

    Variables with our prefix that set nothing are named on stderr, in one line.

    Raises:
        WrongUse: a variable or the file is wrong; the message names it.
    """
    try:
        settings = Settings(**overrides)
    except ValidationError as e:
        raise WrongUse("; ".join(_say(dict(error)) for error in e.errors())) from e
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        why = "nested too deeply" if isinstance(e, RecursionError) else e
        raise WrongUse(f"{FILE_NAME} in the home folder is not TOML: {why}") from e
    except UnicodeDecodeError as e:
        raise WrongUse(f"{FILE_NAME} in the home folder is not UTF-8: save it as UTF-8") from e
    except ValueError as e:  # of this module: no home
        raise WrongUse(str(e)) from e
    except OSError as e:
        raise WrongUse(
            f"{e.filename or FILE_NAME} cannot be read ({e.strerror or e}): mend it or set "
            f"{PREFIX}HOME to another folder"
        ) from e
    paths = {"FEEDS": settings.feeds, "TOPICS": settings.topics, "CA_FILE": settings.ca_file}
    for name, path in paths.items():
        if path is not None and (wrong := _not_to_be_had(path)):
            raise WrongUse(f"{PREFIX}{name}: {path} {wrong}; set it to another or unset it")
    unknown = unknown_variables(os.environ)
    if unknown:
        names = ", ".join(unknown)
        print(f"straitwatch: no such setting: {names}; look at the spelling", file=sys.stderr)  # noqa: T201
    return settings


def _not_to_be_had(path: Path) -> str | None:
    try:
        path.stat()
    except FileNotFoundError:
        return "does not exist"
    except OSError as e:
        return f"cannot be read ({e.strerror})"
    return None


def _say(error: dict[str, Any]) -> str:
    field = ".".join(str(part) for part in error["loc"]) or "settings"
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return f"{field}: no such setting in {FILE_NAME}; remove it"
    return f"{PREFIX}{field.upper()} (or {field} in {FILE_NAME}): {message}"
