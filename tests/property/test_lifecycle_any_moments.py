"""Whatever comes after what: no alert stands lower than what is happening, and none has gaps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.records import AlertState, Severity, severity_rank
from pipeline.rules.alerts.lifecycle import CALM_TO_CLOSE, Moment, advance, begin
from pipeline.rules.times import HOUR

MOMENTS = st.lists(
    st.tuples(st.integers(5, 5 * HOUR), st.booleans(), st.sampled_from(Severity)), max_size=60
)


@given(st.sampled_from(Severity), MOMENTS)
def test_no_lower_severity_and_no_calm_holds_a_higher_one_back(
    first: Severity, found: list[tuple[int, bool, Severity]]
) -> None:
    now, episode = 0, begin("a", 0, 0, first)
    for wait, is_spike, severity in found:
        now += wait
        before = episode
        episode = advance(episode, Moment(now, is_spike, severity))
        if not is_spike:
            continue
        assert severity_rank(episode.severity) >= severity_rank(severity)
        if severity_rank(severity) > severity_rank(before.severity):
            assert episode.state is AlertState.ESCALATED
            assert episode.revision == before.revision + 1, "told at once"


@given(st.sampled_from(Severity), MOMENTS)
def test_each_revision_is_the_next_and_a_closed_alert_was_calm_for_long(
    first: Severity, found: list[tuple[int, bool, Severity]]
) -> None:
    now = last_spike = 0
    episode = begin("a", 0, 0, first)
    for wait, is_spike, severity in found:
        now += wait
        before = episode
        episode = advance(episode, Moment(now, is_spike, severity))
        last_spike = now if is_spike else last_spike
        changed = (episode.state, episode.severity) != (before.state, before.severity)
        assert episode.revision - before.revision in ({0, 1} if not changed else {1})
        assert (episode.alert_id, episode.raised_at) == ("a", 0)
        if episode.state is AlertState.CLOSED:
            assert not is_spike
            assert now - last_spike >= CALM_TO_CLOSE
            return
