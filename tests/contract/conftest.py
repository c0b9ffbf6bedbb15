"""A feed store on SQLite and on a real PostgreSQL, empty for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from connectors.feeds.state.database import open_database, sqlite_url
from connectors.feeds.state.store import FeedStore
from connectors.feeds.state.tables import METADATA
from tests.contract.feeds_stores import NOW


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], scope="module"
)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sa.Engine]:
    if request.param == "sqlite":
        url = sqlite_url(tmp_path_factory.mktemp("store"))
    else:
        url = request.getfixturevalue("postgres_url")
    engine = open_database(url)
    if request.param == "sqlite":
        # The promises are the same without waiting for the disk.
        engine.dispose()
        sa.event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA synchronous=OFF"))
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: sa.Engine) -> FeedStore:
    with engine.connect().execution_options(write=True) as c, c.begin():
        for table in METADATA.sorted_tables:
            c.execute(sa.delete(table))
    store = FeedStore(engine, "one")
    store.start(NOW)
    return store
