"""Runs of the pipeline from the start of the log: what one has told, and what the next takes over.

Files in the engine's folder, each replaced in one step, so that a start after any kill decides the
same again; and the alerts on Kafka, which are what analysts have really been told.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from connectors.bus.base import Message, Start, drain
from connectors.bus.errors import BusError
from connectors.bus.kafka import KafkaPublisher, KafkaSubscriber
from deploy.errors import Fault
from deploy.ledger import Counted, counted_by, pipeline_ledger
from deploy.output import replace_file
from pipeline.contracts import codec
from pipeline.contracts.errors import DecodeError
from pipeline.contracts.records import Alert, AlertState, Series, SeriesPoint
from pipeline.contracts.topics import ALERTS, SERIES
from pipeline.rules.alerts.handover import CLOSED_AS_DOUBLE, CLOSED_WITH_TOPIC, Handover, closing
from pipeline.rules.times import seconds

_TOLD: Final = "told.json"
_CURRENT: Final = "generation.json"
_COUNTED: Final = "counted.json"
_LAST_WORDS_SECONDS: Final = 1.0
"""What a cancelled job's clients had sent may arrive so late."""


@dataclass(frozen=True, slots=True)
class Told:
    """How far the decisions are with the analysts, whoever decided."""

    until: int
    """Second of the seen clock; every tick before it has been told."""
    topics: Mapping[str, int]
    """Topic -> since when it is watched (0: always); nothing before that is told."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One run, as every restore of it must find it."""

    name: str
    """Its start as text: sorts by time."""
    rules: str
    started_at: float
    """Seconds since 1970: it has caught up once it has told until then."""
    reason: str
    topics: Mapping[str, int]
    """As in `Told`."""
    handover: Mapping[str, Any]
    """As in `deploy.job.JobOptions`."""
    live: bool = False
    """It has caught up."""


class GenerationStore:
    """The current generation, how far was told, and counted: files in the engine's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def told(self) -> Told | None:
        """How far was told; None: nothing is known."""
        raw = _read(self._folder / _TOLD)
        try:
            return None if raw is None else Told(int(raw["until"]), dict(raw["topics"]))
        except (KeyError, TypeError, ValueError):
            return None

    def tell(self, told: Told) -> None:
        """Note it, unless as much was told before: a replay goes over old ground."""
        before = self.told()
        if before is None or told.until > before.until:
            self._write(_TOLD, asdict(told))

    def counted(self) -> dict[str, Counted]:
        """How far runs before the current one have counted, by partition."""
        raw = _read(self._folder / _COUNTED)
        try:
            return {} if raw is None else {p: Counted(**noted) for p, noted in raw.items()}
        except (AttributeError, TypeError):
            return {}

    def note_counted(self, counted: Mapping[str, Counted]) -> None:
        """Note how far all runs until now have counted; before a new one begins."""
        self._write(_COUNTED, {p: asdict(noted) for p, noted in counted.items()})

    def current(self) -> Generation | None:
        """The newest generation; state of any other must not be gone on with. None: no run yet."""
        raw = _read(self._folder / _CURRENT)
        try:
            return None if raw is None else Generation(**raw)
        except TypeError:
            return None

    def save(self, generation: Generation) -> None:
        """Make it the current one."""
        self._write(_CURRENT, asdict(generation))

    def _write(self, name: str, raw: dict[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        replace_file(self._folder / name, json.dumps(raw, ensure_ascii=False))


@dataclass(frozen=True, slots=True)
class TakeOver:
    """What a new generation begins with."""

    handovers: dict[str, Handover]
    closings: tuple[Alert, ...]
    """To be sent at once: alerts that no topic of the new rules goes on with."""


def take_over(
    alerts: Iterable[Alert], told: Told | None, topics: Sequence[str], asked_at: int
) -> TakeOver:
    """What the generation that watches ``topics`` takes over.

    Args:
        alerts: every revision on Kafka, in its order.
        told: how far it was told.
        topics: of the new rules.
        asked_at: when the new rules were asked for, second of the clock.
    """
    newest: dict[str, Alert] = {}
    for alert in alerts:
        known = newest.get(alert.alert_id)
        if known is None or alert.revision > known.revision:
            newest[alert.alert_id] = alert
    if told is None and newest:
        # The notes are lost, the alerts are not: the newest was told, so all before it was.
        last = max(seconds(alert.revised_at) for alert in newest.values())
        told = Told(last, dict.fromkeys(topics, 0))
    left: dict[str, Alert] = {}
    closings = []
    for alert in sorted(newest.values(), key=lambda a: (a.raised_at, a.alert_id)):
        if alert.state is AlertState.CLOSED:
            continue
        if alert.topic not in topics:
            closings.append(closing(alert, asked_at, CLOSED_WITH_TOPIC))
            continue
        if alert.topic in left:
            closings.append(closing(left[alert.topic], asked_at, CLOSED_AS_DOUBLE))
        left[alert.topic] = alert
    if told is None:
        # The very first run: nobody has been told anything.
        return TakeOver({}, ())
    return TakeOver(
        {
            topic: Handover(max(told.until, told.topics.get(topic, asked_at)), left.get(topic))
            for topic in topics
        },
        tuple(closings),
    )


def hand_over(kafka: str, told: Told | None, topics: Sequence[str], asked_at: int) -> TakeOver:
    """`take_over` from the alerts on Kafka, its closings sent. No job may run.

    Raises:
        Fault: Kafka does not answer.
    """
    time.sleep(_LAST_WORDS_SECONDS)
    try:
        taken = take_over(_alerts(kafka), told, topics, asked_at)
        if taken.closings:
            publisher = KafkaPublisher(kafka, client_id="straitwatch-handover")
            try:
                for alert in taken.closings:
                    publisher.send(ALERTS, alert.alert_id.encode(), codec.encode(alert))
            finally:
                publisher.close()
    except BusError as e:
        raise Fault(f"the alerts told so far cannot be read: {e}") from e
    return taken


def note_counted(kafka: str, store: GenerationStore) -> None:
    """Note how far all runs until now have counted. No job may run.

    Raises:
        Fault: Kafka does not answer.
    """
    store.note_counted(counted_by(pipeline_ledger(kafka), store.counted()))


def young_topics(kafka: str, topics: Iterable[str]) -> list[str]:
    """Those of ``topics`` whose baseline is not warm by their newest point; Kafka away: none."""
    newest: dict[bytes | None, bytes | None] = {}
    try:
        for message in _all_of(kafka, SERIES):
            newest[message.key] = message.value
    except BusError:
        return []
    keys = {topic: f"{topic}/{Series.ESCALATION}".encode() for topic in topics}
    return [topic for topic, key in keys.items() if not _is_warm(newest.get(key))]


def _is_warm(value: bytes | None) -> bool:
    try:
        return value is not None and codec.decode(SeriesPoint, value).warm
    except DecodeError:
        return False


def _alerts(kafka: str) -> Iterator[Alert]:
    for message in _all_of(kafka, ALERTS):
        try:
            yield codec.decode(Alert, message.value)
        except DecodeError:
            continue  # the desk names it


def _all_of(kafka: str, topic: str) -> Iterator[Message]:
    subscriber = KafkaSubscriber(
        kafka, [topic], client_id="straitwatch-handover", start=Start.EARLIEST
    )
    try:
        yield from drain(subscriber)
    finally:
        subscriber.close()


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
