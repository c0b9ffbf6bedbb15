"""No alert that the codec can read stops the desk from telling it."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.desk.message import as_html, as_line, as_text, compose
from connectors.desk.plain import clean, tame, tame_link
from pipeline.contracts.records import (
    Alert,
    AlertState,
    Baseline,
    Evidence,
    Lang,
    Observed,
    Series,
    Severity,
)

TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
COUNT = st.integers(0, 10**9)
EVIDENCE = st.builds(
    Evidence,
    st.text(),
    st.text(),
    st.none() | st.text(),
    st.text(),
    st.sampled_from(Lang),
    TIMES,
    COUNT,
    COUNT,
)
ALERTS = st.builds(
    Alert,
    st.text(),
    st.integers(1, 10**6),
    st.text(),
    st.sampled_from(Series),
    st.sampled_from(AlertState),
    st.sampled_from(Severity),
    st.text(),
    TIMES,
    TIMES,
    TIMES,
    COUNT,
    st.builds(Observed, COUNT, COUNT),
    st.floats(),
    st.floats(),
    st.floats(),
    COUNT,
    COUNT,
    st.lists(st.tuples(st.text(), COUNT), max_size=4).map(tuple),
    st.lists(st.text(), max_size=4).map(tuple),
    st.builds(Baseline, st.none() | TIMES, st.booleans(), st.booleans()),
    st.lists(EVIDENCE, max_size=12).map(tuple),
    st.text(),
    st.text(),
)


@settings(max_examples=150, deadline=None)
@given(ALERTS, st.integers(160, 4000))
def test_any_alert_can_be_told_in_the_room_that_there_is(alert: Alert, longest: int) -> None:
    message = compose(alert)
    assert len(as_text(message, longest, tame, tame_link)) <= longest
    assert "\n" not in as_line(message)
    as_html(message).encode()


@given(st.text(), st.integers(1, 200))
def test_clean_text_is_one_short_visible_line(text: str, longest: int) -> None:
    out = clean(text, longest)
    assert len(out) <= longest
    assert out == out.strip()
    assert out.isprintable() or out == ""
