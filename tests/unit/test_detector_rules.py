"""The parts of the detector's decision, each alone."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pipeline.contracts.records import AlertState, Lang, Severity
from pipeline.rules.alerts import evidence, reasons
from pipeline.rules.alerts.counts import Story
from pipeline.rules.alerts.lifecycle import (
    CALM_TO_CLOSE,
    CALM_TO_DE_ESCALATE,
    Episode,
    Moment,
    advance,
)
from pipeline.rules.alerts.severity import corroborated_level, severity_of
from pipeline.rules.baseline.expected import Seasonal, SeasonalSettings
from pipeline.rules.baseline.exposure import Exposure
from pipeline.rules.spikes.spike import tail_score
from pipeline.rules.times import DAY, HOUR, OutletClocks, published_second


def exact_mid_p(count: int, mean: float, variance: float) -> float:
    """By summing the probabilities from zero."""
    if variance <= mean * 1.001:
        p = [math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(count + 1)]
    else:
        size = mean * mean / (variance - mean)
        q = 1 - mean / variance
        p = [
            math.exp(
                math.lgamma(k + size)
                - math.lgamma(size)
                - math.lgamma(k + 1)
                + size * math.log(1 - q)
                + k * math.log(q)
            )
            for k in range(count + 1)
        ]
    return 1 - sum(p) + 0.5 * p[-1]


@pytest.mark.parametrize(
    ("count", "mean", "variance"), [(4, 1.0, 1.0), (9, 3.0, 5.0), (5, 0.4, 0.9), (30, 12.0, 40.0)]
)
def test_the_score_is_the_mid_p_tail(count: int, mean: float, variance: float) -> None:
    expected = -math.log10(exact_mid_p(count, mean, variance))
    assert tail_score(count, mean, variance) == pytest.approx(expected, rel=2e-3)


def test_a_count_that_is_not_above_the_mean_scores_nothing() -> None:
    assert tail_score(3, 3.0, 4.0) == 0.0


def test_the_model_learns_level_hour_and_weekday() -> None:
    model = Seasonal(SeasonalSettings())
    monday = 4 * 24  # the first Monday since 1970
    for hour in range(monday, monday + 8 * 7 * 24):
        day, weekend = 6 <= hour % 24 < 18, (hour // 24 + 3) % 7 >= 5
        model.learn(hour, (20 if day else 4) * (0.5 if weekend else 1), 1.0, 1.0)
    following = monday + 8 * 7 * 24
    assert model.mean(following + 12) == pytest.approx(20, rel=0.15)
    assert model.mean(following + 1) == pytest.approx(4, rel=0.25)
    assert model.mean(following + 5 * 24 + 12) == pytest.approx(10, rel=0.25)


def test_a_young_model_knows_that_it_knows_little() -> None:
    model = Seasonal(SeasonalSettings())
    young = model.relative_variance
    for hour in range(200):
        model.learn(hour, 2.0, 1.0, 1.0)
    assert young > 2
    assert model.relative_variance < 0.05


@pytest.mark.parametrize("published", [None, 2_000_000_001, 0])
def test_a_time_that_cannot_be_is_the_time_of_first_sight(published: int | None) -> None:
    assert published_second(published, 2_000_000_000) == 2_000_000_000


def test_an_outlet_whose_stamps_are_old_every_day_is_not_believed() -> None:
    clocks = OutletClocks()
    start = 20_000 * DAY
    filed = [
        clocks.file("late.example", start + d * DAY, start + d * DAY + 9 * HOUR) for d in range(5)
    ]
    assert filed[0] == start
    assert filed[-1] == start + 4 * DAY + 9 * HOUR - OutletClocks.USUAL_DELAY


def test_a_group_that_answers_nothing_is_down_and_one_that_floods_is_seen() -> None:
    exposure = Exposure()
    for bucket in range(288 * 5):
        exposure.record(bucket, "a", 4, 0.0, polled=True)
        exposure.close(bucket)
    exposure.record(1440, "a", 0, 1.0, polled=True)
    exposure.close(1440)
    assert exposure.share(1440, "a") == 0.0
    assert not exposure.is_flooding(1440, "a")
    exposure.record(1441, "a", 400, 0.0, polled=True)
    exposure.close(1441)
    assert exposure.is_flooding(1441, "a")


def episode(severity: Severity = Severity.INFO) -> Episode:
    return Episode("id", 0, 0, 1, AlertState.OPEN, severity, 0, 0, Severity.INFO)


def test_a_higher_severity_shows_at_once() -> None:
    after = advance(episode(), Moment(60, True, Severity.WARNING))
    after = advance(after, Moment(65, True, Severity.CRITICAL))
    assert (after.revision, after.state, after.severity) == (3, "escalated", "critical")


def test_a_lower_severity_shows_after_it_has_lasted() -> None:
    start = episode(Severity.CRITICAL)
    soon = advance(start, Moment(CALM_TO_DE_ESCALATE - 60, True, Severity.WARNING))
    assert soon.revision == 1
    later = advance(soon, Moment(CALM_TO_DE_ESCALATE, True, Severity.WARNING))
    assert (later.revision, later.state, later.severity) == (2, "de-escalated", "warning")


def test_calm_closes_once() -> None:
    calm = advance(episode(), Moment(CALM_TO_DE_ESCALATE, False, Severity.INFO))
    assert calm.state is AlertState.DE_ESCALATED
    same = advance(calm, Moment(2 * CALM_TO_DE_ESCALATE, False, Severity.INFO))
    assert same.revision == calm.revision
    closed = advance(same, Moment(CALM_TO_CLOSE, False, Severity.INFO))
    assert (closed.revision, closed.state) == (3, "closed")


@pytest.mark.parametrize("strength", [1.0, 3.0, 50.0])
@pytest.mark.parametrize("level", range(4))
def test_one_publisher_alone_is_never_critical(strength: float, level: int) -> None:
    assert severity_of(strength, level, owners=1) is Severity.INFO


def test_a_level_counts_when_two_owners_report_it() -> None:
    assert corroborated_level([("a", 3), ("a", 3), ("b", 1)]) == 1
    assert corroborated_level([("a", 3), ("b", 2), ("c", 0)]) == 2
    assert corroborated_level([("a", 3)]) == 0


def story(number: int, publisher: str, lang: Lang, level: int, at: int) -> Story:
    return Story(
        story_id=f"s{number}",
        event_id=f"e{number}",
        owner=publisher,
        publisher=publisher,
        at=at,
        seen=at,
        lang=lang,
        level=level,
        tag_score=1.0,
        terms=("drill",),
        article_id=f"a{number}",
        title="A report",
        link=None,
        is_voice=True,
        articles={f"a{number}"},
    )


def test_the_evidence_is_diverse_then_strong_then_new() -> None:
    loud = [story(i, "Loud", Lang.EN, 3, 1000 + i) for i in range(30)]
    others = [
        story(100, "Second", Lang.JA, 1, 10),
        story(101, "Third", Lang.ZH_HANT, 1, 20),
        story(102, "Fourth", Lang.EN, 2, 5),
    ]
    shown = evidence.select(loud + others)
    assert len(shown) == 10
    assert {e.publisher for e in shown} == {"Loud", "Second", "Third", "Fourth"}
    assert shown[0].escalation == 3
    assert shown[0].article_id == "a29"
    assert [e.escalation for e in shown] == sorted((e.escalation for e in shown), reverse=True)


def test_evidence_fits_an_alert_whatever_the_articles_hold() -> None:
    big = [
        replace(story(i, "水" * 100_000, Lang.JA, 1, i), title="水" * 300_000, link="l" * 300_000)
        for i in range(10)
    ]
    shown = evidence.select(big)
    assert sum(len(f"{e.title}{e.link}{e.publisher}".encode()) for e in shown) < 64 * 1024
    assert len(shown) == 10


def test_the_reasons_are_sentences() -> None:
    facts = reasons.Facts(
        independent=9, publishers=7, minutes=180, expected=1.66, level=2, warm=True
    )
    opened = episode(Severity.WARNING)
    assert reasons.reason(opened, None, facts) == (
        "9 independent stories from 7 publishers within 3 hours, where 1.7 would be usual; "
        "several report coercion without force."
    )
    raised = replace(opened, revision=2, state=AlertState.ESCALATED, severity=Severity.CRITICAL)
    assert reasons.reason(raised, opened, facts).startswith("Raised from warning to critical: 9 ")
    lower = replace(raised, revision=3, state=AlertState.DE_ESCALATED, severity=Severity.INFO)
    assert reasons.reason(lower, raised, facts) == (
        "Lowered from critical to info: nothing as strong for 3 hours."
    )
    closed = replace(lower, revision=4, state=AlertState.CLOSED)
    assert reasons.reason(closed, lower, facts) == "Closed: no further rise for 12 hours."
