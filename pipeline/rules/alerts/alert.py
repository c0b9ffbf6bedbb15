"""One revision of an alert as it is told: counts, reason, evidence, baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contracts.records import Alert, Baseline, Observed, Series
from pipeline.rules.alerts import evidence, reasons
from pipeline.rules.alerts.counts import Story
from pipeline.rules.alerts.lifecycle import Episode
from pipeline.rules.alerts.points import by_name, upper_bound
from pipeline.rules.spikes.series import SeriesCore
from pipeline.rules.spikes.spike import Spike
from pipeline.rules.times import BUCKET, MINUTE, moment


@dataclass(frozen=True, slots=True)
class Described:
    """What an alert says of itself that neither its episode nor its spike knows."""

    topic: str
    rules_version: str
    detector_version: str
    width: int
    """Buckets of the window."""
    raw: int
    """Articles in it, reprints included."""
    level: int
    """The highest escalation that two owners report."""


def describe(
    described: Described,
    now: int,
    episode: Episode,
    before: Episode | None,
    spike: Spike | None,
    stories: Sequence[Story],
    core: SeriesCore,
) -> Alert:
    """The alert at second ``now``.

    Args:
        described: names and counts.
        now: second.
        episode: where it stands.
        before: where it stood; None: it opens.
        spike: that stands out; None: nothing does.
        stories: of the window.
        core: of the escalation series.
    """
    expected, variance = (
        (spike.expected, spike.variance) if spike else core.expected(described.width, now)
    )
    facts = reasons.Facts(
        independent=len(stories),
        publishers=len({s.owner for s in stories}),
        minutes=described.width * BUCKET // MINUTE,
        expected=expected,
        level=described.level,
        warm=core.is_warm,
    )
    return Alert(
        alert_id=episode.alert_id,
        revision=episode.revision,
        topic=described.topic,
        series=Series.ESCALATION,
        state=episode.state,
        severity=episode.severity,
        reason=reasons.reason(episode, before, facts),
        onset_at=moment(episode.onset_at),
        raised_at=moment(episode.raised_at),
        revised_at=moment(now),
        window_minutes=facts.minutes,
        observed=Observed(facts.independent, max(described.raw, facts.independent)),
        expected=round(expected, 3),
        upper=upper_bound(expected, variance),
        score=round(spike.score, 3) if spike else 0.0,
        escalation=described.level,
        publishers=facts.publishers,
        languages=by_name(s.lang.value for s in stories),
        terms=evidence.terms(stories),
        baseline=_baseline(core),
        evidence=evidence.select(stories),
        detector_version=described.detector_version,
        rules_version=described.rules_version,
        newest_seen_at=moment(max(s.seen for s in stories)) if stories else None,
    )


def _baseline(core: SeriesCore) -> Baseline:
    since = None if core.since is None else moment(core.since * BUCKET)
    return Baseline(since, core.is_warm, core.exposed < 0.2)
