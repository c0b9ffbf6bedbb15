"""What a new generation takes over, and the notes that outlive a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from deploy.local.job.generations import Generation, GenerationStore, Told, take_over
from pipeline.contracts.records import Alert
from pipeline.rules.alerts.handover import CLOSED_AS_DOUBLE, CLOSED_WITH_TOPIC, Handover
from tests.unit.test_handover import CLOSED, UP, T, alert


def on(topic: str, made: Alert) -> Alert:
    return replace(made, topic=topic)


def test_the_first_run_takes_nothing_over() -> None:
    taken = take_over([], None, ("straits",), T)

    assert taken.handovers == {}
    assert taken.closings == ()


def test_a_topic_goes_on_from_where_it_was_told_and_a_new_one_from_the_request() -> None:
    taken = take_over([], Told(T - 30, {"straits": 0}), ("ferry", "straits"), T)

    assert taken.handovers == {"ferry": Handover(T), "straits": Handover(T - 30)}


def test_a_new_topic_begins_no_earlier_after_a_kill_in_the_middle_of_its_first_replay() -> None:
    """What is told grows past the old mark, but the topic was asked for later than that."""
    told = Told(T - 500, {"straits": 0, "ferry": T})

    taken = take_over([], told, ("ferry", "straits"), T + 900)

    assert taken.handovers == {"ferry": Handover(T), "straits": Handover(T - 500)}


def test_the_newest_revision_of_an_open_alert_is_handed_over() -> None:
    revisions = [on("straits", a) for a in (alert(1, -90), alert(2, -50, UP), alert(1, -90))]

    taken = take_over(revisions, Told(T, {"straits": 0}), ("straits",), T)

    assert taken.handovers["straits"].open == revisions[1]


def test_a_closed_alert_is_over() -> None:
    revisions = [on("straits", a) for a in (alert(1, -90), alert(2, -50, CLOSED))]

    taken = take_over(revisions, Told(T, {"straits": 0}), ("straits",), T)

    assert taken.handovers["straits"].open is None


def test_the_alert_of_a_topic_that_is_gone_is_closed_once() -> None:
    revisions = [on("canal", alert(1, -90))]
    told = Told(T, {"canal": 0, "straits": 0})

    (closed,) = take_over(revisions, told, ("straits",), T).closings

    assert (closed.alert_id, closed.revision, closed.state) == ("mine", 2, CLOSED)
    assert closed.reason == CLOSED_WITH_TOPIC
    assert take_over([*revisions, closed], told, ("straits",), T).closings == ()


def test_of_two_open_alerts_of_a_topic_the_older_is_closed() -> None:
    revisions = [on("straits", alert(1, -90, name="old")), on("straits", alert(1, -50, name="new"))]

    taken = take_over(revisions, Told(T, {"straits": 0}), ("straits",), T)

    assert [(c.alert_id, c.reason) for c in taken.closings] == [("old", CLOSED_AS_DOUBLE)]
    assert taken.handovers["straits"].open == revisions[1]


def test_when_the_notes_are_lost_the_newest_alert_says_how_far_was_told() -> None:
    revisions = [on("straits", alert(1, -90)), on("straits", alert(2, -50, CLOSED))]

    taken = take_over(revisions, None, ("ferry", "straits"), T)

    assert {h.since for h in taken.handovers.values()} == {T - 50}


def test_what_was_told_never_goes_back(tmp_path: Path) -> None:
    store = GenerationStore(tmp_path)
    store.tell(Told(T, {"straits": 0}))
    store.tell(Told(T - 100, {"ferry": 0}))

    assert store.told() == Told(T, {"straits": 0})


def test_a_generation_is_found_as_it_was_saved(tmp_path: Path) -> None:
    store = GenerationStore(tmp_path)
    left = {"straits": Handover(T, alert(1, -90)).to_json()}
    made = Generation("20260504", "rules", 1.5, "asked for", {"straits": T}, left)
    store.save(made)

    assert GenerationStore(tmp_path).current() == made
    assert Handover.from_json(left["straits"]) == Handover(T, alert(1, -90))


def test_damaged_notes_are_none(tmp_path: Path) -> None:
    for name in ("told.json", "generation.json"):
        (tmp_path / name).write_text("{")

    assert GenerationStore(tmp_path).told() is None
    assert GenerationStore(tmp_path).current() is None
