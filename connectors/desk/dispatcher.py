"""Takes messages out of the outbox to one channel each: order, back-off, pace, giving up.

A channel only says how an attempt went; everything that follows from it is decided here. Each
channel has its own thread, so a slow one delays no other.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from connectors.desk.channels.base import (
    Channel,
    ChannelKind,
    Envelope,
    Outcome,
    Refused,
    Retry,
    Sent,
)
from connectors.desk.metrics import DeskMetrics
from connectors.desk.policy import Chance, DeliveryPolicy
from connectors.desk.schema import OutboxState
from connectors.desk.store import OutboxRow, Store
from pipeline.contracts import codec
from pipeline.contracts.clock import Clock
from pipeline.contracts.records import CALMING, Alert

log = logging.getLogger(__name__)

_LOOK_AGAIN: Final = timedelta(seconds=30)
"""New messages wake the thread; this is only the net below."""


class Dispatcher:
    """Delivers what waits for one channel."""

    def __init__(
        self,
        channel: Channel,
        store: Store,
        metrics: DeskMetrics,
        clock: Clock,
        *,
        policy: DeliveryPolicy = DeliveryPolicy(),  # noqa: B008 - frozen
        chance: Chance = random.random,
        measures_latency: bool = True,
    ) -> None:
        self._channel = channel
        self._row = channel.row
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._policy = policy
        self._chance = chance
        self._measures_latency = measures_latency
        self._failures = 0
        # By the clock that never goes back: one that is set back must silence no channel.
        self._paused_until_s = clock.monotonic()
        pace = channel.pace
        self._recent_s: deque[float] = deque(maxlen=pace.burst if pace else 1)

    def step(self) -> timedelta:
        """Make at most one attempt; how long there is nothing to do after it."""
        if (wait := self._must_wait()) > timedelta(0):
            return wait
        now = self._clock.now()
        if self._channel.pace is not None:
            self._leave_out_overtaken(now)
        row = self._store.claim(self._row.id, now)
        if row is None:
            due = self._store.next_due(self._row.id)
            if due is not None and due - now > self._policy.longest_wait:
                log.warning("%s: the clock was set back; what waits is due now", self._row.label)
                self._store.hasten(self._row.id, now)
                return timedelta(0)
            # One that is due and not claimed waits for an earlier revision, which is not due yet.
            return _LOOK_AGAIN if due is None else max(due - now, timedelta(milliseconds=200))
        alert = codec.decode(Alert, row.record)
        with self._metrics.attempt_seconds.labels(self._row.kind).time():
            outcome = self._attempt(row, alert)
        self._settle(row, alert, outcome)
        return timedelta(0)

    def run(self, stop: threading.Event, wake: threading.Event) -> None:
        """Deliver until ``stop``; ``wake`` says that there may be something new."""
        while not stop.is_set():
            wake.clear()
            wait = self.step()
            if wait > timedelta(0):
                wake.wait(min(wait, _LOOK_AGAIN).total_seconds())

    def _must_wait(self) -> timedelta:
        until_s = self._paused_until_s
        pace = self._channel.pace
        if pace is not None and len(self._recent_s) == pace.burst:
            until_s = max(until_s, self._recent_s[0] + pace.window.total_seconds())
        return timedelta(seconds=until_s - self._clock.monotonic())

    def _leave_out_overtaken(self, now: datetime) -> None:
        # A person wants to know how things stand, not to read up on a channel's bad hours.
        if n := self._store.leave_out_overtaken(self._row.id, now):
            self._count("overtaken", n)
            log.info("%s: left out %d messages that later ones say as well", self._row.label, n)

    def _attempt(self, row: OutboxRow, alert: Alert) -> Outcome:
        try:
            return self._channel.send(Envelope(alert, row.record))
        except Exception as e:  # noqa: BLE001 - a plugin
            # A plugin's fault must not end the desk, and the message is worth another attempt. What
            # the error says may hold the URL; where it happened does not.
            where = "".join(traceback.format_tb(e.__traceback__))
            name = type(e).__name__
            log.warning("%s failed in an unforeseen way: %s\n%s", self._row.label, name, where)
            return Retry(f"a fault in the channel ({type(e).__name__})")

    def _settle(self, row: OutboxRow, alert: Alert, outcome: Outcome) -> None:
        now = self._clock.now()
        if isinstance(outcome, Sent):
            self._store.finish(row.id, OutboxState.SENT, now, outcome.note)
            self._count("sent")
            self._measure(alert, now)
            self._recent_s.append(self._clock.monotonic())
            if self._failures:
                log.info("%s works again", self._row.label)
                self._store.hasten(self._row.id, now)
            self._failures = 0
            self._paused_until_s = self._clock.monotonic()
        elif isinstance(outcome, Refused):
            self._store.finish(row.id, OutboxState.REFUSED, now, outcome.reason)
            self._count("refused")
            log.error("%s refused %s: %s", self._row.label, row.key, outcome.reason)
        else:
            self._count("retry")
            self._postpone(row, outcome, now)

    def _postpone(self, row: OutboxRow, outcome: Retry, now: datetime) -> None:
        self._failures += 1
        asked = min(outcome.after or timedelta(0), self._policy.longest_retry_after)
        pause = max(asked, self._policy.channel.wait(self._failures, self._chance()))
        self._paused_until_s = self._clock.monotonic() + pause.total_seconds()
        if now - row.created_at >= self._policy.give_up:
            self._store.finish(row.id, OutboxState.DEAD, now, outcome.reason)
            self._count("dead")
            log.error(
                "%s: gave up on %s after %d attempts: %s",
                self._row.label,
                row.key,
                row.attempts,
                outcome.reason,
            )
            return
        wait = max(asked, self._policy.message.wait(row.attempts, self._chance()))
        self._store.postpone(row.id, now + wait, outcome.reason)
        log.warning(
            "%s: attempt %d of %s: %s; again in %.0f s",
            self._row.label,
            row.attempts,
            row.key,
            outcome.reason,
            wait.total_seconds(),
        )

    def _measure(self, alert: Alert, now: datetime) -> None:
        # A calming revision has no story behind it whose way could be measured.
        if not self._measures_latency or alert.state in CALMING:
            return
        self._metrics.alert_to_delivered.observe(_seconds(alert.revised_at, now))
        if alert.newest_seen_at is not None:
            self._metrics.seen_to_alert.observe(_seconds(alert.newest_seen_at, alert.revised_at))
            self._metrics.seen_to_delivered.observe(_seconds(alert.newest_seen_at, now))
        if alert.evidence:
            newest = max(e.published_at for e in alert.evidence)
            self._metrics.published_to_delivered.observe(_seconds(newest, now))

    def _count(self, outcome: str, n: int = 1) -> None:
        self._metrics.deliveries.labels(self._row.kind, outcome).inc(n)


class Workers:
    """A thread for each channel."""

    def __init__(
        self, dispatchers: list[Dispatcher], fail: Callable[[BaseException], None]
    ) -> None:
        """Make ready.

        Args:
            dispatchers: one a channel.
            fail: told when a thread ends with an error: the desk must not go on without it.
        """
        self._stop = threading.Event()
        self._fail = fail
        self._wakes = [threading.Event() for _ in dispatchers]
        self._threads = [
            threading.Thread(target=self._run, args=(d, wake), daemon=True, name=f"channel-{n}")
            for n, (d, wake) in enumerate(zip(dispatchers, self._wakes, strict=True))
        ]

    def start(self) -> None:
        """Begin to deliver."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """There may be something new."""
        for event in self._wakes:
            event.set()

    def stop(self, timeout: float) -> None:
        """Let attempts end, for ``timeout`` seconds at most."""
        self._stop.set()
        self.wake()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, dispatcher: Dispatcher, wake: threading.Event) -> None:
        try:
            dispatcher.run(self._stop, wake)
        except BaseException as e:  # noqa: BLE001 - a thread's boundary: `fail` tells
            self._fail(e)


def measures_latency(kind: str, kinds: set[str]) -> bool:
    """Whether deliveries of this kind of channel are what an analyst waits for.

    The console is only where there is nothing else.
    """
    return kind != ChannelKind.CONSOLE or kinds == {ChannelKind.CONSOLE}


def _seconds(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())
