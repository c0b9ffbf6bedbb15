"""`straitwatch feeds run` on a real broker, killed at random moments: nothing is lost."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.bus.topics import ensure_topics
from connectors.feeds.state.database import sqlite_url
from pipeline.contracts.topics import topic_specs
from tests.integration.feeds_process import article, await_ready, published, running, settle, totals
from tests.integration.growing_feeds import connector_settings, growing

FEEDS = 12


def _kill_again_and_again(home: Path, bootstrap: str, rounds: int, longest: float) -> None:
    ensure_topics(bootstrap, topic_specs())
    began = datetime.now(UTC)
    rng = random.Random(7)
    log = home / "feeds.log"
    with growing() as feeds:
        environment = connector_settings(home, feeds, FEEDS, bootstrap)
        for number in range(rounds):
            told = log.stat().st_size if log.exists() else 0
            with running(environment, log):
                if number % 4 != 3:  # every fourth is killed while it starts
                    await_ready(log, told)
                threading.Event().wait(rng.uniform(0.0, longest))
        assert feeds.served, "the rounds were too short to fetch anything"
        feeds.freeze()
        told = log.stat().st_size
        with running(environment, log) as process:
            await_ready(log, told)
            settle(bootstrap, began, feeds.served, sqlite_url(home))
            process.terminate()
            assert process.wait(20) == 0, log.read_text()
        assert "Traceback" not in log.read_text()
        values = Counter(published(bootstrap, began))
        counted = totals(sqlite_url(home))
        assert counted.fetched == counted.accepted + counted.duplicates + counted.rejected
        # Every distinct message was counted once; a repeat after a kill is equal byte for byte.
        assert counted.accepted == len(values)
        assert len({(a.article_id, a.revision) for a in map(article, values)}) == len(values)


@pytest.mark.kafka
def test_three_kills_lose_nothing_and_the_totals_are_exact(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    _kill_again_and_again(tmp_path, kafka_bootstrap, rounds=3, longest=4.0)


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_twenty_kills_lose_nothing_and_the_totals_are_exact(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    _kill_again_and_again(tmp_path, kafka_bootstrap, rounds=20, longest=6.0)
