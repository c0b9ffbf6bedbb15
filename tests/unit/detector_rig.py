"""A topic's detector under made-up news, as the pipeline drives it."""

from __future__ import annotations

import json
import random
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.contracts.records import (
    Alert,
    Article,
    FeedStatus,
    Lang,
    SeriesPoint,
    TaggedArticle,
    TopicTag,
)
from pipeline.rules.alerts.detector import TopicDetector

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def tagged(
    name: str,
    seen: datetime,
    *,
    owner: str,
    age: timedelta = 5 * MINUTE,
    level: int = 1,
    story: str | None = None,
    backfill: bool = False,
    lang: Lang = Lang.EN,
    group: str = "g",
) -> TaggedArticle:
    article = Article(
        article_id=name,
        feed_id=owner,
        group=group,
        publisher=owner,
        owner=owner,
        title=f"Report {name}",
        summary="",
        link=f"https://{owner}.example/{name}",
        authors=(),
        guid=None,
        published_at=seen - age,
        seen_at=seen,
        backfill=backfill,
    )
    tag = TopicTag("straits", 1.0, level, ("drill",))
    return TaggedArticle(article, lang, (tag,), story or name, story or name, False, None, "r1")


class Replay:
    """Drives a detector over five-minute buckets, with ticks as the pipeline makes them."""

    def __init__(self, detector: TopicDetector | None = None) -> None:
        self.detector = detector or TopicDetector("straits", rules_version="r1")
        self.now = START
        self.alerts: list[Alert] = []
        self.points: list[SeriesPoint] = []

    def until(self, end: datetime, arrivals: list[TaggedArticle], *, feeds: bool = True) -> None:
        waiting = sorted(arrivals, key=lambda t: t.article.seen_at)
        while self.now < end:
            following = self.detector.next_tick(self.now)
            if waiting and waiting[0].article.seen_at < following:
                self.detector.observe(waiting.pop(0))
                continue
            self.now = following
            if feeds and self.now.timestamp() % 300 == 0:
                self.detector.exposure(
                    FeedStatus(self.now - 5 * MINUTE, "g", polled=4, answered=4, articles=20)
                )
            result = self.detector.tick(self.now)
            self.alerts += result.alerts
            self.points += result.points


def ordinary(days: float, a_day: int = 12, seed: int = 1) -> list[TaggedArticle]:
    dice = random.Random(seed)
    return [
        tagged(
            f"o{seed}-{i}",
            START + timedelta(days=dice.uniform(0, days)),
            owner=f"outlet{dice.randrange(6)}",
        )
        for i in range(int(days * a_day))
    ]


def burst(at: datetime, n: int = 12, *, owners: int = 6, **more: object) -> list[TaggedArticle]:
    return [
        tagged(f"b{i}-{at:%d%H}", at + i * 4 * MINUTE, owner=f"outlet{i % owners}", **more)  # type: ignore[arg-type]
        for i in range(n)
    ]


def state(detector: TopicDetector) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zlib.decompress(detector.dumps().partition(b"\n")[2]))
    return found
