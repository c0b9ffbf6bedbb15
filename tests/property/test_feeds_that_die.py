"""A feed that died makes no baseline that lies, and no alert: neither its end nor its return."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
BUCKET = 5 * MINUTE
GROUPS = ("north", "south", "west")
OWNERS = 9
WARM = 80
"""Hours until the baseline is warm."""
GAP = 1.5 * HOUR
"""Between two stories of one owner: two an hour of each group."""
QUICK = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def story(number: int, seen: datetime, published: datetime, owner: int) -> TaggedArticle:
    article = Article(
        article_id=f"a{number:06}",
        feed_id=f"f{owner}",
        group=GROUPS[owner % 3],
        publisher=f"Outlet {owner}",
        owner=f"Outlet {owner}",
        title=f"Report {number}",
        summary="",
        link=None,
        authors=(),
        guid=None,
        published_at=published,
        seen_at=seen,
    )
    tag = TopicTag("straits", 1.0, 1, ("drill",))
    return TaggedArticle(article, Lang.EN, (tag,), f"s{number}", f"e{number}", False, None, "r1")


class World:
    """Steady news; some groups answer nothing from ``dies`` to ``back``, then bring all at once."""

    def __init__(self, dead: Iterable[str] = (), dies: int = WARM, back: float = WARM) -> None:
        self.dead = frozenset(dead)
        self.dies, self.back = START + dies * HOUR, START + back * HOUR

    def is_down(self, group: str, bucket: datetime) -> bool:
        return group in self.dead and self.dies <= bucket < self.back

    def status(self, bucket: datetime, group: str) -> FeedStatus:
        answered = 0 if self.is_down(group, bucket) else 3
        # Nine articles an hour: too few for their absence to mean anything.
        articles = answered // 3 * (bucket.minute % 20 != 0)
        return FeedStatus(bucket, group, 3, answered, articles, feeds=3)

    def articles(self, first: datetime, last: datetime) -> list[TaggedArticle]:
        found = []
        for owner in range(OWNERS):
            for i in range(int((last - START) / GAP) + 1):
                published = START + GAP * (i + owner / OWNERS) + timedelta(seconds=30)
                seen = published + 4 * MINUTE
                if self.is_down(GROUPS[owner % 3], seen):
                    seen = self.back + timedelta(seconds=20 + 25 * owner)
                if first <= seen < last:
                    found.append(story(i * OWNERS + owner, seen, published, owner))
        return sorted(found, key=lambda t: (t.article.seen_at, t.article.article_id))


class Service:
    """A detector with its ticks; reports come so long after their bucket's end."""

    def __init__(
        self, world: World, detector: TopicDetector, now: datetime, *, late: float = 3.0
    ) -> None:
        self.world, self.detector, self.now = world, detector, now
        self._late = timedelta(seconds=late)
        self.alerts: list[Alert] = []
        self.points: dict[tuple[str, datetime], SeriesPoint] = {}

    def until(self, hour: float, more: Iterable[TaggedArticle] = ()) -> None:
        end = START + hour * HOUR
        arrivals: list[tuple[datetime, TaggedArticle | FeedStatus]] = [
            (t.article.seen_at, t) for t in [*self.world.articles(self.now, end), *more]
        ]
        bucket = self.now - (self.now - START) % BUCKET - BUCKET
        while (at := bucket + BUCKET + self._late) < end:
            if at >= self.now and bucket >= START:
                arrivals += [(at, self.world.status(bucket, group)) for group in GROUPS]
            bucket += BUCKET
        arrivals.sort(key=lambda a: a[0])
        while True:
            following = self.detector.next_tick(self.now)
            while arrivals and arrivals[0][0] < following:
                at, arrived = arrivals.pop(0)
                if isinstance(arrived, FeedStatus):
                    self.detector.exposure(arrived, at)
                else:
                    self.detector.observe(arrived, at)
                following = self.detector.next_tick(self.now)
            if following >= end:
                return
            self.now = following
            result = self.detector.tick(following)
            self.alerts += result.alerts
            self.points |= {(p.series, p.bucket): p for p in result.points}

    def point(self, hour: float) -> SeriesPoint:
        return self.points["escalation", START + hour * HOUR]


@cache
def warm(late: float = 3.0) -> bytes:
    """The state of a service after quiet days."""
    service = Service(World(), new(), START, late=late)
    service.until(WARM)
    assert service.alerts == []
    return service.detector.dumps()


def new() -> TopicDetector:
    return TopicDetector("straits", rules_version="r1")


def after_quiet_days(world: World, *, late: float = 3.0) -> Service:
    detector = TopicDetector.loads(warm(late), rules_version="r1")
    return Service(world, detector, START + WARM * HOUR, late=late)


def learned(detector: TopicDetector) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(zlib.decompress(detector.dumps().partition(b"\n")[2]))
    return {name: state[name] for name in ("escalation", "volume", "exposure", "completeness")}


dead_groups = st.sets(st.sampled_from(GROUPS), min_size=1)


@QUICK
@given(dead_groups, st.integers(1, 20))
def test_groups_that_die_and_come_back_with_a_backlog_raise_nothing(
    dead: set[str], hours: int
) -> None:
    service = after_quiet_days(World(dead, WARM + 1, WARM + 1 + hours))
    service.until(WARM + hours + 8)
    assert service.alerts == []


@QUICK
@given(dead_groups)
def test_a_dead_group_is_missed_from_its_first_report_on_until_it_is_back(dead: set[str]) -> None:
    service = after_quiet_days(World(dead, WARM + 1, WARM + 4))
    service.until(WARM + 6)
    alive = 1 - len(dead) / 3
    for minutes in range(0, 180, 5):
        point = service.point(WARM + 1 + minutes / 60)
        assert abs(point.exposure - alive) < 0.05
        assert point.blind == (alive == 0)
    assert service.point(WARM + 5).exposure == 1.0


@QUICK
@given(dead_groups, st.integers(6, 30))
def test_a_hole_teaches_no_calm(dead: set[str], hours: int) -> None:
    expected = []
    for world in (World(), World(dead, WARM + 1, WARM + 1 + hours)):
        service = after_quiet_days(world)
        service.until(WARM + hours + 6)
        expected.append(service.point(WARM + hours + 5).expected)
    assert abs(expected[1] - expected[0]) < 0.1 * expected[0]


@QUICK
@given(
    dead_groups,
    st.integers(1, 5),
    # A hole that ends with an hour: seconds decide whether an older hour learns its backlog.
    st.integers(0, 72).filter(lambda buckets: buckets % 12 != 11),
    st.sampled_from([1.0, 3.0, 8.0]),
)
def test_reports_before_and_after_the_close_teach_the_same(
    dead: set[str], dies: int, buckets: int, late: float
) -> None:
    world = World(dead, dies, dies + buckets / 12)
    states = []
    for seconds in (-1.0, late):
        service = Service(world, new(), START, late=seconds)
        # The reports of the last bucket have come either way.
        service.until(14 + 0.01)
        states.append(learned(service.detector))
    assert states[0] == states[1]


@QUICK
@given(dead_groups, st.integers(0, 5 * 60), st.integers(1, 4))
def test_a_detector_restored_in_a_hole_goes_on_as_if_nothing_had_happened(
    dead: set[str], minute: int, hours: int
) -> None:
    world = World(dead, WARM + 1, WARM + 1 + hours)
    whole, part = after_quiet_days(world), after_quiet_days(world)
    whole.until(WARM + 8)
    part.until(WARM + minute / 60)
    state = part.detector.dumps()
    part.detector = TopicDetector.loads(state, rules_version="r1")
    assert part.detector.dumps() == state
    part.until(WARM + 8)
    assert part.alerts == whole.alerts
    assert part.points == whole.points
    assert part.detector.dumps() == whole.detector.dumps()


@QUICK
@given(st.integers(20, 170))
def test_news_of_a_crisis_that_began_in_a_hole_of_all_feeds_is_told_when_they_are_back(
    minutes: int,
) -> None:
    service = after_quiet_days(World(GROUPS, WARM + 1, WARM + 1 + minutes / 60))
    back = service.world.back
    burst = [
        story(100_000 + i, back + timedelta(seconds=40 + 5 * i), back - 15 * MINUTE, i % OWNERS)
        for i in range(18)
    ]
    service.until(WARM + 1 + minutes / 60 + 0.5, burst)
    assert service.alerts
    # Before any report says that feeds answer again.
    assert service.alerts[0].raised_at - back < 5 * MINUTE
    assert not service.alerts[0].baseline.blind
