"""What the feeds delivered: which groups were up, flooding or new.

Shared by the series of a topic (or of a benchmark stream): a count means little without it. A group
that is down makes a series blind to its share, not calm; one that is new or imports a heap is no
crisis. A connector tells of a bucket only after its end, so nothing here is final when a bucket
closes: a series asks when it needs to know, and learns two hours later.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from math import fsum
from typing import Any, Final

from pipeline.contracts.records import FeedStatus
from pipeline.rules.baseline.expected import Profile, Seasonal, SeasonalSettings
from pipeline.rules.baseline.polls import Polls
from pipeline.rules.baseline.reports import Reports
from pipeline.rules.times import BUCKETS_AN_HOUR

BUCKETS_A_DAY: Final = 288
KEEP_BUCKETS: Final = 324
"""Buckets of the past that are kept: a day for the windows, three hours for the learning."""

MAX_GROUPS: Final = 64
"""Groups with a model of their own; later ones share one, so that the state is bounded."""
_OTHERS: Final = "\x00others"

_GROUP_MODEL: Final = SeasonalSettings(hour_prior=20.0, weekday_prior=200.0)
_WARM_HOURS: Final = 72
_PROBATION: Final = 4 * BUCKETS_A_DAY
_SILENT: Final = 3
"""Buckets: a report is late by seconds; whose connector is silent for longer is not heard."""
_MOSTLY_DOWN: Final = 0.5


def counts_for(bucket: int, newest: int) -> int | None:
    """The bucket that a report on ``bucket`` counts for when ``newest`` is open; None: no more.

    A connector whose clock is ahead tells of what has been, so of now at most. Nothing looks back
    beyond what is kept, and one whose clock stood in 1970 would make all other feeds new ones.
    """
    bucket = min(bucket, newest)
    return bucket if bucket > newest - KEEP_BUCKETS else None


class _Group:
    """One group of feeds: its ordinary totals, and what it delivered in the last day."""

    __slots__ = (
        "articles",
        "down",
        "expected",
        "first",
        "flood",
        "heard",
        "model",
        "polled",
        "polls",
        "reported",
        "reports",
        "share",
    )

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
        """Somebody reports on it: it is new when its first report is."""
        self.polls = Polls()
        self.reports = Reports()
        self.reported: int | None = None
        """The newest bucket that a connector has told of; None where none does, an archive."""
        self.heard = -(10**9)
        """The bucket in which its last article came."""
        self.share: dict[int, float] = {}
        """Bucket -> share of the usual that came, as the bucket itself tells; absent: all."""


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
        """Bucket -> group -> share delivered, where it is not 1. It never rises with time: whoever
        is back brings late what was missed."""

    def report(self, bucket: int, status: FeedStatus) -> bool:
        """Note what a connector says of a group, before the bucket is closed or after.

        Returns whether the share of the bucket has changed by it. ``bucket`` is no later than the
        one that is open.
        ``polled`` and ``feeds`` are 0 where nobody knows whether feeds answered (an archive).
        """
        name, g = self._count(bucket, status.group, 0)
        before = self.share(bucket, name)
        articles = status.articles
        if status.polled or status.feeds:
            polled, answered, articles = g.reports.added(bucket, status)
            g.polled = True
            g.reported = bucket if g.reported is None else max(g.reported, bucket)
            share = g.polls.note(bucket, polled, answered, status.feeds)
            g.down[bucket] = 1.0 - share
            if share >= 1.0:
                del g.down[bucket]
        g.articles[bucket] += articles
        self._judge_again(bucket, name, g)
        return self.share(bucket, name) != before

    def record(self, bucket: int, group: str, articles: int, down: float, polled: bool) -> None:
        """Note what is known of a group in a bucket; parts add up."""
        name, g = self._count(bucket, group, articles)
        if down > 0:
            g.down[bucket] = down
        g.polled = g.polled or polled
        self._judge_again(bucket, name, g)

    def hear(self, bucket: int, group: str) -> None:
        """Note that an article of the group came in a bucket: it answers, whatever was told."""
        g = self._groups.get(self._name(group))
        if g is not None:
            g.heard = max(g.heard, bucket)

    def _count(self, bucket: int, group: str, articles: int) -> tuple[str, _Group]:
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
        return group, g

    def close(self, bucket: int) -> None:
        """Judge every group in ``bucket``, which has ended; buckets come in order."""
        self.bucket = bucket
        if self._since is None:
            self._since = bucket
        if bucket % BUCKETS_AN_HOUR == 0:
            # What was reported of its last bucket is known by now.
            self._learn(bucket - 1, told=True)
        for name, g in self._groups.items():
            if bucket % BUCKETS_AN_HOUR == 0 or g.expected == 0.0:
                g.expected = g.model.mean(bucket // BUCKETS_AN_HOUR) / BUCKETS_AN_HOUR
            self._judge(bucket, g)
            self._settle(bucket, name, g)
        if bucket % BUCKETS_AN_HOUR == BUCKETS_AN_HOUR - 1:
            self._learn(bucket, told=False)
        self.shares.pop(bucket - KEEP_BUCKETS, None)
        self.graduates = sorted(
            name
            for name, g in self._groups.items()
            if g.first + _PROBATION == bucket + 1 and self._is_new(g)
        )

    def skip_to(self, bucket: int) -> None:
        """Go on at ``bucket`` after a time in which nothing was reported."""
        self.bucket = bucket - 1
        self.shares.clear()
        for g in self._groups.values():
            g.articles.clear()
            g.down.clear()
            g.share.clear()
            g.expected = 0.0

    def share(self, bucket: int, group: str) -> float:
        """Share of the group's usual articles that it delivered in a closed bucket."""
        by_group = self.shares.get(bucket)
        return 1.0 if by_group is None else by_group.get(self._name(group), 1.0)

    def delivered(
        self, buckets: range, weights: Mapping[str, float], back: Set[str] = frozenset()
    ) -> list[float]:
        """The same of all groups, each by its weight, for each of ``buckets``.

        Args:
            buckets: rising; those that are not closed yet are taken to be as the last that is.
            weights: of the groups. Where none has any, a bucket is 0.0 or 1.0: nobody delivers,
                or somebody does.
            back: groups that are taken to deliver all.
        """
        found = [1.0] * len(buckets)
        if not self.shares or self.bucket is None:
            return found
        # Exact sums: a restored state has the groups in another order.
        total, known, share = fsum(weights.values()), None, 1.0
        for i, bucket in enumerate(buckets):
            by_group = self.shares.get(min(bucket, self.bucket))
            if not by_group:
                continue
            if by_group != known:
                known = by_group
                shares = {g: s for g, s in by_group.items() if g not in back}
                if total:
                    missed = fsum(weights.get(g, 0.0) * (1 - s) for g, s in shares.items())
                    share = max(1 - missed / total, 0.0)
                else:
                    share = 1.0 if any(shares.get(g, 1.0) for g in self._groups) else 0.0
            found[i] = share
        return found

    def back(self) -> frozenset[str]:
        """Groups that were down when they were last told of, and have brought an article since."""
        if self.bucket is None:
            return frozenset()
        return frozenset(
            name
            for name in self.shares.get(self.bucket, ())
            if (g := self._groups[name]).heard > (self.bucket if g.reported is None else g.reported)
        )

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

    def _judge_again(self, bucket: int, name: str, g: _Group) -> None:
        if self.bucket is None or not self.bucket - KEEP_BUCKETS < bucket <= self.bucket:
            return
        # An hour's articles are looked at together.
        for b in range(bucket, min(bucket + BUCKETS_AN_HOUR - 1, self.bucket) + 1):
            self._judge(b, g)
        self._settle(bucket, name, g)

    def _judge(self, bucket: int, g: _Group) -> None:
        here, before = g.articles.get(bucket, 0), g.articles.get(bucket - 1, 0)
        warm = g.model.hours_learned > _WARM_HOURS
        if warm and here + before > 8 * max(2 * g.expected, 1) + 25:
            g.flood = max(g.flood, bucket)
        hour = BUCKETS_AN_HOUR * g.expected
        share = 1.0 - g.down.get(bucket, 0.0)
        if g.reported is not None and bucket > g.reported:
            is_late = bucket - g.reported <= _SILENT
            share = g.share.get(bucket - 1, 1.0) if is_late else 0.0
        elif share >= 1.0 and warm and hour >= 12:
            first = max(g.first, bucket - BUCKETS_AN_HOUR + 1)
            got = sum(g.articles.get(b, 0) for b in range(first, bucket + 1))
            if got < 0.4 * hour:
                share = got / hour
        if share < 1.0:
            g.share[bucket] = share
        else:
            g.share.pop(bucket, None)

    def _settle(self, changed: int, name: str, g: _Group) -> None:
        """Bring `shares` up to what the buckets from ``changed`` on tell of a group."""
        share, last = 0.0, changed if self.bucket is None else self.bucket
        for bucket in range(last, last - KEEP_BUCKETS, -1):
            share = max(share, g.share.get(bucket, 1.0))
            by_group = self.shares.get(bucket, {})
            if bucket < changed and by_group.get(name, 1.0) == share:
                return
            if share < 1.0:
                self.shares.setdefault(bucket, by_group)[name] = share
            elif by_group.pop(name, None) is not None and not by_group:
                del self.shares[bucket]

    def _learn(self, bucket: int, *, told: bool) -> None:
        """Learn the hour that ends with ``bucket``: of groups that a connector tells of, or not."""
        hour, first = bucket // BUCKETS_AN_HOUR, bucket - BUCKETS_AN_HOUR + 1
        good = []
        hour_long = range(first, bucket + 1)
        for g in self._groups.values():
            if told != (g.reported is not None):
                continue
            up = all(g.down.get(b, 0.0) < _MOSTLY_DOWN for b in hour_long)
            up = up and (g.reported is None or g.reported >= bucket)
            count = sum(g.articles.get(b, 0) for b in hour_long)
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
                g.share = {b: n for b, n in g.share.items() if b > stale}
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
                    "polls": g.polls.to_json(),
                    "reports": g.reports.to_json(),
                    "reported": g.reported,
                    "heard": g.heard,
                    "share": sorted(g.share.items()),
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
            g.polls = Polls.from_json(r["polls"])
            g.reports = Reports.from_json(r["reports"])
            g.reported, g.heard, g.share = r["reported"], r["heard"], dict(r["share"])
        self._pool = Seasonal.from_json(raw["pool"], _GROUP_MODEL)
        self._since, self.bucket = raw["since"], raw["bucket"]
        profile = raw["profile"]
        self.profile = None if profile is None else (tuple(profile[0]), tuple(profile[1]))
        self.shares = {b: dict(s) for b, s in raw["shares"]}
        return self
