"""Whatever two runs decide, wherever one takes over from the other: one gapless story."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.records import Alert, AlertState, Severity
from pipeline.rules.alerts.handover import Handover, Teller
from pipeline.rules.times import seconds
from tests.unit.test_handover import CLOSED, DOWN, OPEN, UP, T, alert

Run = list[Alert]
END = 2000


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """What a detector may decide in a while: episodes one after the other."""
    out: Run = []
    at = -1000
    for number in range(draw(st.integers(0, 4))):
        raised = at = at + draw(st.integers(1, 400))
        out.append(alert(1, at, name=f"at-{raised}", severity=draw(st.sampled_from(Severity))))
        for revision in range(2, 2 + draw(st.integers(0, 4))):
            at += draw(st.integers(1, 200))
            state = draw(st.sampled_from((UP, DOWN)))
            severity = draw(st.sampled_from(Severity))
            out.append(
                alert(revision, at, state, name=f"at-{raised}", severity=severity, raised=raised)
            )
        at += draw(st.integers(1, 300))
        if number < 3 or draw(st.booleans()):
            out.append(alert(out[-1].revision + 1, at, CLOSED, name=f"at-{raised}", raised=raised))
    return out


def replayed(teller: Teller, run: Run, *, restored: bool = False) -> Run:
    """What a run tells, ticking every ten seconds and at each revision."""
    ticks = {T + s for s in range(-1000, END, 10)} | {seconds(a.revised_at) for a in run}
    by_tick = defaultdict(list)
    for a in run:
        by_tick[seconds(a.revised_at)].append(a)
    out: Run = []
    for tick in sorted(ticks):
        if restored:
            teller = Teller.loads(teller.dumps())
        out += teller.tell(tick, by_tick[tick])
    return out


def last_open(told: Run) -> Alert | None:
    return told[-1] if told and told[-1].state is not AlertState.CLOSED else None


def taken_over(told: Run, since: int) -> Teller:
    return Teller(Handover(since, last_open(told)))


@given(runs(), st.integers(-1100, 1500), st.integers(0, 60))
def test_a_replay_by_the_same_rules_tells_what_is_missing_and_nothing_else(
    run: Run, cut: int, lag: int
) -> None:
    # The first run told at least all before ``cut``, and was ended a moment later.
    told = [a for a in run if seconds(a.revised_at) < T + cut + lag]

    assert told + replayed(taken_over(told, _since(told, T + cut, lag)), run) == run


@given(runs(), runs(), st.integers(-1100, 1500))
def test_by_other_rules_every_alert_still_is_one_gapless_story(
    old: Run, new: Run, cut: int
) -> None:
    told = [a for a in old if seconds(a.revised_at) < T + cut]
    said = replayed(taken_over(told, T + cut), new)

    assert all(seconds(a.revised_at) >= T + cut for a in said), "old news"
    stories: dict[str, Run] = defaultdict(list)
    for a in told + said:
        stories[a.alert_id].append(a)
    for story in stories.values():
        assert [a.revision for a in story] == list(range(1, len(story) + 1))
        assert len({a.raised_at for a in story}) == 1
        assert story[0].state is OPEN
        assert all(a.state is not CLOSED for a in story[:-1])
    unfinished = [s for s in stories.values() if s[-1].state is not CLOSED]
    assert len(unfinished) <= 1, "one alert at a time on a topic"


@given(runs(), runs(), st.integers(-1100, 1500), st.integers(-1100, 1600))
def test_a_second_handover_in_the_middle_of_the_first_changes_no_story(
    old: Run, new: Run, cut: int, killed: int
) -> None:
    told = [a for a in old if seconds(a.revised_at) < T + cut]
    whole = replayed(taken_over(told, T + cut), new)
    # The second run was killed; a third begins with what is on the log by then.
    before = [a for a in whole if seconds(a.revised_at) < T + killed]
    since = max(T + cut, T + killed if before else 0)
    rest = replayed(taken_over(told + before, since), new)

    assert [_say(a) for a in before + rest] == [_say(a) for a in whole]


@given(runs(), runs(), st.integers(-1100, 1500))
def test_state_restored_at_every_tick_tells_the_same(old: Run, new: Run, cut: int) -> None:
    told = [a for a in old if seconds(a.revised_at) < T + cut]

    def teller() -> Teller:
        return taken_over(told, T + cut)

    assert replayed(teller(), new, restored=True) == replayed(teller(), new)


def _since(told: Run, cut: int, lag: int) -> int:
    """With nothing open, the note of how far was told is all there is: it must be exact then."""
    return cut if last_open(told) is not None else cut + lag


def _say(a: Alert) -> tuple[str, int, AlertState]:
    return a.alert_id, a.revision, a.state
