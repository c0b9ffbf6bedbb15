"""From Kafka to the outbox, and from the series topic to the gauges.

A Kafka offset is committed after the rows it stands for, so nothing is lost between the two; what
is read twice is known by its keys.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from connectors.bus.base import Message, Publisher, Subscriber
from connectors.bus.errors import BusError, Unavailable
from connectors.desk.metrics import DeskMetrics
from connectors.desk.store import ChannelRow, Store
from pipeline.contracts import codec
from pipeline.contracts.clock import Clock
from pipeline.contracts.errors import DecodeError
from pipeline.contracts.records import Alert, DeadLetter, DeadReason, SeriesPoint
from pipeline.contracts.topics import DEAD_LETTERS

log = logging.getLogger(__name__)

STEP: Final = "desk"
"""Our name in dead letters."""
_BATCH: Final = 200
_LONGEST_ID: Final = 128
_POLL_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = (0.5, 1.0, 2.0, 5.0)
"""Waits between attempts to reach the broker."""
_FUTURE: Final = timedelta(minutes=10)


class AlertIntake:
    """Takes alert revisions into the outbox."""

    def __init__(
        self,
        store: Store,
        channels: Sequence[ChannelRow],
        metrics: DeskMetrics,
        clock: Clock,
        *,
        wake: Callable[[], None],
        publisher: Callable[[], Publisher],
    ) -> None:
        """Make ready.

        Args:
            store: where revisions and messages go.
            channels: who gets each revision.
            metrics: what is counted.
            clock: when.
            wake: called when there are new messages.
            publisher: the way to the dead letters, asked for only when there is one.
        """
        self._store = store
        self._channels = tuple(channels)
        self._metrics = metrics
        self._clock = clock
        self._wake = wake
        self._publisher = publisher

    def step(self, subscriber: Subscriber, timeout: float) -> int:
        """Take what there is, waiting ``timeout`` seconds for it; how many revisions were new.

        Raises:
            BusError: the broker is away; nothing is lost by trying again.
        """
        messages = subscriber.poll(_BATCH, timeout)
        if not messages:
            return 0
        alerts, letters = self._sort(messages)
        new = self._store.take(alerts, self._channels, self._clock.now()) if alerts else ()
        if new:
            self._wake()
        for alert in new:
            self._metrics.revisions.labels(alert.topic, alert.severity.value).inc()
        if letters:
            publisher = self._publisher()
            for letter in letters:
                publisher.send(DEAD_LETTERS, letter.source_topic.encode(), codec.encode(letter))
            publisher.flush(30)
        subscriber.commit()
        return len(new)

    def _sort(self, messages: Sequence[Message]) -> tuple[list[Alert], list[DeadLetter]]:
        alerts: list[Alert] = []
        letters: list[DeadLetter] = []
        for m in messages:
            try:
                alerts.append(_fitting(codec.decode(Alert, m.value)))
            except DecodeError as e:
                self._metrics.unreadable.labels(e.reason.value).inc()
                log.error("%s[%d] at %d is no alert: %s", m.topic, m.partition, m.offset, e)  # noqa: TRY400 - their fault
                letters.append(
                    DeadLetter(
                        STEP,
                        e.reason,
                        e.detail,
                        m.topic,
                        m.partition,
                        m.offset,
                        m.value or b"",
                        m.timestamp,
                    )
                )
        return alerts, letters


def _fitting(alert: Alert) -> Alert:
    """The alert, when its id can stand in a header and in our tables.

    Raises:
        DecodeError: it cannot.
    """
    name = alert.alert_id
    if (
        not 0 < len(name) <= _LONGEST_ID
        or not name.isascii()
        or not name.isprintable()
        or " " in name
    ):
        raise DecodeError(DeadReason.BAD_FIELD, "alert_id: not 1 to 128 printable ASCII characters")
    if not 0 < alert.revision < 2**31:
        raise DecodeError(DeadReason.BAD_FIELD, "revision: not a positive number")
    if len(alert.topic) > _LONGEST_ID or not alert.topic.isprintable():
        raise DecodeError(DeadReason.BAD_FIELD, "topic: not up to 128 printable characters")
    return alert


class SeriesIntake:
    """Shows the newest bucket of each series as gauges."""

    def __init__(self, metrics: DeskMetrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._newest: dict[tuple[str, str], datetime] = {}

    def step(self, subscriber: Subscriber, timeout: float) -> int:
        """Show what there is, waiting ``timeout`` seconds for it; how many points were newer.

        Raises:
            BusError: the broker is away.
        """
        newer = 0
        for message in subscriber.poll(1000, timeout):
            try:
                point = codec.decode(SeriesPoint, message.value)
            except DecodeError as e:
                self._metrics.unreadable.labels(e.reason.value).inc()
                continue
            newer += self._show(point)
        return newer

    def _show(self, point: SeriesPoint) -> bool:
        key = (point.topic, point.series.value)
        # A bucket is told again when late articles come; an older one never takes the newest's
        # place, nor does one from a future that a wrong clock made up.
        if point.bucket < self._newest.get(key, datetime.min.replace(tzinfo=UTC)):
            return False
        if point.bucket > self._clock.now() + _FUTURE:
            return False
        self._newest[key] = point.bucket
        self._metrics.show(point)
        return True


def keep_reading(
    connect: Callable[[], Subscriber],
    step: Callable[[Subscriber, float], object],
    stop: threading.Event,
    name: str,
) -> None:
    """Call ``step`` with a subscriber until ``stop``; a broker that is away is waited for.

    Args:
        connect: makes a subscriber; raises `BusError` while there is no broker.
        step: reads once, waiting for the seconds given.
        stop: ends it.
        name: for the log.
    """
    failures = 0
    while not stop.is_set():
        try:
            subscriber = connect()
            try:
                while not stop.is_set():
                    step(subscriber, _POLL_SECONDS)
                    if failures:
                        log.info("%s: Kafka answers again", name)
                    failures = 0
            finally:
                subscriber.close()
        except BusError as e:
            wait = _AGAIN_SECONDS[min(failures, len(_AGAIN_SECONDS) - 1)]
            failures += 1
            level = logging.WARNING if isinstance(e, Unavailable) else logging.ERROR
            log.log(level, "%s: %s; again in %.1f s", name, e, wait)
            stop.wait(wait)
