"""Two connectors as running services on one PostgreSQL: they share the feeds, and one may die."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from connectors.bus.topics import ensure_topics
from connectors.feeds.state.database import open_database
from pipeline.contracts.topics import topic_specs
from tests.integration.feeds_connector import LEASE
from tests.integration.feeds_process import (
    article,
    await_ready,
    published,
    running,
    settle,
    totals,
    until,
)
from tests.integration.growing_feeds import GrowingFeeds, feed_list, growing

FEEDS = 12
POLL_SECONDS = 1.0

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(180)]


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    """A database of the test's own."""
    admin = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as c:
        c.exec_driver_sql("DROP DATABASE IF EXISTS shared WITH (FORCE)")
        c.exec_driver_sql("CREATE DATABASE shared")
    yield sa.make_url(postgres_url).set(database="shared").render_as_string(hide_password=False)
    with admin.connect() as c:
        c.exec_driver_sql("DROP DATABASE shared WITH (FORCE)")
    admin.dispose()


def test_two_connectors_share_the_feeds_and_one_takes_over_when_the_other_is_killed(
    tmp_path: Path, kafka_bootstrap: str, database: str
) -> None:
    ensure_topics(kafka_bootstrap, topic_specs())
    began = datetime.now(UTC)
    listing = tmp_path / "list.toml"
    logs = {name: tmp_path / f"{name}.log" for name in ("one", "two")}

    def connector(name: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
        allowed = f"127.0.0.1:{feeds.port}"
        arguments = (name, database, kafka_bootstrap, str(listing), allowed)
        return running({}, logs[name], ("-m", "tests.integration.feeds_connector", *arguments))

    with growing() as feeds:
        listing.write_text(feed_list(feeds.port, FEEDS))
        with connector("one") as one, connector("two") as two:
            for log in logs.values():
                await_ready(log)
            mark = time.monotonic()
            until(lambda: set(_polls(feeds, mark)) == {"one", "two"}, lambda: _polls(feeds, mark))
            until(lambda: sum(_polls(feeds, mark).values()) > 5 * FEEDS, lambda: None)
            _kill_with_an_open_journal(one, database)
            killed = time.monotonic()
            _assert_no_double_poll(feeds, killed)
            until(lambda: _asked_since(feeds, killed + 0.1) == FEEDS, lambda: feeds.asked)
            # A lease, the beat after it, and the next look at who is due.
            assert time.monotonic() - killed < LEASE + LEASE / 4 + 3
            with connector("one") as one:
                back = time.monotonic()
                until(lambda: "one" in _polls(feeds, back), lambda: logs["one"].read_text())
                feeds.freeze()
                settle(kafka_bootstrap, began, feeds.served, database)
                _assert_no_double_poll(feeds, since=killed + LEASE * 1.5)
                for process in (one, two):
                    process.terminate()
                for process in (one, two):
                    assert process.wait(20) == 0

    assert "took over" in logs["two"].read_text()
    assert not any("Traceback" in log.read_text() for log in logs.values())
    values = Counter(published(kafka_bootstrap, began))
    counted = totals(database)
    assert counted.fetched == counted.accepted + counted.duplicates + counted.rejected
    # A repeat is equal byte for byte: ids remove it. Nothing else is there twice.
    assert counted.accepted == len(values)
    assert len({(a.article_id, a.revision) for a in map(article, values)}) == len(values)


def _polls(feeds: GrowingFeeds, since: float) -> Counter[str]:
    """Connector -> requests since then."""
    return Counter(name for asked in feeds.asked.values() for at, name in asked if at > since)


def _asked_since(feeds: GrowingFeeds, since: float) -> int:
    return sum(any(at > since for at, _ in asked) for asked in feeds.asked.values())


def _assert_no_double_poll(feeds: GrowingFeeds, until: float = 1e12, since: float = 0.0) -> None:
    """Whoever asks, the next request comes no sooner than the shortest interval."""
    for asked in feeds.asked.values():
        times = [at for at, _ in asked if since < at < until]
        gaps = [b - a for a, b in itertools.pairwise(times)]
        assert min(gaps, default=POLL_SECONDS) >= 0.9 * POLL_SECONDS, asked


def _kill_with_an_open_journal(process: subprocess.Popen[bytes], database: str) -> None:
    """Kill ``one`` at a moment at which it has written down what it has not completed."""
    engine = open_database(database)
    query = sa.text("SELECT count(*) FROM feeds_journal WHERE owner = 'one'")
    try:
        for _ in range(200):
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as c:
                until(lambda: c.execute(query).scalar_one() > 0, lambda: "no journal")
                os.kill(process.pid, signal.SIGSTOP)
                # What it had sent to the server before is done there all the same.
                threading.Event().wait(0.1)
                if c.execute(query).scalar_one() > 0:
                    os.killpg(process.pid, signal.SIGKILL)
                    return
                os.kill(process.pid, signal.SIGCONT)
        pytest.fail("the connector was never caught with an open journal")
    finally:
        engine.dispose()
