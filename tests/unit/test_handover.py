"""What of a replay's alerts is told when another run told before it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.contracts.records import Alert, AlertState, Baseline, Observed, Series, Severity
from pipeline.rules.alerts.handover import (
    CLOSED_BY_RULES,
    Handover,
    Teller,
    closing,
)
from pipeline.rules.times import moment, seconds

T = seconds(datetime(2026, 5, 4, 12, tzinfo=UTC))
OPEN, UP, DOWN, CLOSED = (
    AlertState.OPEN,
    AlertState.ESCALATED,
    AlertState.DE_ESCALATED,
    AlertState.CLOSED,
)


def alert(
    revision: int,
    at: int,
    state: AlertState = OPEN,
    *,
    name: str = "mine",
    severity: Severity = Severity.WARNING,
    raised: int | None = None,
) -> Alert:
    """A revision decided ``at`` seconds from the handover."""
    return Alert(
        alert_id=name,
        revision=revision,
        topic="straits",
        series=Series.ESCALATION,
        state=state,
        severity=severity,
        reason="Three stories.",
        onset_at=moment(T - 9000),
        raised_at=moment(T + (at if raised is None else raised)),
        revised_at=moment(T + at),
        window_minutes=60,
        observed=Observed(3, 4),
        expected=0.5,
        upper=2.0,
        score=5.0,
        escalation=2,
        publishers=3,
        languages=(("en", 3),),
        terms=("drill",),
        baseline=Baseline(None, True, False),
        evidence=(),
        detector_version="1",
        rules_version="new",
        newest_seen_at=moment(T + at - 5),
    )


def told(teller: Teller, *decided: Alert, until: int = 100) -> list[Alert]:
    """What is told when the detector decides so, ticking at each and ``until`` the end."""
    out: list[Alert] = []
    for a in decided:
        out += teller.tell(seconds(a.revised_at), [a])
    out += teller.tell(T + until, [])
    return out


def test_without_a_handover_all_is_told_as_it_is() -> None:
    decided = [alert(1, -50), alert(2, 50, UP), alert(3, 90, CLOSED)]

    assert told(Teller(), *decided) == decided


def test_what_was_decided_before_the_handover_is_old_news() -> None:
    decided = [alert(1, -50), alert(2, -10, CLOSED)]

    assert told(Teller(Handover(T)), *decided) == []


def test_an_episode_that_begins_after_it_is_told_as_it_is() -> None:
    old = [alert(1, -50, name="old"), alert(2, -10, CLOSED, name="old")]
    new = [alert(1, 0), alert(2, 5, UP), alert(3, 90, CLOSED)]

    assert told(Teller(Handover(T)), *old, *new) == new


def test_an_open_alert_goes_on_under_its_name_without_a_gap() -> None:
    left = alert(4, -20, UP, name="left", raised=-500)
    decided = [
        alert(1, -50),
        alert(2, 10, UP, severity=Severity.CRITICAL, raised=-50),
        alert(3, 90, CLOSED, severity=Severity.CRITICAL, raised=-50),
    ]

    said = told(Teller(Handover(T, left)), *decided)

    assert [(a.alert_id, a.revision, a.state) for a in said] == [
        ("left", 5, UP),
        ("left", 6, CLOSED),
    ]
    assert {a.raised_at for a in said} == {left.raised_at}
    assert [a.revised_at for a in said] == [moment(T + 10), moment(T + 90)]


@pytest.mark.parametrize(
    ("mine", "state", "word"),
    [(Severity.CRITICAL, UP, "Raised"), (Severity.INFO, DOWN, "Lowered")],
)
def test_new_rules_that_see_another_severity_say_so_at_once(
    mine: Severity, state: AlertState, word: str
) -> None:
    left = alert(1, -20, name="left")

    (said,) = told(Teller(Handover(T, left)), alert(1, -50, severity=mine))

    assert (said.alert_id, said.revision, said.state, said.severity) == ("left", 2, state, mine)
    assert said.reason.startswith(f"{word} from warning to {mine} by the new rules: ")
    assert said.newest_seen_at is None, "it says nothing about how fast an article was told"


def test_an_alert_that_the_new_rules_do_not_see_is_closed_with_the_reason() -> None:
    left = alert(3, -20, UP, name="left", raised=-500)

    said = told(Teller(Handover(T, left)))

    assert said == [closing(left, T + 100, CLOSED_BY_RULES)]
    assert (said[0].revision, said[0].state) == (4, CLOSED)


def test_an_alert_is_closed_too_when_the_new_rules_saw_its_end_before() -> None:
    left = alert(3, -20, UP, name="left", raised=-500)

    said = told(Teller(Handover(T, left)), alert(1, -50), alert(2, -30, CLOSED))

    assert said == [closing(left, T + 100, CLOSED_BY_RULES)]


def test_what_was_under_way_unknown_stays_silent_until_it_rises() -> None:
    decided = [
        alert(1, -50),
        alert(2, 10, DOWN, severity=Severity.INFO, raised=-50),
        alert(3, 20, UP, raised=-50),
        alert(4, 30, UP, severity=Severity.CRITICAL, raised=-50),
        alert(5, 90, CLOSED, severity=Severity.CRITICAL, raised=-50),
    ]

    said = told(Teller(Handover(T)), *decided)

    assert [(a.revision, a.state) for a in said] == [(1, OPEN), (2, UP), (3, CLOSED)]
    assert {a.raised_at for a in said} == {moment(T + 20)}
    assert len({a.alert_id for a in said}) == 1
    assert said[0].alert_id != "mine", "its name is that of the revision that is told first"


def test_what_was_under_way_unknown_and_calms_is_never_told() -> None:
    decided = [alert(1, -50), alert(2, 10, DOWN), alert(3, 90, CLOSED)]
    after = [alert(1, 200, name="next")]

    assert told(Teller(Handover(T)), *decided, *after, until=300) == after


def test_a_revision_told_after_the_handover_was_asked_for_is_not_told_again() -> None:
    """The run before went on until it was ended: what counts is what it told."""
    left = alert(2, 30, UP, name="mine", raised=-50)
    decided = [alert(1, -50), replace(left), alert(3, 40, DOWN, raised=-50)]

    said = told(Teller(Handover(T, left)), *decided)

    assert [(a.alert_id, a.revision) for a in said] == [("mine", 3)]


def test_a_revision_that_the_run_before_did_not_come_to_tell_is_told() -> None:
    left = alert(1, -50, name="mine")
    decided = [alert(1, -50), alert(2, 1, UP, severity=Severity.CRITICAL, raised=-50)]

    said = told(Teller(Handover(T, left)), *decided)

    assert said == decided[1:]


def test_state_of_another_version_is_refused() -> None:
    state = Teller(Handover(T)).dumps().replace(b'"version":1', b'"version":9')

    with pytest.raises(ValueError, match="9"):
        Teller.loads(state)
