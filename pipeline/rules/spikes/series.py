"""One counted series: its recent buckets, its expected counts, its spike score at any second.

Used by `detector.TopicDetector` (two a topic) and by ``straitwatch detect`` (one a stream).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from typing import Any, Final

from pipeline.rules.baseline.completeness import Completeness
from pipeline.rules.baseline.expected import (
    Dispersion,
    Seasonal,
    SeasonalSettings,
    standard_deviation,
)
from pipeline.rules.baseline.exposure import BUCKETS_A_DAY, KEEP_BUCKETS, Exposure
from pipeline.rules.baseline.history import History
from pipeline.rules.baseline.late import NO_LIMIT, Counted, LearnedHours
from pipeline.rules.spikes.recent import Recent
from pipeline.rules.spikes.scan import Scan
from pipeline.rules.spikes.spike import Spike, SpikeSettings
from pipeline.rules.times import BUCKET, BUCKETS_AN_HOUR, HOUR

START_GRACE: Final = HOUR // 2
"""Seconds: what was published so shortly before the watch began is news; connectors mark older
entries of a first poll as back-filled."""

_LEARNING_DELAY: Final = 3
"""Hours: an hour is learned two hours after its end."""

_MODEL: Final = SeasonalSettings()


class SeriesCore:
    """Counts, learns and scores one series. Buckets are closed in order by `close`."""

    __slots__ = (
        "_base",
        "_begun",
        "_completeness",
        "_dispersion",
        "_exposure",
        "_fresh",
        "_history",
        "_hour_score",
        "_late",
        "_learned",
        "_probation",
        "_rate",
        "_recent",
        "_relearn",
        "_settings",
        "bucket",
        "last_spike",
        "model",
        "since",
    )

    def __init__(
        self, settings: SpikeSettings, exposure: Exposure, completeness: Completeness
    ) -> None:
        self._settings = settings
        self._exposure = exposure
        self._completeness = completeness
        self.model = Seasonal(_MODEL)
        self._dispersion = Dispersion()
        self.bucket = 0
        """The newest bucket, not yet ended."""
        self.since: int | None = None
        """The bucket in which learning began."""
        self._base = self._begun = 0
        self._history = History(0)
        self._fresh: list[int] = []
        self._late: list[int] = []
        self._rate: list[float] = []
        self._recent = Recent()
        self._probation: Counter[str] = Counter()
        self._hour_score: dict[int, float] = {}
        self._learned = LearnedHours()
        self._relearn = 0
        self.last_spike = -(10**9)
        """The last bucket whose score reached the threshold."""

    # -- counting

    def begin(self, second: int) -> None:
        """Start watching at ``second``: what was published `START_GRACE` before is no news."""
        bucket = second // BUCKET
        self._begun = second
        self.since = self.bucket = bucket
        self._base = (second - START_GRACE) // BUCKET
        self._history = History(bucket // BUCKETS_AN_HOUR)
        for b in range(self._base, bucket + 1):
            self._append(b)

    def add(
        self,
        at: int,
        seen: int,
        owner: str,
        group: str,
        *,
        level: int = 0,
        event: str = "",
        teach_only: bool = False,
    ) -> Counted:
        """Count a story once, filed under second ``at``; all but those of new feeds teach.

        News is what is fresh, published after the start, and from feeds that are neither new nor
        importing.
        """
        bucket = min(at // BUCKET, self.bucket)
        index = bucket - self._base
        if teach_only:
            self._history.add(at // HOUR, seen)
        if index < 0:
            return Counted.NO_NEWS
        age = seen - at
        s = self._settings
        if not teach_only:
            self._exposure.hear(self.bucket, group)
        if self._exposure.on_probation(self.bucket, group):
            if age < s.fresh:
                self._probation[group] += 1
            return Counted.NO_NEWS
        self._teach_late(bucket // BUCKETS_AN_HOUR)
        is_heap = age > HOUR // 2 and self._exposure.is_flooding(self.bucket, group)
        is_no_news = teach_only or is_heap or at < self._begun - START_GRACE
        if is_no_news or age > s.fresh:
            self._late[index] += 1
            return Counted.NO_NEWS if is_no_news else Counted.LATE
        self._fresh[index] += 1
        self._recent.add(bucket, group, (owner, level, event))
        return Counted.NEWS

    def copy(self, at: int, seen: int) -> None:
        """Note a reprint filed under second ``at``: some of its like pass for new stories."""
        if seen - at <= self._settings.fresh:
            bucket = min(at // BUCKET, self.bucket)
            if bucket >= self._base:
                self._recent.copy(bucket)

    def close(self) -> None:
        """End the newest bucket and begin the next. `Exposure.close` comes first."""
        self.bucket += 1
        if self.bucket % BUCKETS_A_DAY == 0:
            self._fade()
        for group in self._exposure.graduates:
            self._graduate(group)
        if self.bucket % BUCKETS_AN_HOUR == 0:
            self._learn(self.bucket // BUCKETS_AN_HOUR - _LEARNING_DELAY)
            self._trim()
        self._append(self.bucket)

    @property
    def rests_at(self) -> int | None:
        """When `rest` may learn; None: no archive waits."""
        return self._history.rests_at

    def rest(self, now: int) -> bool:
        """Learn from an imported archive once it has come to rest; whether that was now."""
        if not self._history.is_at_rest(now):
            return False
        taught = self._history.teach(
            self.model, self._dispersion, _MODEL, self.bucket // BUCKETS_AN_HOUR
        )
        if taught is None:
            return False
        self.model, first_hour = taught
        self.since = first_hour * BUCKETS_AN_HOUR
        rate = self.model.mean(self.bucket // BUCKETS_AN_HOUR) / BUCKETS_AN_HOUR
        self._rate = [rate] * len(self._rate)
        return True

    def skip_to(self, bucket: int) -> None:
        """Go on at ``bucket`` after a time without any news or feed report: nothing was learned.

        The profile stays, the level is remembered as a belief of a day's worth of counts.
        """
        self.model.doubt()
        for values in (self._fresh, self._late, self._rate):
            values.clear()
        self._recent.clear()
        self._hour_score.clear()
        self._learned.clear()
        self._relearn = 0
        self.bucket = self._base = bucket
        self._append(bucket)

    def _append(self, bucket: int) -> None:
        if bucket % BUCKETS_AN_HOUR == 0 or not self._rate:
            rate = self.model.mean(bucket // BUCKETS_AN_HOUR) / BUCKETS_AN_HOUR
        else:
            rate = self._rate[-1]
        self._fresh.append(0)
        self._late.append(0)
        self._rate.append(rate)

    def _fade(self) -> None:
        self.model.prior = self._exposure.profile
        self._recent.fade()

    def _trim(self) -> None:
        drop = len(self._fresh) - KEEP_BUCKETS
        if drop > 0:
            for values in (self._fresh, self._late, self._rate):
                del values[:drop]
            self._base += drop
            self._recent.forget(self._base)

    def _delivered(self, buckets: range, back: Set[str] = frozenset()) -> list[float]:
        # Fewer stories do not tell which groups bring them.
        weights = self._recent.group_weight if self._recent.weight >= 20 else {}
        return self._exposure.delivered(buckets, weights, back)

    def _graduate(self, group: str) -> None:
        length = self._exposure.usual_buckets_of_probation()
        usual = self.model.level * length / BUCKETS_AN_HOUR
        if usual > 0:
            factor = 1 + min(self._probation.pop(group, 0) / max(usual, 3.0), 3.0)
            self.model.raise_level(factor)
            self._recent.group_weight[group] += self._recent.weight * (factor - 1)  # type: ignore[assignment]

    # -- what is expected

    @property
    def is_warm(self) -> bool:
        """Whether the baseline has learned long enough to be trusted."""
        return self.model.hours_learned >= self._settings.warm_hours

    @property
    def exposed(self) -> float:
        """Share of the usual feeds that deliver now; who has just brought an article does."""
        return self._delivered(range(self.bucket, self.bucket + 1), self._exposure.back())[0]

    def exposed_in(self, bucket: int) -> float:
        """Share of the usual feeds that delivered in a bucket; 1.0 where it is forgotten."""
        return self._delivered(range(bucket, bucket + 1))[0]

    def expected_in(self, bucket: int) -> tuple[float, float]:
        """Mean and variance of the count of one whole bucket."""
        index = bucket - self._base
        if not 0 <= index < len(self._rate):
            return 0.0, 0.0
        mean = self._rate[index] * self.exposed_in(bucket)
        phi, kappa = self.spread()
        return mean, phi * mean + kappa * mean * mean

    def expected(self, buckets: int, now: int) -> tuple[float, float]:
        """Mean and variance of the count in the window of so many buckets that ends at ``now``."""
        mean = max(sum(self._expected_by_bucket(now)[-buckets:]), 0.02)
        phi, kappa = self.spread()
        return mean, phi * mean + kappa * mean * mean

    def spread(self) -> tuple[float, float]:
        """(phi, kappa): an ordinary count with mean m has the variance phi·m + kappa·m²."""
        phi, kappa = self._dispersion.values()
        kappa += self._settings.model_error + self.model.relative_variance
        if self.exposed < 0.97:
            kappa += 0.1
        return phi, kappa

    def _expected_by_bucket(self, now: int, newest: int = BUCKETS_A_DAY) -> list[float]:
        """What should have been seen by ``now`` of each of the newest buckets."""
        rates = self._rate[-newest:]
        # A group's first articles after a hole count with it before anybody tells that it is back.
        exposed = self._delivered(
            range(self.bucket - len(rates) + 1, self.bucket + 1), self._exposure.back()
        )
        fresh = self._completeness.fresh
        expected = [r * e * fresh for r, e in zip(rates, exposed, strict=True)]
        shares, n, into = self._completeness.shares, len(expected), now % BUCKET
        expected[-1] *= 0.5 * shares[0] * (into / BUCKET)
        for age in range(1, min(len(shares), n)):
            expected[n - 1 - age] *= 0.5 * (shares[age] + shares[age - 1])
        return expected

    # -- scoring

    def score(self, now: int) -> Spike | None:
        """The window that stands out most at second ``now``; None when none does."""
        s = self._settings
        if self.exposed < 0.2:
            return None
        scan = Scan(s, self._recent, self.bucket, self._fresh)
        if not self.is_warm:
            best = scan.young(self._completeness.shares, now % BUCKET / BUCKET)
        else:
            best = scan.against_baseline(
                lambda newest: self._expected_by_bucket(now, newest), self.spread(), self.last_spike
            )
        if best is not None:
            hour = self.bucket // BUCKETS_AN_HOUR
            self._hour_score[hour] = max(self._hour_score.get(hour, 0.0), best.score)
            if best.score >= s.threshold:
                self.last_spike = self.bucket
        return best

    # -- learning

    def _learn(self, hour: int) -> None:
        """Learn an hour that ended two hours ago, censored if it looks like a spike."""
        self._learned.close(hour)
        start = hour * BUCKETS_AN_HOUR - self._base
        if start < 0 or hour * BUCKETS_AN_HOUR < self._begun // BUCKET:
            return
        part = slice(start, start + BUCKETS_AN_HOUR)
        count = sum(self._fresh[part]) + sum(self._late[part])
        first = hour * BUCKETS_AN_HOUR
        exposure = sum(self._delivered(range(first, first + BUCKETS_AN_HOUR))) / BUCKETS_AN_HOUR
        top = self._hour_score.pop(hour, 0.0)
        if exposure < 0.5:
            return
        s = self._settings
        mean = max(self.model.mean(hour) * exposure, 1e-6)
        phi, kappa = self._dispersion.values()
        kappa += s.model_error + self.model.relative_variance
        self._relearn = self._relearn + 1 if top >= 0.7 * s.threshold else max(0, self._relearn - 2)
        new_normal = self._relearn >= 72
        limit = mean + 4 * standard_deviation(mean, phi, kappa)
        weight = 1.0
        if self.is_warm and not new_normal:
            doubt = (top - 2.0) / max(s.threshold - 2.0, 0.5)
            weight = min(1.0, max(0.05, 1 - 0.95 * doubt))
        censored = count if new_normal else min(count, max(limit, 3.0))
        complete = exposure > 0.97
        if complete:
            self._dispersion.learn(censored, mean, weight)
            # While feeds are away the exposure stands for what they did not bring.
            room = NO_LIMIT if new_normal else max(limit, 3.0) - censored
            self._learned.add(hour, weight, room)
        for model in self._models():
            model.learn(hour, censored, weight, exposure)

    def _teach_late(self, hour: int) -> None:
        """Add one story to an hour that was learned already, as if it had been there in time."""
        count = self._learned.take(hour)
        if not count:
            return
        hours_ago = self.bucket // BUCKETS_AN_HOUR - _LEARNING_DELAY - hour
        for model in self._models():
            model.add_late(hour, count, hours_ago)

    def _models(self) -> list[Seasonal]:
        """The one in force, and the one without the imported archive where there is one."""
        live = self._history.live
        return [self.model] if live is None else [self.model, live]

    # -- state

    def to_json(self) -> dict[str, Any]:
        """The state as plain values; exposure and completeness are shared and kept by the owner."""
        return {
            "model": self.model.to_json(),
            "dispersion": self._dispersion.to_json(),
            "bucket": self.bucket,
            "since": self.since,
            "base": self._base,
            "begun": self._begun,
            "history": self._history.to_json(),
            "fresh": self._fresh,
            "late": self._late,
            "rate": self._rate,
            **self._recent.to_json(),
            "probation": sorted(self._probation.items()),
            "hour_score": sorted(self._hour_score.items()),
            "learned": self._learned.to_json(),
            "relearn": self._relearn,
            "last_spike": self.last_spike,
        }

    @classmethod
    def from_json(
        cls,
        raw: dict[str, Any],
        settings: SpikeSettings,
        exposure: Exposure,
        completeness: Completeness,
    ) -> SeriesCore:
        """The inverse of `to_json`."""
        self = cls(settings, exposure, completeness)
        self.model = Seasonal.from_json(raw["model"], _MODEL)
        self._dispersion = Dispersion.from_json(raw["dispersion"])
        self.bucket, self.since, self._base = raw["bucket"], raw["since"], raw["base"]
        self._begun = raw["begun"]
        self._history = History.from_json(raw["history"], _MODEL)
        self._fresh, self._late = list(raw["fresh"]), list(raw["late"])
        self._rate = list(raw["rate"])
        self._recent = Recent.from_json(raw)
        self._probation = Counter(dict(raw["probation"]))
        self._hour_score = dict(raw["hour_score"])
        self._learned = LearnedHours.from_json(raw["learned"])
        self._relearn, self.last_spike = raw["relearn"], raw["last_spike"]
        return self
