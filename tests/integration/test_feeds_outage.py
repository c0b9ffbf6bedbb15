"""Kafka is killed and away for long while feeds are served: nothing is lost, memory stays bounded.

``OUTAGE_SECONDS`` sets the length: a minute by default, 300 for the promise as it is.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from connectors.bus.topics import ensure_topics
from connectors.feeds.state.database import sqlite_url
from pipeline.contracts.topics import topic_specs
from tests.conftest import kafka_running, kafka_setup
from tests.integration.feeds_process import (
    article,
    await_ready,
    published,
    running,
    settle,
    totals,
    until,
)
from tests.integration.growing_feeds import GrowingFeeds, connector_settings, growing

OUTAGE = float(os.environ.get("OUTAGE_SECONDS", "60"))
FEEDS = 40
MOST_MIB = 32.0
"""What the outage may add to the connector: what waits is on the disk."""


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(400 + OUTAGE)
def test_kafka_away_for_long_loses_nothing_and_costs_no_memory(
    tmp_path: Path,
) -> None:
    setup = kafka_setup(tmp_path / "kafka")
    began = datetime.now(UTC)
    log, state = tmp_path / "feeds.log", sqlite_url(tmp_path)
    with growing() as feeds:
        environment = connector_settings(tmp_path, feeds, FEEDS, setup.bootstrap, every=2)
        with running(environment, log) as connector:
            with kafka_running(setup) as (bootstrap, kafka):
                ensure_topics(bootstrap, topic_specs())
                await_ready(log)
                until(lambda: totals(state).accepted > 10 * FEEDS, lambda: totals(state))
                before = _mib(connector.pid)
                os.killpg(kafka.pid, signal.SIGKILL)
            away = time.monotonic()
            until(lambda: totals(state).pending > 0, lambda: log.read_text())
            peak = before
            while time.monotonic() - away < OUTAGE:
                peak = max(peak, _mib(connector.pid))
                threading.Event().wait(0.5)
            asked = _asked_since(feeds, away)
            waiting = totals(state).pending
            with kafka_running(setup):
                feeds.freeze()
                settle(bootstrap, began, feeds.served, state)
                values = Counter(published(bootstrap, began))
                connector.terminate()
                assert connector.wait(20) == 0, log.read_text()
    # `pytest -s` shows it.
    memory = f"{before:.0f} MiB before, {peak:.0f} MiB at most"
    sys.stdout.write(f"{OUTAGE:.0f} s away: {waiting} articles waited, {memory}\n")
    assert peak - before < MOST_MIB
    # One poll with news waits for each feed; none of them is asked again before that is safe.
    assert asked <= 3 * FEEDS
    assert waiting > 0
    assert "Traceback" not in log.read_text()
    counted = totals(state)
    assert counted.fetched == counted.accepted + counted.duplicates + counted.rejected
    assert counted.accepted == len(values)
    assert len({(a.article_id, a.revision) for a in map(article, values)}) == len(values)


def _mib(pid: int) -> float:
    # Not its workers: they hold nothing but the document they parse, and each starts when it is
    # first needed, which may be now.
    return psutil.Process(pid).memory_info().rss / 2**20


def _asked_since(feeds: GrowingFeeds, since: float) -> int:
    return sum(at > since for asked in feeds.asked.values() for at, _ in asked)
