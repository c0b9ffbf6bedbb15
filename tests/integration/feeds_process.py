"""The connector as a process of its own, on a real broker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import pytest

from connectors.bus.base import Start, drain
from connectors.bus.kafka import KafkaSubscriber
from connectors.feeds.state.database import open_database
from connectors.feeds.state.records import FeedTotals
from connectors.feeds.state.store import FeedStore
from pipeline.contracts.codec import decode
from pipeline.contracts.records import Article
from pipeline.contracts.topics import ARTICLES

RUN = ("-m", "deploy.cli", "feeds", "run")


@contextmanager
def running(
    environment: dict[str, str], log: Path, arguments: Sequence[str] = RUN
) -> Iterator[subprocess.Popen[bytes]]:
    """The connector, killed at the end of the block if it is still there."""
    with (
        log.open("ab") as out,
        subprocess.Popen(
            [sys.executable, *arguments],
            env=os.environ | environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def await_ready(log: Path, told: int = 0) -> None:
    """Wait until the log says so after its first ``told`` bytes."""
    until(lambda: "ready" in log.read_text()[told:], lambda: log.read_text())


def until(
    condition: Callable[[], bool],
    what: Callable[[], object],
    seconds: float = 90.0,
    every: float = 0.05,
) -> None:
    """Wait until the condition holds; ``what`` tells how far it got when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:.0f} s: {what()}")
        threading.Event().wait(every)


def published(bootstrap: str, since: datetime) -> list[bytes]:
    """The articles on the topic that were seen from ``since`` on: other tests use it too."""
    subscriber = KafkaSubscriber(
        bootstrap, (ARTICLES,), client_id="test-feeds-process", start=Start.EARLIEST
    )
    try:
        values = [m.value or b"" for m in drain(subscriber)]
    finally:
        subscriber.close()
    return [v for v in values if article(v).seen_at >= since]


def article(value: bytes) -> Article:
    """The article in a message."""
    return decode(Article, value)


def totals(database_url: str) -> FeedTotals:
    """The totals in the database."""
    engine = open_database(database_url)
    try:
        return FeedStore(engine).totals()
    finally:
        engine.dispose()


def settle(bootstrap: str, since: datetime, served: set[str], database_url: str) -> None:
    """Wait until every item that was served is on Kafka and counted."""
    left: list[object] = []

    def settled() -> bool:
        now = totals(database_url)
        left[:] = [now]
        if now.pending or now.accepted < len(served):
            return False
        missing = served - {article(v).guid for v in published(bootstrap, since)}
        left.append(len(missing))
        return not missing

    until(settled, lambda: left, every=0.5)
