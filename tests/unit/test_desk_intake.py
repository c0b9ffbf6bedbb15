"""The desk's way in: what is refused, what comes before what, how a broker is missed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from connectors.bus.base import Message, Subscriber
from connectors.bus.errors import Unavailable
from connectors.desk.database import database_url, migrate, open_database
from connectors.desk.intake import AlertIntake, keep_reading
from connectors.desk.metrics import DeskMetrics
from connectors.desk.store import Store
from pipeline.contracts import codec
from pipeline.contracts.clock import FakeClock
from pipeline.contracts.topics import ALERTS
from tests.golden.desk.alert import ALERT

NOW = datetime(2026, 3, 3, 1, tzinfo=UTC)


class Told:
    """A bus of one batch that notes what is done with it."""

    def __init__(self, *values: bytes) -> None:
        self.batch = [Message(ALERTS, 0, n, NOW, None, v) for n, v in enumerate(values)]
        self.done: list[str] = []

    def poll(self, _limit: int, _timeout: float) -> Sequence[Message]:
        return self.batch

    def commit(self) -> None:
        self.done.append("commit")

    def send(self, topic: str, *_: Any) -> None:
        self.done.append(topic)

    def flush(self, _timeout: float) -> None:
        self.done.append("flush")


def take(bus: Told, folder: Path) -> int:
    engine = open_database(database_url(folder, None))
    migrate(engine)
    intake = AlertIntake(
        Store(engine),
        (),
        DeskMetrics(CollectorRegistry()),
        FakeClock(NOW),
        wake=lambda: bus.done.append("wake"),
        publisher=lambda: cast("Any", bus),
    )
    try:
        return intake.step(cast("Subscriber", bus), 0)
    finally:
        engine.dispose()


@pytest.mark.parametrize(
    "wrong",
    [
        {"revision": 0},
        {"revision": -1},
        {"topic": "a\nb"},
        {"topic": "x" * 129},
        {"alert_id": "a b"},
    ],
)
def test_what_would_not_fit_a_header_or_a_table_is_a_dead_letter(
    wrong: dict[str, Any], tmp_path: Path
) -> None:
    bus = Told(codec.encode(replace(ALERT, **wrong)))
    assert take(bus, tmp_path) == 0
    assert bus.done == ["news.dead-letters.v1", "flush", "commit"]


def test_an_offset_is_committed_after_rows_and_letters(tmp_path: Path) -> None:
    bus = Told(codec.encode(ALERT), b"junk")
    assert take(bus, tmp_path) == 1
    assert bus.done == ["wake", "news.dead-letters.v1", "flush", "commit"]


def test_a_broker_that_is_away_is_asked_ever_more_seldom() -> None:
    waits: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            if len(waits) == 6:
                self.set()
            return self.is_set()

    def connect() -> Subscriber:
        raise Unavailable("nobody there")

    keep_reading(connect, lambda *_: None, Stop(), "alerts")
    assert waits == [0.5, 1.0, 2.0, 5.0, 5.0, 5.0]
