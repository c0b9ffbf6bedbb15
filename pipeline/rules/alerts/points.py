"""One bucket of one series as dashboards show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pipeline.contracts.records import Series, SeriesPoint
from pipeline.rules.alerts.counts import Story
from pipeline.rules.spikes.series import SeriesCore
from pipeline.rules.spikes.spike import Spike, tail_score
from pipeline.rules.times import BUCKET, MINUTE, moment


def point(
    topic: str,
    series: Series,
    core: SeriesCore,
    bucket: int,
    stories: Sequence[Story],
    raw: int,
    spike: Spike | None,
) -> SeriesPoint:
    """What the series counted in a bucket against what was expected.

    Args:
        topic: of the series.
        series: which of the two.
        core: knows what was expected.
        bucket: number since 1970.
        stories: that the series counted there.
        raw: articles there, reprints included.
        spike: what stands out now; shown in the newest two buckets only.
    """
    expected, variance = core.expected_in(bucket)
    newest = bucket >= core.bucket - 1
    return SeriesPoint(
        topic=topic,
        series=series,
        bucket=moment(bucket * BUCKET),
        bucket_minutes=BUCKET // MINUTE,
        raw=raw,
        independent=len(stories),
        expected=round(expected, 4),
        upper=upper_bound(expected, variance),
        score=round(spike.score, 3) if spike and newest else 0.0,
        exposure=round(core.exposed_in(bucket), 3),
        warm=core.is_warm,
        blind=core.exposed_in(bucket) < 0.2,
        baseline_since=None if core.since is None else moment(core.since * BUCKET),
        by_language=by_name(s.lang.value for s in stories),
        by_level=by_name(str(s.level) for s in stories),
    )


def upper_bound(expected: float, variance: float) -> float:
    """The largest count that is not yet unusual: its tail is above one in a hundred.

    At least 1, for one story alone is never unusual; 0 only where nothing can be counted.
    """
    if expected <= 0:
        return 0.0
    count = max(int(expected), 1)
    while tail_score(count + 1, max(expected, 0.02), max(variance, expected, 0.02)) < 2:
        count += 1
    return float(count)


def by_name(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """How often each name occurs, sorted by name."""
    return tuple(sorted(Counter(names).items()))
