"""How long the detector takes and what it keeps: a series in a bucket, a story, a topic.

The stream is made up (Poisson arrivals with an hour-of-day cycle, polling delays, forty outlets in
seven groups), so that the figures need no data: what costs is the number of buckets and stories.
"""

from __future__ import annotations

import json
import math
import random
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pipeline.contracts.records import Article, FeedStatus, Lang, TaggedArticle, TopicTag
from pipeline.rules.alerts.detector import TICK, TopicDetector
from pipeline.rules.alerts.streams import GroupTotal, StreamDetector, StreamEvent
from pipeline.rules.baseline.completeness import Completeness
from pipeline.rules.baseline.exposure import Exposure
from pipeline.rules.spikes.series import SeriesCore
from pipeline.rules.spikes.spike import SpikeSettings
from pipeline.rules.times import BUCKET, DAY, MINUTE, moment

_START: Final = 1_767_571_200  # a Monday
_GROUPS: Final = 7
_OUTLETS: Final = 40
_REAL_TIME_SERIES: Final = 10_000


@dataclass(frozen=True, slots=True)
class StreamCost:
    """What many series cost."""

    series: int
    days: float
    stories: int
    seconds: float
    us_per_series_bucket: float
    us_per_story: float
    """All of the time, shared among the stories."""
    bytes_per_series: int
    """Of state, as it would be written."""
    real_time_factor: float
    """How many times faster than real time one core follows 10,000 such series."""


@dataclass(frozen=True, slots=True)
class TopicCost:
    """What one topic costs, with texts, evidence and state."""

    days: float
    stories: int
    us_per_story: float
    us_per_quiet_tick: float
    dumps_ms: float
    state_bytes: int


def measure_streams(series: int, days: float, per_hour: float) -> StreamCost:
    """Run so many series over so many days, with ``per_hour`` stories an hour in each."""
    dice = random.Random(1)  # noqa: S311 - a made-up load, no secret
    events, totals = _stream(dice, series, days, per_hour)
    detector = StreamDetector(SpikeSettings(), _START)
    began = time.perf_counter()
    for _ in detector.run(events, totals):
        pass
    took = time.perf_counter() - began
    buckets = days * DAY / BUCKET
    each = took / (series * buckets)
    return StreamCost(
        series=series,
        days=days,
        stories=len(events),
        seconds=round(took, 3),
        us_per_series_bucket=round(each * 1e6, 2),
        us_per_story=round(took / max(len(events), 1) * 1e6, 1),
        bytes_per_series=_state_bytes(dice, days, per_hour),
        real_time_factor=round(BUCKET / (each * _REAL_TIME_SERIES), 1),
    )


def measure_topic(days: float, per_hour: float) -> TopicCost:
    """Run one topic with so many stories an hour, ticked as the pipeline does."""
    dice = random.Random(2)  # noqa: S311 - the same
    events, _ = _stream(dice, 1, days, per_hour)
    detector = TopicDetector("bench", rules_version="bench")
    spent = quiet = 0.0
    quiet_ticks = 0
    clock = time.perf_counter
    now = moment(_START)
    for number, event in enumerate(events):
        while (following := detector.next_tick(now)) <= moment(event.seen):
            began = clock()
            now = following
            if int(now.timestamp()) % BUCKET == 0:
                for group in range(_GROUPS):
                    detector.exposure(_status(now, group))
            detector.tick(now)
            quiet += clock() - began
            quiet_ticks += 1
        began = clock()
        detector.observe(_tagged(number, event))
        now = max(now, moment(event.seen)) + TICK
        detector.tick(now)
        spent += clock() - began
    began = clock()
    state = detector.dumps()
    return TopicCost(
        days=days,
        stories=len(events),
        us_per_story=round(spent / max(len(events), 1) * 1e6, 1),
        us_per_quiet_tick=round(quiet / max(quiet_ticks, 1) * 1e6, 1),
        dumps_ms=round((clock() - began) * 1e3, 2),
        state_bytes=len(state),
    )


def as_records(streams: StreamCost, topic: TopicCost) -> list[dict[str, Any]]:
    """Both as plain values."""
    return [{"what": "streams", **asdict(streams)}, {"what": "topic", **asdict(topic)}]


def _stream(
    dice: random.Random, series: int, days: float, per_hour: float
) -> tuple[list[StreamEvent], list[GroupTotal]]:
    events: list[StreamEvent] = []
    for hour in range(int(days * 24)):
        rate = per_hour * (1 + 0.7 * math.sin(math.tau * hour / 24))
        for name in range(series):
            for _ in range(_poisson(dice, rate)):
                published = _START + hour * 3600 + dice.randrange(3600)
                outlet = dice.randrange(_OUTLETS)
                events.append(
                    StreamEvent(
                        seen=published + dice.randrange(1, 20) * MINUTE,
                        series=f"s{name}",
                        published=published,
                        story=str(len(events)),
                        outlet=str(outlet),
                        group=str(outlet % _GROUPS),
                    )
                )
    events.sort(key=lambda e: (e.seen, e.story))
    totals = [
        GroupTotal(_START + bucket * BUCKET, str(group), 5, up=True)
        for bucket in range(int(days * DAY / BUCKET))
        for group in range(_GROUPS)
    ]
    return events, totals


def _poisson(dice: random.Random, mean: float) -> int:
    count, left = 0, math.exp(-mean)
    chance = dice.random()
    while chance > left:
        count += 1
        chance *= dice.random()
    return count


def _state_bytes(dice: random.Random, days: float, per_hour: float) -> int:
    core = SeriesCore(SpikeSettings(), Exposure(), Completeness())
    core.begin(_START)
    events, _ = _stream(dice, 1, min(days, 3), per_hour)
    for event in events:
        while core.bucket < event.seen // BUCKET:
            core.close()
        core.add(event.published, event.seen, event.outlet, event.group)
    return len(json.dumps(core.to_json(), separators=(",", ":")))


def _status(now: datetime, group: int) -> FeedStatus:
    return FeedStatus(
        now - timedelta(seconds=BUCKET), str(group), polled=6, answered=6, articles=5, feeds=6
    )


def _tagged(number: int, event: StreamEvent) -> TaggedArticle:
    article = Article(
        article_id=f"{number:032x}",
        feed_id=event.outlet,
        group=event.group,
        publisher=f"Outlet {event.outlet}",
        owner=f"Outlet {event.outlet}",
        title=f"A report of the usual length about what happened today, number {number}",
        summary="",
        link=f"https://outlet{event.outlet}.example/{number}",
        authors=(),
        guid=None,
        published_at=datetime.fromtimestamp(event.published, UTC),
        seen_at=datetime.fromtimestamp(event.seen, UTC),
    )
    tag = TopicTag("bench", 2.0, 1 + number % 3, ("term",))
    story = f"story{number}"
    return TaggedArticle(article, Lang.EN, (tag,), story, story, False, None, "bench")
