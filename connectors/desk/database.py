"""The desk's database, SQLite or PostgreSQL: opening it, migrating it, holding it.

One desk is at work on a database at a time; that is a lock which ends with its process, so a desk
that was killed never keeps the next one waiting.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from connectors.desk.errors import AlreadyAtWork, DatabaseAway, WrongDatabase

FILE_NAME: Final = "desk.sqlite"
VERSION_TABLE: Final = "desk_version"
"""Not Alembic's default: on PostgreSQL the feeds keep their tables beside ours."""
READS: Final = "desk_reads"
"""Execution option of a connection that only reads: it waits for no writer."""
_CONNECT_SECONDS: Final = 10
_LOCK_KEY: Final = 0x5374726169740001
"""Of PostgreSQL's advisory lock: any number that nobody else uses."""


def database_url(home: Path, configured: str | None) -> URL:
    """Where the desk's tables are.

    Raises:
        WrongDatabase: ``configured`` is no URL of a database that we know.
    """
    if configured is None:
        return URL.create("sqlite", database=str(home / FILE_NAME))
    try:
        url = make_url(configured)
    except ArgumentError as e:
        raise WrongDatabase(
            "STRAITWATCH_DATABASE_URL is not a database URL, e.g. postgresql://user@host/name"
        ) from e
    kind = url.get_backend_name()
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if kind not in ("sqlite", "postgresql"):
        raise WrongDatabase(f"STRAITWATCH_DATABASE_URL names {kind}; use postgresql or sqlite")
    return url


def open_database(url: URL, *, read_only: bool = False) -> Engine:
    """An engine for ``url``; nothing is asked of the database yet.

    Raises:
        WrongDatabase: its driver is not installed.
    """
    try:
        if url.get_backend_name() == "sqlite":
            return _open_sqlite(url, read_only=read_only)
        # The driver's own limit is none: a host that swallows packets would hold a start for long.
        limit = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_SECONDS}
        return create_engine(
            url, pool_pre_ping=True, pool_size=5, max_overflow=20, connect_args=limit
        )
    except ImportError as e:
        raise WrongDatabase(
            f"no driver for {url.drivername}: `./run.sh install` or `pip install 'psycopg[binary]'`"
        ) from e


def reach(engine: Engine) -> None:
    """Connect once, and change nothing.

    Raises:
        DatabaseAway: the database does not answer, or refuses.
    """
    try:
        engine.connect().close()
    except SQLAlchemyError as e:
        raise DatabaseAway(_say(engine, e)) from e


def migrate(engine: Engine) -> None:
    """Bring the tables to what this program knows.

    Raises:
        WrongDatabase: it is of a newer program.
        DatabaseAway: it does not answer, or refuses.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as e:
        raise WrongDatabase(
            f"the desk's database is of a newer Straitwatch ({e}); install that one"
        ) from e
    except SQLAlchemyError as e:
        raise DatabaseAway(_say(engine, e)) from e


@contextmanager
def held(engine: Engine) -> Iterator[Callable[[], None]]:
    """Be the only desk at work on the database while the block runs.

    Yields:
        What to call now and then: it raises `DatabaseAway` when we are the only one no longer,
        since PostgreSQL or the network has ended our connection.

    Raises:
        AlreadyAtWork: another one is.
        DatabaseAway: the database does not answer, or refuses.
    """
    if engine.dialect.name == "sqlite":
        with _held_file(Path(f"{engine.url.database}.lock")):
            yield lambda: None
        return
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    except SQLAlchemyError as e:
        raise DatabaseAway(_say(engine, e)) from e
    with connection:
        # The lock is the session's: PostgreSQL lets go of it when our connection is gone, however
        # it went. So this one must not go back to the pool, where it would live on.
        connection.detach()
        if not connection.scalar(text("select pg_try_advisory_lock(:key)"), {"key": _LOCK_KEY}):
            raise AlreadyAtWork("another desk is at work on this database; end it first")

        def still() -> None:
            try:
                connection.scalar(text("select 1"))
            except SQLAlchemyError as e:
                raise DatabaseAway(_say(engine, e)) from e

        yield still


@contextmanager
def _held_file(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise AlreadyAtWork("another desk is at work on this home folder; end it first") from e
        yield


def _open_sqlite(url: URL, *, read_only: bool) -> Engine:
    engine = create_engine(url, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # The driver's own transactions begin too late to be safe: we say BEGIN ourselves.
        connection.isolation_level = None
        cursor = connection.cursor()
        if not read_only:
            cursor.execute("pragma journal_mode = wal")
        # What is committed to Kafka must survive a power cut here: each commit reaches the disk.
        cursor.execute("pragma synchronous = full")
        cursor.execute("pragma foreign_keys = on")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and writes later could find itself overtaken: lock at once.
        reads = read_only or connection.get_execution_options().get(READS)
        connection.exec_driver_sql("begin" if reads else "begin immediate")

    return engine


def _say(engine: Engine, error: SQLAlchemyError) -> str:
    cause = getattr(error, "orig", None) or error
    # A password may stand in the query too.
    where = engine.url.set(query={}).render_as_string(hide_password=True)
    return f"the desk's database {where} cannot be used: {' '.join(str(cause).split())}"
