"""What of a replay's alerts is told, so that analysts see one story across two runs.

New rules, or a lost state, mean a replay: a new run decides everything that Kafka retains again.
What the run before it has told is not told again; what it has open goes on under its name; what was
under way unknown to it stays silent until it rises. Pure, and its state is a few fields a topic.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from pipeline.contracts.codec import from_dict, to_dict
from pipeline.contracts.ids import stable_id
from pipeline.contracts.records import Alert, AlertState, Severity, severity_rank
from pipeline.rules.times import moment, seconds

VERSION: Final = 1
"""Of the state's form; in its first field."""

CLOSED_BY_RULES: Final = (
    "Closed: the rules were changed, and by the new ones nothing stands out now."
)
CLOSED_WITH_TOPIC: Final = "Closed: the topic is no longer watched."
CLOSED_AS_DOUBLE: Final = "Closed: a newer alert on this topic has taken its place."
_LATE: Final = "Under way before these rules came into service. "
_BY_RULES: Final = {
    AlertState.ESCALATED: "Raised from {before} to {after} by the new rules: ",
    AlertState.DE_ESCALATED: "Lowered from {before} to {after} by the new rules: ",
}


@dataclass(frozen=True, slots=True)
class Handover:
    """What the run before has left of one topic."""

    since: int
    """Second of the seen clock: everything before it was told, or is old news."""
    open: Alert | None = None
    """The last revision of the alert that it left open."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "since": self.since,
            "open": None if self.open is None else to_dict(self.open),
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Handover:
        """The inverse of `to_json`."""
        left = raw["open"]
        return cls(int(raw["since"]), None if left is None else from_dict(Alert, left))


class Teller:
    """Passes on the alerts of one topic's detector; without a handover, all of them as they are.

    Call `tell` once a tick, in the order of the ticks: equal calls give equal alerts, whatever was
    killed in between.
    """

    def __init__(self, handover: Handover | None = None) -> None:
        self._open = handover.open if handover else None
        self._since = handover.since if handover else None
        if handover is not None and handover.open is not None:
            # It was told at that tick, so all before it was told too.
            self._since = max(handover.since, seconds(handover.open.revised_at) + 1)
        self._under_way: Alert | None = None
        """Before `_since`: the newest revision of the episode that is not over."""
        self._name: _Name | None = None
        """How the current episode is told, where that differs from how the detector tells it."""

    def tell(self, now: int, alerts: Iterable[Alert]) -> tuple[Alert, ...]:
        """The revisions to be told at second ``now``, for those that the detector decided then."""
        out: list[Alert] = []
        if self._since is not None and now >= self._since:
            out += self._take_over(now)
        for alert in alerts:
            if self._since is not None:
                self._under_way = None if alert.state is AlertState.CLOSED else alert
            else:
                out += self._pass_on(alert)
        return tuple(out)

    def _take_over(self, now: int) -> Iterable[Alert]:
        """The first tick from which on this run speaks."""
        mine, left = self._under_way, self._open
        self._since = self._open = self._under_way = None
        if mine is None:
            if left is not None:
                yield closing(left, now, CLOSED_BY_RULES)
            return
        if left is None:
            self._name = _Name(mine.alert_id, silent=True)
            return
        self._name = _Name(mine.alert_id, left.alert_id, seconds(left.raised_at), left.revision)
        state = _step(left.severity, mine.severity)
        if state is not None:
            why = _BY_RULES[state].format(before=left.severity, after=mine.severity)
            yield replace(
                self._name.next(mine),
                state=state,
                reason=why + mine.reason,
                revised_at=moment(now),
                # Not how fast a new article was told.
                newest_seen_at=None,
            )

    def _pass_on(self, alert: Alert) -> Iterable[Alert]:
        name = self._name
        if name is None or alert.alert_id != name.own:
            yield alert
            return
        if alert.state is AlertState.CLOSED:
            self._name = None
        if not name.silent:
            yield name.next(alert)
            return
        if alert.state is not AlertState.ESCALATED:
            return  # a calm, and nobody was told of the storm before it
        raised = seconds(alert.revised_at)
        told_as = stable_id(alert.topic, alert.series.value, moment(raised).isoformat())
        self._name = _Name(name.own, told_as=told_as, raised_at=raised)
        yield replace(self._name.next(alert), state=AlertState.OPEN, reason=_LATE + alert.reason)

    # -- state

    def dumps(self) -> bytes:
        """The state: equal states give equal bytes."""
        raw = {
            "version": VERSION,
            "since": self._since,
            "open": _plain(self._open),
            "under_way": _plain(self._under_way),
            "name": None if self._name is None else self._name.to_json(),
        }
        return json.dumps(raw, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def loads(cls, data: bytes) -> Teller:
        """The inverse of `dumps`.

        Raises:
            ValueError: it is none, or of another version.
        """
        raw = json.loads(data)
        if raw.get("version") != VERSION:
            raise ValueError(f"handover state {raw.get('version')}, read is {VERSION}")
        self = cls()
        self._since = raw["since"]
        self._open, self._under_way = _alert(raw["open"]), _alert(raw["under_way"])
        self._name = None if raw["name"] is None else _Name(*raw["name"])
        return self


def closing(left: Alert, now: int, reason: str) -> Alert:
    """The last revision of an alert that nobody goes on with."""
    return replace(
        left,
        revision=left.revision + 1,
        state=AlertState.CLOSED,
        reason=reason,
        revised_at=moment(max(now, seconds(left.revised_at))),
        newest_seen_at=None,
    )


def _step(before: Severity, after: Severity) -> AlertState | None:
    """What has to be told of an alert whose severity the new rules see otherwise."""
    if before is after:
        return None
    higher = severity_rank(after) > severity_rank(before)
    return AlertState.ESCALATED if higher else AlertState.DE_ESCALATED


@dataclass(slots=True)
class _Name:
    """How an episode of the detector is told."""

    own: str
    """The detector's alert id."""
    told_as: str = ""
    raised_at: int = 0
    revision: int = 0
    """The last one told."""
    silent: bool = False
    """It was under way before this run spoke, and nobody was told."""

    def next(self, alert: Alert) -> Alert:
        """The next revision under the name."""
        self.revision += 1
        return replace(
            alert,
            alert_id=self.told_as,
            revision=self.revision,
            raised_at=moment(self.raised_at),
        )

    def to_json(self) -> list[Any]:
        return [self.own, self.told_as, self.raised_at, self.revision, self.silent]


def _plain(alert: Alert | None) -> dict[str, Any] | None:
    return None if alert is None else to_dict(alert)


def _alert(raw: dict[str, Any] | None) -> Alert | None:
    return None if raw is None else from_dict(Alert, raw)
