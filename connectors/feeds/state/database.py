"""Opens the connector's database, migrated: SQLite on one machine, PostgreSQL for several."""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

_LOG: Final = logging.getLogger(__name__)
_MIGRATION_LOCK: Final = 0x5747_6665_6564  # any fixed number: PostgreSQL's advisory lock of ours
FILE_NAME: Final = "feeds.db"
_CONNECT_SECONDS: Final = 10
_CHECK_WHOLE: Final = 64 * 1024 * 1024
"""Bytes up to which the state file is read through at every start: less than a second."""
_SUSPECT: Final = ".suspect"
"""Ends the name of an empty file beside a longer one in which a statement met damage: the next
start reads it through, however long it takes."""


def open_database(url: str, mend: bool = False) -> sa.Engine:
    """An engine on ``url``, with all tables as this version needs them.

    Args:
        url: SQLAlchemy's.
        mend: set a SQLite file that is broken (cut short, not a database) aside, beside itself,
            and begin a new one: every feed is then read anew, and the pipeline knows the repeats
            by their ids. For the connector alone, at its start: whoever looks at the file of one
            that runs must leave it where it is.
    """
    engine = _connect(url)
    if mend and engine.dialect.name == "sqlite" and (why := _broken(engine)):
        engine.dispose()
        aside = _set_aside(Path(str(engine.url.database)))
        _LOG.error("the state file is broken (%s): kept as %s, begun anew", why, aside)
        engine = _connect(url)
    if mend and engine.dialect.name == "sqlite":
        _suspect_file(engine).unlink(missing_ok=True)
        sa.event.listen(engine, "handle_error", _note_damage)
    _migrate(engine)
    return engine


def sqlite_url(folder: Path) -> str:
    """The URL of the state file in ``folder``."""
    return f"sqlite:///{folder / FILE_NAME}"


def _connect(url: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = sa.create_engine(parsed, connect_args={"timeout": 30})
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin)
        return engine
    limit = {}
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        # The driver's own limit is none: a host that swallows packets would hold a start for long.
        if "connect_timeout" not in parsed.query:
            limit = {"connect_timeout": _CONNECT_SECONDS}
    return sa.create_engine(parsed, pool_pre_ping=True, connect_args=limit)


def _set_up_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # SQLAlchemy begins transactions (below); the driver's own way commits before some statements.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL: what is journalled before Kafka gets it must survive the machine, not only the process.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA cache_size=-8192")  # KiB: 8 MiB a connection
    cursor.execute("PRAGMA journal_size_limit=67108864")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    # A reader that turns into a writer half-way can be refused; writers say so from the start.
    immediate = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _note_damage(context: sa.engine.ExceptionContext) -> None:
    if context.engine is not None and _damage(context.original_exception):
        _suspect_file(context.engine).touch()


def _suspect_file(engine: sa.Engine) -> Path:
    path = Path(str(engine.url.database))
    return path.with_name(path.name + _SUSPECT)


def damage_of(error: BaseException) -> sa.exc.DatabaseError | None:
    """``error`` if it says that SQLite's file is at fault, which only a start mends; else None."""
    if type(error) is sa.exc.DatabaseError and error.orig is not None and _damage(error.orig):
        return error
    return None


def _damage(error: BaseException) -> str | None:
    """What SQLite says when the file is at fault; None for all other errors."""
    text = str(error)
    return text if "malformed" in text or "not a database" in text else None


def _broken(engine: sa.Engine) -> str | None:
    path = Path(str(engine.url.database))
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        # After a kill the file alone may be shorter than its head says: the rest is in the log.
        try:
            with engine.connect() as c:
                c.commit()
                c.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        except (sa.exc.DatabaseError, sqlite3.DatabaseError) as e:
            return _damage(e)
        # POSIX drops a process's locks on a file when it closes any descriptor of it
        # (sqlite.org/howtocorrupt.html, 2.2): with a connection open beside `_cut_short`, the next
        # reader to leave would take itself for the last and delete the log that we write to.
        engine.dispose()
    if path.exists() and (why := _cut_short(path)):
        return why
    is_long = path.exists() and path.stat().st_size > _CHECK_WHOLE
    try:
        with engine.connect() as c:
            if is_long and not _suspect_file(engine).exists():
                return None  # its tables can be opened; reading all of it would take long
            said = c.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    except sa.exc.DatabaseError as e:
        return _damage(e.orig or e)
    return None if said == "ok" else str(said).splitlines()[0]


def _cut_short(path: Path) -> str | None:
    """Whether the file is shorter than its head says (SQLite file format, 1.3: bytes 16 and 28)."""
    with path.open("rb") as f:
        head = f.read(100)
    if not head:
        return None  # a new one
    if len(head) < 100 or not head.startswith(b"SQLite format 3\0"):
        return "not a database"
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    if path.stat().st_size < pages * (65536 if page == 1 else page):
        return "cut short"
    return None


def _set_aside(path: Path) -> str:
    name = f"{path.name}.broken-{int(time.time())}"
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.rename(path.with_name(name))
    return name


def _migrate(engine: sa.Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations"))
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            # Several connectors may start at once: one migrates, the others wait and find it done.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
