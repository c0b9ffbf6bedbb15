"""What of the messages that wait for a person a later one says as well."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connectors.desk.policy import Waiting, overtaken
from pipeline.contracts.records import AlertState, Severity, severity_rank

OPEN, RISE = AlertState.OPEN, AlertState.ESCALATED
EASE, OVER = AlertState.DE_ESCALATED, AlertState.CLOSED
WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL

Told = tuple[AlertState, Severity]


def waiting(*told: Told, alert_id: str = "a") -> list[Waiting]:
    return [Waiting(n, alert_id, n, state, severity) for n, (state, severity) in enumerate(told, 1)]


def test_an_easing_hides_no_rise() -> None:
    assert overtaken(waiting((OPEN, CRITICAL), (EASE, CRITICAL), (OVER, CRITICAL))) == {2: 3}


def test_a_rise_overtakes_what_was_no_more_severe_and_every_easing() -> None:
    told = waiting((OPEN, WARNING), (EASE, WARNING), (RISE, WARNING), (RISE, CRITICAL))
    assert overtaken(told) == {1: 4, 2: 4, 3: 4}


def test_a_more_severe_rise_is_not_overtaken_by_a_lesser_one() -> None:
    assert overtaken(waiting((RISE, CRITICAL), (EASE, CRITICAL), (RISE, WARNING))) == {2: 3}


def test_alerts_overtake_only_themselves_in_whatever_order_they_come() -> None:
    first, second = waiting((OPEN, WARNING), (RISE, CRITICAL))
    other = Waiting(9, "b", 3, RISE, CRITICAL)
    assert overtaken([second, other, first]) == {1: 2}


@given(st.lists(st.tuples(st.sampled_from(AlertState), st.sampled_from(Severity)), min_size=1))
def test_of_any_number_few_remain_the_newest_and_the_most_severe_among_them(
    told: list[Told],
) -> None:
    messages = waiting(*told)
    needless = overtaken(messages)
    kept = [m for m in messages if m.row_id not in needless]

    assert len(kept) <= len(Severity) + 1
    assert kept[-1] == messages[-1]
    assert set(needless.values()) <= {m.revision for m in kept}
    rises = [severity_rank(m.severity) for m in messages if m.state in (OPEN, RISE)]
    told_rises = [severity_rank(m.severity) for m in kept if m.state in (OPEN, RISE)]
    assert max(rises, default=None) == max(told_rises, default=None)
