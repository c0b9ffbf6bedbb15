"""How often a story joins another owner's event, whatever is reported, forgotten and restored."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.spikes.recent import Recent

REPORTS = st.lists(
    st.tuples(
        st.sampled_from(["report", "forget", "restore", "clear"]) | st.just("report"),
        st.integers(0, 6),
        st.sampled_from("abc"),
        st.sampled_from(["", "e", "f"]),
    ),
    max_size=40,
)


@given(REPORTS)
def test_a_story_joins_when_another_owners_story_on_its_event_is_kept(
    steps: list[tuple[str, int, str, str]],
) -> None:
    recent = Recent()
    kept: list[tuple[int, str, str]] = []
    joined = 0
    for what, bucket, owner, event in steps:
        if what == "report":
            joined += any(event and e == event and o != owner for _, o, e in kept)
            kept.append((bucket, owner, event))
            recent.add(bucket, "g", (owner, 1, event))
        elif what == "forget":
            kept = [k for k in kept if k[0] >= bucket]
            recent.forget(bucket)
        elif what == "restore":
            recent = Recent.from_json(json.loads(json.dumps(recent.to_json())))
        else:
            kept = []
            recent.clear()
    reports = sum(what == "report" for what, *_ in steps)
    assert recent.joining * (reports + 20) - 2 == pytest.approx(joined, abs=1e-9)
