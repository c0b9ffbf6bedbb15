"""Commands beside the connector say in one line what is wrong with its database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.feeds.state import database
from connectors.feeds.state.database import FILE_NAME, open_database, sqlite_url
from deploy.cli.feeds_list import list_feeds
from deploy.cli.ledger import ledger
from deploy.errors import Fault, Refused

Command = Callable[[], None]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRAITWATCH_HOME", str(tmp_path))
    return tmp_path


def test_a_ledger_of_a_home_where_nothing_has_run_is_not_found(home: Path) -> None:
    with pytest.raises(Refused, match="no connector has run"):
        ledger()

    assert not list(home.iterdir())


@pytest.mark.parametrize("command", [ledger, list_feeds])
def test_a_file_that_is_no_database_is_one_line(home: Path, command: Command) -> None:
    (home / FILE_NAME).write_bytes(b"no database at all")

    with pytest.raises(Fault, match="file is not a database") as raised:
        command()

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("command", [ledger, list_feeds])
def test_a_database_of_a_newer_program_is_one_line(home: Path, command: Command) -> None:
    engine = open_database(sqlite_url(home))
    with engine.begin() as c:
        (table,) = [
            row[0]
            for row in c.exec_driver_sql(
                "select name from sqlite_master where name like '%version%'"
            )
            if not row[0].startswith("sqlite_")
        ]
        c.exec_driver_sql(f"update {table} set version_num = '9999'")
    engine.dispose()

    with pytest.raises(Fault, match="of a newer Straitwatch") as raised:
        command()

    assert "\n" not in str(raised.value)


class _Asked(Exception):
    """The driver would have been asked for a connection."""


@pytest.mark.parametrize(("query", "seconds"), [("", "10"), ("?connect_timeout=3", "3")])
def test_a_postgresql_that_swallows_packets_holds_a_start_for_seconds_only(
    query: str, seconds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    create = sa.create_engine

    def watched(*args: Any, **options: Any) -> sa.Engine:
        engine = create(*args, **options)

        def do_connect(_d: Any, _r: Any, _a: Any, parameters: dict[str, Any]) -> None:
            asked.append(parameters)
            raise _Asked

        sa.event.listen(engine, "do_connect", do_connect)
        return engine

    monkeypatch.setattr(database.sa, "create_engine", watched)
    with pytest.raises(_Asked):
        open_database(f"postgresql://me@nowhere.example/news{query}")

    assert [str(parameters["connect_timeout"]) for parameters in asked] == [seconds]
