"""The desk at work: intake, one dispatcher a channel, gauges, metrics; from start to clean end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import start_http_server

from connectors.bus.base import Publisher, Start, Subscriber
from connectors.desk.channels.base import Channel
from connectors.desk.dispatcher import Dispatcher, Workers, measures_latency
from connectors.desk.intake import AlertIntake, SeriesIntake, keep_reading
from connectors.desk.metrics import DeskMetrics
from connectors.desk.policy import DeliveryPolicy
from connectors.desk.schema import UNDELIVERED, UNFINISHED
from connectors.desk.store import Store
from pipeline.contracts.clock import Clock
from pipeline.contracts.topics import ALERTS, SERIES

log = logging.getLogger(__name__)

GROUP: Final = "straitwatch-desk"
"""Whose offsets Kafka keeps."""
_END_SECONDS: Final = 8.0
"""How long attempts may take to end at a stop."""
_GAUGE_SECONDS: Final = 5.0

_SERIES_PAST: Final = timedelta(days=1)
"""How far back the newest bucket of a series is looked for at the start."""

Subscribe = Callable[[str, Start | datetime, str | None], Subscriber]
"""Topic, start and group to a subscriber; raises `BusError` while there is no broker."""


@dataclass(frozen=True, slots=True)
class Bus:
    """The two ways to Kafka that a desk needs."""

    subscribe: Subscribe
    publish: Callable[[], Publisher]


class Desk:
    """Takes alerts from the bus to channels until it is stopped."""

    def __init__(
        self,
        store: Store,
        channels: Sequence[Channel],
        bus: Bus,
        clock: Clock,
        *,
        metrics: DeskMetrics | None = None,
        policy: DeliveryPolicy = DeliveryPolicy(),  # noqa: B008 - frozen
        still_held: Callable[[], None] = lambda: None,
    ) -> None:
        """Make ready.

        Args:
            store: where revisions and messages are kept.
            channels: who gets them.
            bus: the ways to Kafka.
            clock: when.
            metrics: what is counted; a registry of its own when left out.
            policy: how long and how often is tried.
            still_held: asked every few seconds; raises when another desk may be at work on the
                database, which ends this one.
        """
        self._still_held = still_held
        self.metrics = metrics or DeskMetrics()
        self._store = store
        self._channels = tuple(channels)
        self._bus = bus
        self._clock = clock
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._publisher: Publisher | None = None
        self._close_metrics: Callable[[], None] = lambda: None
        kinds = {channel.row.kind for channel in channels}
        self._workers = Workers(
            [
                Dispatcher(
                    channel,
                    store,
                    self.metrics,
                    clock,
                    policy=policy,
                    measures_latency=measures_latency(channel.row.kind, kinds),
                )
                for channel in channels
            ],
            self._fail,
        )

    def run(self) -> None:
        """Work until `stop`; what was left over is delivered even while Kafka is away.

        Raises:
            BaseException: whatever ended one of its threads.
        """
        rows = [channel.row for channel in self._channels]
        kinds = {row.id: row.kind for row in rows}
        for row in rows:
            self.metrics.expect(row.kind)
        for channel_id, repeats in self._store.start(rows, self._clock.now()).items():
            if (kind := kinds.get(channel_id)) is not None:
                self.metrics.deliveries.labels(kind, "repeat").inc(repeats)
        intake = AlertIntake(
            self._store,
            rows,
            self.metrics,
            self._clock,
            wake=self._workers.wake,
            publisher=self._connected,
        )
        series = SeriesIntake(self.metrics, self._clock)
        helpers = [
            self._thread("series", lambda: self._read_series(series)),
            self._thread("gauges", self._keep_gauges),
        ]
        self._workers.start()
        for thread in helpers:
            thread.start()
        log.info("ready: %s", ", ".join(row.label for row in rows))
        try:
            keep_reading(
                lambda: self._bus.subscribe(ALERTS, Start.COMMITTED, GROUP),
                intake.step,
                self._stop,
                "alerts",
            )
        finally:
            self._stop.set()
            self._workers.stop(_END_SECONDS)
            for thread in helpers:
                thread.join(_END_SECONDS)
            if self._publisher is not None:
                self._publisher.close(2)
            for channel in self._channels:
                channel.close()
            self._close_metrics()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End soon; safe in a signal handler."""
        self._stop.set()

    def serve_metrics(self, host: str, port: int) -> int:
        """Answer Prometheus in a thread of its own; the port that it got.

        Raises:
            OSError: the port is in use.
        """
        server, thread = start_http_server(port, host, self.metrics.registry)

        def close() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        self._close_metrics = close
        return int(server.server_port)

    def _connected(self) -> Publisher:
        # Made when first needed: a producer costs threads and memory, and alerts are well-formed.
        if self._publisher is None:
            self._publisher = self._bus.publish()
        return self._publisher

    def _read_series(self, series: SeriesIntake) -> None:
        keep_reading(
            lambda: self._bus.subscribe(SERIES, self._clock.now() - _SERIES_PAST, None),
            series.step,
            self._stop,
            "series",
        )

    def _keep_gauges(self) -> None:
        told: set[tuple[str, str]] = set()
        while True:
            self._still_held()
            counts = self._store.outbox_counts()
            self.metrics.outbox.set(sum(counts.get(s, 0) for s in UNFINISHED))
            for state in UNDELIVERED:
                self.metrics.undelivered.labels(state.value).set(counts.get(state, 0))
            open_alerts = self._store.open_alerts()
            told |= open_alerts.keys()
            for labels in told:
                self.metrics.open_alerts.labels(*labels).set(open_alerts.get(labels, 0))
            if self._stop.wait(_GAUGE_SECONDS):
                return

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                work()
            except BaseException as e:  # noqa: BLE001 - a thread's boundary: `run` raises it
                self._fail(e)

        return threading.Thread(target=guarded, daemon=True, name=name)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._stop.set()
