"""kill -9 of every part of the service while articles flow: what is lost, doubled or late.

Each part in turn at a random moment, then the engine while it writes a checkpoint, then two parts,
the second while the first comes back. Prints a table with a row a round, and under it the sums:
what the outlets published against what ended in the pipeline, fetched entries against the five
outcomes, windows against what was published, alert revisions against what the receiver got.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import psutil

from connectors.bus.base import Start, drain
from connectors.bus.errors import Unavailable
from connectors.bus.kafka import KafkaSubscriber
from deploy.bench.load import Load, item, write_feed_list, write_topics
from deploy.demo.outlets import OutletServer
from deploy.demo.receiver import WebhookReceiver
from deploy.demo.run import SECRET
from deploy.demo.stage import Service, settled, stage_environment
from deploy.ledger import LedgerView
from deploy.local.flink.rest import FlinkAway, FlinkRest
from deploy.local.ports import HOST, find_free
from pipeline.contracts import codec
from pipeline.contracts.clock import Clock, SystemClock
from pipeline.contracts.records import Alert, Series, SeriesPoint, TaggedArticle
from pipeline.contracts.topics import ALERTS, SERIES, TAGGED

PARTS: Final = ("feeds", "workers", "engine", "pipeline", "desk", "kafka", "supervisor")
CHECKPOINT: Final = "checkpoint"
"""A round in which the engine is killed while it writes one."""
PAIR: Final = "pair"
"""A round in which a second part is killed while the first comes back."""
ROUNDS: Final = (*PARTS, CHECKPOINT, PAIR)
SECOND_AFTER_SECONDS: Final = (0.3, 6.0)
CHECKPOINT_SECONDS: Final = 30.0
RECOVERY_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 180.0
SETTLE_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Kill:
    """One round."""

    number: int
    parts: tuple[str, ...]
    """Killed, in this order."""
    after_s: float
    """Seconds of traffic before it."""
    recovered_s: float | None
    """From the last kill until an article published after it was tagged; None: never."""
    orphans: int
    """Processes that outlived a killed supervisor by five seconds."""
    jobs: int = 1
    """Jobs on the engine after it: two would count every article twice."""
    in_checkpoint: bool = False
    """A checkpoint was half written."""


@dataclass(frozen=True, slots=True)
class FaultReport:
    """All rounds and the sums."""

    kills: tuple[Kill, ...]
    published: int
    published_on_topic: int
    tagged_distinct: int
    ledger: LedgerView
    windows_wrong: int
    """Topics whose windows do not add up to what was published."""
    revisions: int
    delivered: int
    repeats: int
    gaps: int
    """Alerts whose revisions are not 1, 2, 3 …"""

    @property
    def ended(self) -> int:
        """Distinct entries that came to an end in the pipeline."""
        return self.ledger.tagged + self.ledger.off_topic + self.ledger.dead_letters

    @property
    def ok(self) -> bool:
        """Whether every promise held."""
        return (
            all(k.recovered_s is not None and k.recovered_s <= RECOVERY_SECONDS for k in self.kills)
            and not any(k.orphans for k in self.kills)
            and all(k.jobs == 1 for k in self.kills)
            and self.ended == self.published
            and self.ledger.lost == 0
            and self.tagged_distinct == self.published_on_topic
            and self.windows_wrong == 0
            and self.delivered == self.revisions
            and self.repeats <= sum(len(k.parts) for k in self.kills)
            and self.gaps == 0
        )


@dataclass(slots=True)
class Traffic:
    """Publishes items at a rate from a thread of its own."""

    load: Load
    server: OutletServer
    clock: Clock
    rate: float
    on_topic: float
    published: int = 0
    by_topic: Counter[str] = field(default_factory=Counter)
    _halt: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Publish until `halt`."""
        dice = random.Random(self.load.seed)  # noqa: S311 - load, not a secret
        for title, summary, topic in self.load.items(self.on_topic):
            if self._halt.wait(1 / self.rate):
                return
            self.published += 1
            outlet = dice.choice(self.load.outlets)
            new = item(outlet, self.published, (title, summary), self.clock.now())
            if topic is not None:
                self.by_topic[topic] += 1
            self.server.publish([new])

    def halt(self) -> None:
        """Stop publishing."""
        self._halt.set()


def run_faults(
    rounds: int,
    seed: int,
    say: Callable[[str], None],
    kinds: Sequence[str] = ROUNDS,
    rate: float = 20,
    clock: Clock | None = None,
) -> FaultReport:
    """Run ``rounds`` of these ``kinds`` in turn, at random moments; ``rate``: articles/s."""
    clock = clock or SystemClock()
    dice = random.Random(seed)  # noqa: S311 - moments, not secrets
    load = Load.of(topics=12, outlets=10, seed=seed)
    with (
        tempfile.TemporaryDirectory(prefix="straitwatch-faults-") as folder,
        OutletServer(load.outlets, longest=400) as server,
        WebhookReceiver(SECRET) as receiver,
    ):
        home = Path(folder, "home")
        taken: set[int] = set()
        rest = find_free(taken)
        write_topics(Path(folder, "topics"), load)
        write_feed_list(Path(folder, "feeds.toml"), load, server)
        environment = stage_environment(
            home,
            FEEDS=str(Path(folder, "feeds.toml")),
            TOPICS=str(Path(folder, "topics")),
            ALLOW_HOSTS=server.host,
            CHANNELS=receiver.url,
            WEBHOOK_SECRET=SECRET,
            POLL_SECONDS="1",
            # Fixed for the run: a client must find Kafka again after it was killed.
            PORT_KAFKA=str(find_free(taken)),
            PORT_ENGINE_REST=str(rest),
        )
        service = Service(environment)
        traffic = Traffic(load, server, clock, rate, on_topic=0.2)
        try:
            service.start()
            watch = _Watch(service.kafka)
            threading.Thread(target=watch.run, daemon=True).start()
            threading.Thread(target=traffic.run, daemon=True).start()
            kills = []
            for number in range(1, rounds + 1):
                kind = kinds[(number - 1) % len(kinds)]
                stage = _Stage(service, watch, clock, home / "engine" / "checkpoints")
                kill = _round(number, kind, stage, dice)
                kill = replace(kill, jobs=_jobs(FlinkRest(f"{HOST}:{rest}"), clock))
                kills.append(kill)
                say(_row(kill))
            traffic.halt()
            ledger = settled(home, service.kafka, clock, SETTLE_SECONDS)
            # The last windows are told by a tick that follows the last article.
            deadline = clock.monotonic() + SETTLE_SECONDS
            while _windows_wrong(service.kafka, traffic) and clock.monotonic() < deadline:
                clock.sleep(2)
            return _report(tuple(kills), traffic, ledger, service.kafka, receiver)
        finally:
            traffic.halt()
            service.stop()


class _Watch:
    """The newest moments at which articles were tagged, by title."""

    def __init__(self, kafka: str) -> None:
        self._kafka = kafka
        self.newest_published = 0.0
        self.changed = threading.Condition()

    def run(self) -> None:
        pause = threading.Event()
        while True:
            try:
                subscriber = KafkaSubscriber(
                    self._kafka, [TAGGED], client_id="straitwatch-faults", start=Start.EARLIEST
                )
                while True:
                    for message in subscriber.poll(500, 0.5):
                        self._take(codec.decode(TaggedArticle, message.value))
            except Unavailable:
                pause.wait(0.5)

    def wait_for(self, moment: float, seconds: float) -> bool:
        """Wait until an article published after ``moment`` (epoch seconds) has been tagged."""
        with self.changed:
            return self.changed.wait_for(lambda: self.newest_published > moment, seconds)

    def _take(self, tagged: TaggedArticle) -> None:
        published = tagged.article.published_at
        if published is not None:
            with self.changed:
                self.newest_published = max(self.newest_published, published.timestamp())
                self.changed.notify_all()


@dataclass(frozen=True, slots=True)
class _Stage:
    service: Service
    watch: _Watch
    clock: Clock
    checkpoints: Path


def _round(number: int, kind: str, stage: _Stage, dice: random.Random) -> Kill:
    after_s = dice.uniform(3, 12)
    stage.clock.sleep(after_s)
    parts = _parts_of(kind, dice)
    in_checkpoint = kind == CHECKPOINT and _wait_for_half_a_checkpoint(stage)
    family = _family(stage.service.pids["supervisor"])
    for place, part in enumerate(parts):
        if place:
            stage.clock.sleep(dice.uniform(*SECOND_AFTER_SECONDS))
        # One that is between two lives has nothing to kill: the round still measures its way back.
        with suppress(ProcessLookupError):
            os.kill(stage.service.pids[part], signal.SIGKILL)
    # RSS dates have whole seconds: an article counts as newer from the next second on.
    moment = stage.clock.now().timestamp() + 1
    began = stage.clock.monotonic()
    orphans = 0
    if "supervisor" in parts:
        stage.service.reap()
        _, alive = psutil.wait_procs(family, timeout=5)
        orphans = len(alive)
        stage.service.start()
    back = stage.watch.wait_for(moment, PATIENCE_SECONDS)
    took = stage.clock.monotonic() - began
    return Kill(
        number, parts, after_s, took if back else None, orphans, in_checkpoint=in_checkpoint
    )


def _parts_of(kind: str, dice: random.Random) -> tuple[str, ...]:
    if kind == CHECKPOINT:
        return ("engine",)
    if kind == PAIR:
        first, second = dice.sample(PARTS, 2)
        # Without a supervisor nothing comes back, so it can only be the second.
        return (second, first) if first == "supervisor" else (first, second)
    return (kind,)


def _wait_for_half_a_checkpoint(stage: _Stage) -> bool:
    """Until one is being written: its folder is there, and not yet what makes it whole."""
    deadline = stage.clock.monotonic() + CHECKPOINT_SECONDS
    while stage.clock.monotonic() < deadline:
        for folder in stage.checkpoints.glob("*/chk-*"):
            if not (folder / "_metadata").exists():
                return True
        stage.clock.sleep(0.005)
    return False


def _jobs(engine: FlinkRest, clock: Clock) -> int:
    """How many jobs the engine has, once it answers."""
    deadline = clock.monotonic() + RECOVERY_SECONDS
    while clock.monotonic() < deadline:
        try:
            if found := len(engine.active_jobs()):
                return found
        except FlinkAway:
            pass
        clock.sleep(0.5)
    return 0


def _family(supervisor: int) -> list[psutil.Process]:
    return psutil.Process(supervisor).children(recursive=True)


def _report(
    kills: tuple[Kill, ...],
    traffic: Traffic,
    ledger: LedgerView,
    kafka: str,
    receiver: WebhookReceiver,
) -> FaultReport:
    tagged = {codec.decode(TaggedArticle, v).article.article_id for v in _values(kafka, TAGGED)}
    alerts = [codec.decode(Alert, v) for v in _values(kafka, ALERTS)]
    revisions = {(a.alert_id, a.revision) for a in alerts}
    delivered = {(r.alert.alert_id, r.alert.revision) for r in receiver.received}
    last = Counter(alert_id for alert_id, _ in revisions)
    gaps = sum(
        {n for a, n in revisions if a == alert_id} != set(range(1, count + 1))
        for alert_id, count in last.items()
    )
    return FaultReport(
        kills=kills,
        published=traffic.published,
        published_on_topic=sum(traffic.by_topic.values()),
        tagged_distinct=len(tagged),
        ledger=ledger,
        windows_wrong=_windows_wrong(kafka, traffic),
        revisions=len(revisions),
        delivered=len(delivered & revisions),
        repeats=sum(r.repeats for r in receiver.received),
        gaps=gaps,
    )


def _windows_wrong(kafka: str, traffic: Traffic) -> int:
    """Topics whose windows do not add up to what was published; the newest word of each counts."""
    counted: dict[tuple[str, object], int] = {}
    for value in _values(kafka, SERIES):
        point = codec.decode(SeriesPoint, value)
        if point.series is Series.VOLUME:
            counted[point.topic, point.bucket] = point.raw
    by_topic: Counter[str] = Counter()
    for (topic, _), raw in counted.items():
        by_topic[topic] += raw
    return sum(by_topic[t] != n for t, n in traffic.by_topic.items())


def _values(kafka: str, topic: str) -> list[bytes]:
    subscriber = KafkaSubscriber(
        kafka, [topic], client_id="straitwatch-faults", start=Start.EARLIEST
    )
    try:
        return [m.value for m in drain(subscriber) if m.value is not None]
    finally:
        subscriber.close()


def header() -> str:
    """The table's head."""
    return f"{'round':>5}  {'killed':<21}{'after s':>8}{'recovered s':>13}{'orphans':>9}{'jobs':>6}"


def _row(kill: Kill) -> str:
    recovered = "never" if kill.recovered_s is None else f"{kill.recovered_s:.1f}"
    times = f"{kill.after_s:>8.1f}{recovered:>13}"
    killed = ", ".join(kill.parts) + (", in checkpoint" if kill.in_checkpoint else "")
    return f"{kill.number:>5}  {killed:<21}{times}{kill.orphans:>9}{kill.jobs:>6}"


def summary(report: FaultReport) -> str:
    """The sums under the table."""
    ledger = report.ledger
    rows = [
        ("entries published by the outlets", report.published),
        ("  that came to an end in the pipeline", report.ended),
        ("  of them on a topic", report.published_on_topic),
        ("  of those tagged (distinct)", report.tagged_distinct),
        ("fetched less the five outcomes (lost)", ledger.lost),
        ("redelivered to Kafka after a crash", ledger.redelivered),
        ("topics whose windows are not exact", report.windows_wrong),
        ("alert revisions", report.revisions),
        ("  of them delivered", report.delivered),
        ("  repeats, same Idempotency-Key", report.repeats),
        ("alerts with a gap in their revisions", report.gaps),
    ]
    lines = [f"{name:<42}{count:>8,}" for name, count in rows]
    return "\n".join([*lines, "every promise held" if report.ok else "A PROMISE WAS BROKEN"])
