"""What must hold of a topic's detector whatever arrives, in whatever order."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.contracts.records import (
    Alert,
    Article,
    FeedStatus,
    Lang,
    TaggedArticle,
    TopicTag,
    severity_rank,
)
from pipeline.rules.alerts.detector import TICK, TopicDetector

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
QUICK = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def tagged(
    number: int, seen: datetime, age: timedelta, owner: int, level: int, *, backfill: bool = False
) -> TaggedArticle:
    article = Article(
        article_id=f"a{number}",
        feed_id=f"f{owner}",
        group=f"g{owner % 3}",
        publisher=f"Outlet {owner}",
        owner=f"Outlet {owner}",
        title=f"Report {number}",
        summary="",
        link=None,
        authors=(),
        guid=None,
        published_at=seen - age,
        seen_at=seen,
        backfill=backfill,
    )
    tag = TopicTag("straits", 1.0, level, ("drill",))
    return TaggedArticle(article, Lang.EN, (tag,), f"s{number}", f"e{number}", False, None, "r1")


def status(bucket: datetime, group: int, *, answered: int = 4) -> FeedStatus:
    return FeedStatus(bucket, f"g{group}", polled=4, answered=answered, articles=answered * 3)


def drive(
    detector: TopicDetector, arrivals: list[TaggedArticle], hours: int, *, dead: int | None = None
) -> list[Alert]:
    """Ticks every five minutes and after arrivals; group ``dead`` stops answering half-way."""
    alerts: list[Alert] = []
    now, waiting = START, sorted(arrivals, key=lambda t: t.article.seen_at)
    end = START + hours * HOUR
    while now < end:
        following = detector.next_tick(now)
        while waiting and waiting[0].article.seen_at < following:
            detector.observe(waiting.pop(0))
            following = detector.next_tick(now)
        now = following
        if now.timestamp() % 300 == 0:
            for group in range(3):
                is_down = group == dead and now - START > hours * HOUR / 2
                detector.exposure(
                    status(now - timedelta(minutes=5), group, answered=0 if is_down else 4)
                )
        alerts += detector.tick(now).alerts
    return alerts


arrivals = st.lists(
    st.tuples(
        st.integers(0, 6 * 3600),
        st.integers(0, 7 * 3600),
        st.integers(0, 7),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=60,
).map(
    lambda found: [
        tagged(
            i,
            START + timedelta(seconds=seen),
            timedelta(seconds=age),
            owner,
            level,
            backfill=backfill,
        )
        for i, (seen, age, owner, level, backfill) in enumerate(found)
    ]
)


@QUICK
@given(st.permutations(range(14)), st.lists(st.integers(0, 4), min_size=14, max_size=14))
def test_the_order_inside_a_tick_does_not_matter(order: list[int], seconds: list[int]) -> None:
    at = START + 9 * HOUR
    # Every fifth is late: it teaches an hour that was learned already.
    items = [
        tagged(i, at + timedelta(seconds=s), 4 * HOUR if i % 5 == 0 else HOUR / 20, i % 6, 2)
        for i, s in enumerate(seconds)
    ]
    results = []
    for arrangement in (range(14), order):
        detector = TopicDetector("straits", rules_version="r1")
        drive(detector, [], 9)
        for i in arrangement:
            detector.observe(items[i])
        result = detector.tick(at + TICK)
        results.append((result, detector.dumps()))
    assert results[0] == results[1]
    assert results[0][0].alerts


@QUICK
@given(arrivals)
def test_revisions_are_gapless_and_end_with_a_close_before_the_next_alert(
    found: list[TaggedArticle],
) -> None:
    alerts = drive(TopicDetector("straits", rules_version="r1"), found, 30)
    current: str | None = None
    for alert in alerts:
        if current is None:
            assert (alert.revision, alert.state) == (1, "open")
            current, last = alert.alert_id, alert
            continue
        assert alert.alert_id == current
        assert alert.revision == last.revision + 1
        assert alert.raised_at == last.raised_at
        assert alert.revised_at > last.revised_at
        if alert.state == "escalated" and last.state != "de-escalated":
            assert severity_rank(alert.severity) > severity_rank(last.severity)
        last = alert
        if alert.state == "closed":
            current = None
    assert current is None, "thirty hours are enough to close every alert"


@QUICK
@given(arrivals)
def test_old_and_back_filled_articles_never_raise(found: list[TaggedArticle]) -> None:
    old = [
        t
        for t in found
        if t.article.backfill
        or t.article.published_at is None
        or t.article.seen_at - t.article.published_at > 3 * HOUR
    ]
    assert drive(TopicDetector("straits", rules_version="r1"), old, 8) == []


@QUICK
@given(arrivals, st.integers(1, 7))
def test_a_restored_detector_decides_the_same(found: list[TaggedArticle], hour: int) -> None:
    whole = TopicDetector("straits", rules_version="r1")
    expected = drive(whole, found, 8)
    part = TopicDetector("straits", rules_version="r1")
    cut = START + hour * HOUR
    first = drive(part, [t for t in found if t.article.seen_at < cut], hour)
    state = part.dumps()
    again = TopicDetector.loads(state, rules_version="r1")
    assert again.dumps() == state
    second = resume(again, [t for t in found if t.article.seen_at >= cut], cut)
    assert first + second == expected


def resume(detector: TopicDetector, found: list[TaggedArticle], now: datetime) -> list[Alert]:
    alerts: list[Alert] = []
    waiting = sorted(found, key=lambda t: t.article.seen_at)
    end = START + 8 * HOUR
    while now < end:
        following = detector.next_tick(now)
        while waiting and waiting[0].article.seen_at < following:
            detector.observe(waiting.pop(0))
            following = detector.next_tick(now)
        now = following
        if now.timestamp() % 300 == 0:
            for group in range(3):
                detector.exposure(status(now - timedelta(minutes=5), group))
        alerts += detector.tick(now).alerts
    return alerts


def steady(owners: range, first: float, last: float, every: float) -> list[TaggedArticle]:
    """One story of each owner every so many hours, evenly spread."""
    found = []
    for owner in owners:
        at = first + every * (owner - owners.start) / len(owners)
        while at < last:
            seen = START + at * HOUR
            found.append(tagged(len(found) + 10_000 * owner, seen, timedelta(minutes=4), owner, 1))
            at += every
    return found


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2))
def test_a_dying_feed_group_alone_raises_nothing(dead: int) -> None:
    found = [
        t
        for t in steady(range(9), 0, 100, 9)
        if not (t.article.group == f"g{dead}" and t.article.seen_at - START > 50 * HOUR)
    ]
    assert drive(TopicDetector("straits", rules_version="r1"), found, 100, dead=dead) == []


@settings(max_examples=3, deadline=None)
@given(st.integers(1, 6))
def test_a_new_feed_group_alone_raises_nothing(times: int) -> None:
    detector = TopicDetector("straits", rules_version="r1")
    new = [
        dataclasses.replace(t, article=dataclasses.replace(t.article, group="new"))
        for t in steady(range(20, 24), 80, 110, 4 / times)
    ]
    found = sorted(
        steady(range(9), 0, 110, 9) + new, key=lambda t: (t.article.seen_at, t.article.article_id)
    )
    alerts: list[Alert] = []
    now, reported = START, START
    while now < START + 110 * HOUR:
        following = detector.next_tick(now)
        while found and found[0].article.seen_at < following:
            detector.observe(found.pop(0))
            following = detector.next_tick(now)
        now = following
        if now - reported >= timedelta(minutes=5):
            reported = now
            for group in range(3):
                detector.exposure(status(now - timedelta(minutes=5), group))
            if now - START >= 80 * HOUR:
                detector.exposure(FeedStatus(now - timedelta(minutes=5), "new", 4, 4, 12))
        alerts += detector.tick(now).alerts
    assert alerts == []
