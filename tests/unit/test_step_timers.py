"""What waits for the end of its step has a timer there; the state is packed now and then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apache_beam.utils.timestamp import Timestamp

from deploy.bench.pipeline_state import Cell
from pipeline.contracts.codec import encode
from pipeline.contracts.records import FeedStatus, Lang, TaggedArticle, TopicTag
from pipeline.rules.alerts.detector import DetectorSettings, TopicDetector
from pipeline.rules.stories.index import StorySettings
from pipeline.transforms.detect_spikes import _DetectSpikes
from pipeline.transforms.group_stories import _GroupStories
from pipeline.transforms.wire import ARTICLE, STATUS, Placed
from tests.graph.conftest import START, article

NOON_MS = int(START.timestamp() * 1000)
STEP_MS = 250
TICK_MS = 5_000


class Timer:
    """Keeps what was set, each as milliseconds after noon."""

    def __init__(self) -> None:
        self.set_at: list[int] = []

    def set(self, time: Timestamp, dynamic_timer_tag: str = "") -> None:
        assert dynamic_timer_tag in {"", str(time.micros // 1000)}
        self.set_at.append(time.micros // 1000 - NOON_MS)


class Step:
    """A step of the pipeline for one key, on state that outlives it."""

    def __init__(self, made: Any, bags: int, key: str) -> None:
        self.key, self.timer, self.quiet = key, Timer(), Timer()
        self.cells = (Cell(is_bag=False), *(Cell() for _ in range(bags)))
        self.restart(made)

    def restart(self, made: Any) -> None:
        """Another worker, which has nothing in its memory."""
        self.made = made
        made.setup()

    def hear(self, after_ms: int, value: bytes) -> list[int]:
        """The timers that a record sets."""
        self.timer.set_at.clear()
        placed = Placed(NOON_MS + after_ms, 0, after_ms, value)
        self.made.process((self.key, placed.pack()), *self.cells, self.timer)
        return list(self.timer.set_at)

    def fire(self, after_ms: int) -> list[Any]:
        """The timer at that time."""
        time = Timestamp(micros=(NOON_MS + after_ms) * 1000)
        if isinstance(self.made, _GroupStories):
            return list(self.made.group(self.key, time, *self.cells))
        return list(self.made.on_tick(self.key, time, *self.cells, self.quiet))


def a_story(number: int = 1) -> bytes:
    made = article(number, START, f"Harbour master number {number} resigns over a broken crane")
    tags = (TopicTag("harbour", 1.0, 2, ("harbour",)),)
    return ARTICLE + encode(TaggedArticle(made, Lang.EN, tags, "", "", False, None, "rules"))


def a_status() -> bytes:
    bucket = datetime(2026, 3, 2, tzinfo=UTC) - timedelta(minutes=5)
    return STATUS + encode(FeedStatus(bucket, "coast", 40, 40, 3, 40))


def stories() -> Any:
    return _GroupStories(StorySettings())


def spikes() -> Any:
    return _DetectSpikes({"harbour": DetectorSettings()}, "rules")


@pytest.mark.parametrize(
    ("make", "bags", "key", "value", "step_ms"),
    [
        (stories, 2, "en", a_story(), STEP_MS),
        (spikes, 2, "harbour", a_status(), TICK_MS),
        (spikes, 2, "harbour", a_story(), TICK_MS),
    ],
)
def test_what_waits_has_one_timer_at_the_end_of_its_step(
    make: Any, bags: int, key: str, value: bytes, step_ms: int
) -> None:
    step = Step(make(), bags, key)

    assert step.hear(0, value) == [step_ms]
    assert step.hear(step_ms - 1, value) == []
    assert step.hear(step_ms, value) == [2 * step_ms]
    step.restart(make())
    assert step.hear(1, value) == []
    step.fire(step_ms)
    # Late, for a step that is over: nobody else would fetch it.
    assert step.hear(2, value) == [step_ms]
    step.fire(step_ms)
    step.fire(2 * step_ms)
    step.restart(make())
    assert step.hear(step_ms, value) == [2 * step_ms]


@pytest.mark.parametrize(("state_bytes", "snapshots"), [(10, 5), (30_000, 2)])
def test_a_large_state_is_packed_less_often(
    monkeypatch: pytest.MonkeyPatch, state_bytes: int, snapshots: int
) -> None:
    packed = []

    def dumps(_self: TopicDetector) -> bytes:
        packed.append(1)
        return bytes(state_bytes)

    monkeypatch.setattr(TopicDetector, "dumps", dumps)
    step = Step(spikes(), 2, "harbour")
    # Two entries each: the report, and the tick.
    for tick in range(270):
        step.hear(tick * TICK_MS, a_status())
        step.fire((tick + 1) * TICK_MS)

    assert len(packed) == snapshots
