"""The disk refuses every write of the running connector, and the state file is cut short."""

from __future__ import annotations

import resource
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.bus.topics import ensure_topics
from connectors.feeds.state.database import FILE_NAME, sqlite_url
from pipeline.contracts.topics import topic_specs
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

FEEDS = 8
ONE_PAGE = 4096
"""Bytes: less than a page of the state with its frame, more than the log of a start."""

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


def _requests(feeds: GrowingFeeds) -> int:
    return sum(map(len, feeds.asked.values()))


def test_a_disk_that_takes_no_byte_stops_the_polls_and_loses_nothing(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    ensure_topics(kafka_bootstrap, topic_specs())
    began = datetime.now(UTC)
    log, state = tmp_path / "feeds.log", sqlite_url(tmp_path)
    with (
        growing() as feeds,
        running(connector_settings(tmp_path, feeds, FEEDS, kafka_bootstrap), log) as process,
    ):
        await_ready(log)
        until(lambda: totals(state).accepted > 2 * FEEDS, lambda: log.read_text())
        before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (ONE_PAGE, before[1]))
        until(lambda: "the state cannot be" in log.read_text(), lambda: log.read_text())
        threading.Event().wait(1.0)  # polls that were under way are over
        counted, asked = totals(state), _requests(feeds)
        threading.Event().wait(3.0)
        assert process.poll() is None, log.read_text()
        assert totals(state) == counted
        assert _requests(feeds) == asked, "nobody is asked whose answer cannot be kept"
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)
        until(lambda: totals(state).accepted > counted.accepted, lambda: log.read_text())
        feeds.freeze()
        settle(kafka_bootstrap, began, feeds.served, state)
        process.terminate()
        assert process.wait(20) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    values = Counter(published(kafka_bootstrap, began))
    counted = totals(state)
    assert counted.fetched == counted.accepted + counted.duplicates + counted.rejected
    assert counted.accepted == len(values)


def test_a_state_file_cut_short_costs_repeats_that_ids_remove_and_no_article(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    ensure_topics(kafka_bootstrap, topic_specs())
    began = datetime.now(UTC)
    log, state = tmp_path / "feeds.log", sqlite_url(tmp_path)
    with growing() as feeds:
        environment = connector_settings(tmp_path, feeds, FEEDS, kafka_bootstrap)
        with running(environment, log):
            await_ready(log)
            until(lambda: totals(state).accepted > 2 * FEEDS, lambda: log.read_text())
        file = tmp_path / FILE_NAME
        totals(state)  # whoever closes it last writes the log of a killed one into the file
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        told = log.stat().st_size
        with running(environment, log) as process:
            await_ready(log, told)
            feeds.freeze()
            settle(kafka_bootstrap, began, feeds.served, state)
            process.terminate()
            assert process.wait(20) == 0, log.read_text()
    assert "cut short" in log.read_text()[told:]
    assert "Traceback" not in log.read_text()
    sent = [article(v) for v in published(kafka_bootstrap, began)]
    names = {a.article_id: a.guid for a in sent}
    # The same entry has the same id before and after: what is there twice is removed by it.
    assert len(names) == len(set(names.values())) == len({a.guid for a in sent})
