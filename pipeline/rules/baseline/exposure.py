"""What the feeds delivered: which groups were up, flooding or new, and how late news comes.

Shared by the series of a topic (or of a benchmark stream): a count means little without it. A group
that is down makes a series blind to its share, not calm; one that is new or imports a heap is no
crisis.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any, Final

from pipeline.rules.baseline.expected import Profile, Seasonal, SeasonalSettings
from pipeline.rules.baseline.late import Counted
from pipeline.rules.times import BUCKETS_AN_HOUR, DAY

BUCKETS_A_DAY: Final = 288
KEEP_BUCKETS: Final = 324
"""Buckets of the past that are kept: a day for the windows, three hours for the learning."""

MAX_GROUPS: Final = 64
"""Groups with a model of their own; later ones share one, so that the state is bounded."""
_OTHERS: Final = "\x00others"

_GROUP_MODEL: Final = SeasonalSettings(hour_prior=20.0, weekday_prior=200.0)
_WARM_HOURS: Final = 72
_PROBATION: Final = 4 * BUCKETS_A_DAY
_LEAST_FRESH: Final = 0.5
"""However much comes late, at least half of what is expected is expected while it is news."""


class _Group:
    """One group of feeds: its ordinary totals, and what it delivered in the last day."""

    __slots__ = ("articles", "down", "expected", "first", "flood", "model", "polled")

    def __init__(self, first: int) -> None:
        self.first = first
        """Its first bucket."""
        self.model = Seasonal(_GROUP_MODEL)
        self.articles: dict[int, int] = {}
        self.down: dict[int, float] = {}
        """Bucket -> share of its feeds that did not answer; absent: none."""
        self.flood = -(10**9)
        """The last bucket with far more articles than ever: an import, or a backlog."""
        self.expected = 0.0
        self.polled = False
        """A connector reports on it, so that silence of the connector is blindness."""


class Exposure:
    """The delivery of all groups by bucket, learned causally."""

    __slots__ = ("_groups", "_pool", "_since", "bucket", "graduates", "profile", "shares")

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._pool = Seasonal(_GROUP_MODEL)
        self._since: int | None = None
        self.bucket: int | None = None
        """The last closed bucket."""
        self.graduates: list[str] = []
        """Groups whose probation ends with the last closed bucket."""
        self.profile: Profile | None = None
        """Hours and weekdays of the mean group: the prior of every series."""
        self.shares: dict[int, dict[str, float]] = {}
        """Bucket -> group -> share delivered, where it is not 1."""

    def record(self, bucket: int, group: str, articles: int, down: float, polled: bool) -> None:
        """Note what a group delivered in a bucket; parts of several connectors add up."""
        if self._since is None:
            self._since = bucket
        g = self._groups.get(group)
        if g is None:
            if len(self._groups) >= MAX_GROUPS:
                group = _OTHERS
                g = self._groups.get(group)
            if g is None:
                g = self._groups[group] = _Group(bucket)
        g.articles[bucket] = g.articles.get(bucket, 0) + articles
        if down > 0:
            g.down[bucket] = down
        g.polled = g.polled or polled
        if self.bucket is not None and bucket <= self.bucket:
            self._judge(bucket, group, g)

    def close(self, bucket: int) -> None:
        """Judge every group in ``bucket``, which has ended; buckets come in order."""
        self.bucket = bucket
        if self._since is None:
            self._since = bucket
        for name, g in self._groups.items():
            if bucket % BUCKETS_AN_HOUR == 0 or g.expected == 0.0:
                g.expected = g.model.mean(bucket // BUCKETS_AN_HOUR) / BUCKETS_AN_HOUR
            if g.down or bucket in g.articles or g.expected >= 1.0:
                # Else too small for its silence to mean anything.
                self._judge(bucket, name, g)
        if bucket % BUCKETS_AN_HOUR == BUCKETS_AN_HOUR - 1:
            self._learn(bucket)
        self.shares.pop(bucket - KEEP_BUCKETS, None)
        self.graduates = [
            name
            for name, g in self._groups.items()
            if g.first + _PROBATION == bucket + 1 and self._is_new(g)
        ]

    def skip_to(self, bucket: int) -> None:
        """Go on at ``bucket`` after a time in which nothing was reported."""
        self.bucket = bucket - 1
        self.shares.clear()
        for g in self._groups.values():
            g.articles.clear()
            g.down.clear()
            g.expected = 0.0

    def share(self, bucket: int, group: str) -> float:
        """Share of the group's usual articles that it delivered in a closed bucket."""
        by_group = self.shares.get(bucket)
        return 1.0 if by_group is None else by_group.get(self._name(group), 1.0)

    def delivered(self, bucket: int, weights: Mapping[str, float]) -> float:
        """The same of all groups, each by its weight; 1.0 when none has any."""
        by_group = self.shares.get(bucket)
        if not by_group:
            return 1.0
        total = delivered = 0.0
        for group, weight in weights.items():
            total += weight
            delivered += weight * by_group.get(group, 1.0)
        return delivered / total if total else 1.0

    def is_flooding(self, bucket: int, group: str) -> bool:
        """Whether the group just imported a heap, or just began: its older articles are no news."""
        g = self._groups.get(self._name(group))
        if g is None:
            return False
        return bucket - g.flood < 8 or (self._is_new(g) and bucket - g.first < BUCKETS_AN_HOUR)

    def on_probation(self, bucket: int, group: str) -> bool:
        """Whether the group is too new to count."""
        g = self._groups.get(group)
        return g is not None and self._is_new(g) and bucket < g.first + _PROBATION

    def usual_buckets_of_probation(self) -> int:
        """Length of a probation."""
        return _PROBATION

    def _is_new(self, g: _Group) -> bool:
        # Where nobody reports on the feeds (an archive), a late first article means a quiet outlet.
        return g.polled and self._since is not None and g.first > self._since + BUCKETS_A_DAY

    def _name(self, group: str) -> str:
        return group if group in self._groups else _OTHERS

    def _judge(self, bucket: int, name: str, g: _Group) -> None:
        here, before = g.articles.get(bucket, 0), g.articles.get(bucket - 1, 0)
        warm = g.model.hours_learned > _WARM_HOURS
        if warm and here + before > 8 * max(2 * g.expected, 1) + 25:
            g.flood = max(g.flood, bucket)
        share = 1.0 - g.down.get(bucket, 0.0)
        hour = BUCKETS_AN_HOUR * g.expected
        if share >= 1.0 and warm and hour >= 12:
            first = max(g.first, bucket - BUCKETS_AN_HOUR + 1)
            got = sum(g.articles.get(b, 0) for b in range(first, bucket + 1))
            if got < 0.4 * hour:
                share = got / hour
        by_group = self.shares.get(bucket)
        if share < 1.0:
            if by_group is None:
                by_group = self.shares[bucket] = {}
            by_group[name] = share
        elif by_group is not None:
            by_group.pop(name, None)
            if not by_group:
                del self.shares[bucket]

    def _learn(self, bucket: int) -> None:
        hour, first = bucket // BUCKETS_AN_HOUR, bucket - BUCKETS_AN_HOUR + 1
        good = []
        for g in self._groups.values():
            up = not any(b in g.down for b in range(first, bucket + 1))
            count = sum(g.articles.get(b, 0) for b in range(first, bucket + 1))
            expected, warm = (
                BUCKETS_AN_HOUR * g.expected,
                g.model.hours_learned > _WARM_HOURS,
            )
            quiet = bucket - g.flood > BUCKETS_AN_HOUR
            if g.first <= first and up and quiet and (not warm or count > 0.4 * expected):
                g.model.learn(hour, min(count, 3 * max(expected, 5)) if warm else count, 1.0, 1.0)
                if g.first + 2 * BUCKETS_AN_HOUR <= first:
                    good.append(count)
            stale = bucket - KEEP_BUCKETS
            if hour % 24 == 0:
                g.articles = {b: n for b, n in g.articles.items() if b > stale}
                g.down = {b: n for b, n in g.down.items() if b > stale}
        if len(good) >= 3:
            self._pool.learn(hour, sum(good) / len(good), 1.0, 1.0)
        if hour % 24 == 23:
            self.profile = self._pool.profile()

    def to_json(self) -> dict[str, Any]:
        """The state as plain values."""
        return {
            "groups": {
                name: {
                    "first": g.first,
                    "model": g.model.to_json(),
                    "articles": sorted(g.articles.items()),
                    "down": sorted(g.down.items()),
                    "flood": g.flood,
                    "expected": g.expected,
                    "polled": g.polled,
                }
                for name, g in sorted(self._groups.items())
            },
            "pool": self._pool.to_json(),
            "since": self._since,
            "bucket": self.bucket,
            "profile": None if self.profile is None else [list(p) for p in self.profile],
            "shares": [[b, sorted(s.items())] for b, s in sorted(self.shares.items())],
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Exposure:
        """The inverse of `to_json`."""
        self = cls()
        for name, r in raw["groups"].items():
            g = self._groups[name] = _Group(r["first"])
            g.model = Seasonal.from_json(r["model"], _GROUP_MODEL)
            g.articles = dict(r["articles"])
            g.down = dict(r["down"])
            g.flood, g.expected, g.polled = r["flood"], r["expected"], r["polled"]
        self._pool = Seasonal.from_json(raw["pool"], _GROUP_MODEL)
        self._since, self.bucket = raw["since"], raw["bucket"]
        profile = raw["profile"]
        self.profile = None if profile is None else (tuple(profile[0]), tuple(profile[1]))
        self.shares = {b: dict(s) for b, s in raw["shares"]}
        return self


class Completeness:
    """Which share of the news of a given age has been seen: feeds are polled, so it comes late.

    From the delays of articles in bins of a bucket; a day's delays count from the next day.
    """

    BINS: Final = 37
    """A bucket each, up to three hours."""

    __slots__ = ("_day", "_sums", "_today", "fresh", "shares")

    def __init__(self) -> None:
        # The last bin is that of the late ones.
        self._sums = [1.0] * 6 + [0.0] * (self.BINS - 5)
        self._today = [0] * (self.BINS + 1)
        self._day = 0
        self.shares: list[float] = []
        """Bin -> share of the fresh news seen by its end."""
        self.fresh = 1.0
        """Share of all news that comes while it is fresh: only such news is counted by a spike."""
        self._fold()

    def learn(self, counted: Counted, delay: int, seen: int) -> None:
        """Note that a story was seen ``delay`` seconds after its publication, and what it was."""
        if counted is Counted.NO_NEWS:
            return
        self._turn(seen)
        if counted is Counted.LATE:
            self._today[-1] += 1
        elif 0 <= delay // 300 < self.BINS:
            self._today[delay // 300] += 1

    def _turn(self, seen: int) -> None:
        if seen // DAY > self._day:
            self._day = seen // DAY
            self._fold()

    def _fold(self) -> None:
        self._sums = [0.9 * old + new for old, new in zip(self._sums, self._today, strict=True)]
        self._today = [0] * (self.BINS + 1)
        self._share()

    def _share(self) -> None:
        total = sum(self._sums[:-1])
        self.shares = [running / total for running in accumulate(self._sums[:-1])]
        self.fresh = max(total / (total + self._sums[-1]), _LEAST_FRESH)

    def to_json(self) -> list[Any]:
        """The state as plain values."""
        return [self._sums, self._today, self._day]

    @classmethod
    def from_json(cls, raw: list[Any]) -> Completeness:
        """The inverse of `to_json`."""
        self = cls()
        self._sums, self._today, self._day = list(raw[0]), list(raw[1]), raw[2]
        self._share()
        return self
