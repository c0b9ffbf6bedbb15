"""Which share of a group's feeds answers, as its polls tell."""

from __future__ import annotations

import pytest

from pipeline.rules.baseline.polls import KEEP, Polls


def test_a_group_of_which_no_poll_is_answered_delivers_nothing() -> None:
    polls = Polls()
    assert polls.note(100, 4, 4, 4) == 1.0
    assert polls.note(101, 4, 0, 4) == 0.0


def test_a_dead_group_that_is_asked_less_and_less_stays_dead() -> None:
    polls = Polls()
    polls.note(99, 4, 4, 4)
    asked = {100: 4, 102: 2, 105: 2, 110: 1}
    found = [polls.note(b, asked.get(b, 0), 0, 4) for b in range(100, 140)]
    assert found[12:] == [0.0] * 28


def test_a_bucket_in_which_nobody_was_due_says_nothing_new_for_an_hour() -> None:
    polls = Polls()
    polls.note(100, 2, 2, 2)
    found = [polls.note(b, 0, 0, 2) for b in range(101, 101 + KEEP)]
    assert found == [1.0] * (KEEP - 1) + [0.0]


def test_one_timeout_of_a_large_group_is_weather_and_a_third_of_it_is_not() -> None:
    polls = Polls()
    assert polls.note(100, 40, 39, 40) == 1.0
    assert polls.note(101, 40, 26, 40) == pytest.approx(0.65, abs=0.01)


def test_few_polls_are_seen_together_with_those_before() -> None:
    polls = Polls()
    polls.note(100, 32, 32, 40)
    assert polls.note(101, 8, 0, 40) == pytest.approx(0.8, abs=0.01)


def test_the_parts_of_two_connectors_add_up() -> None:
    polls = Polls()
    assert polls.note(100, 2, 0, 4) == 0.0
    assert polls.note(100, 2, 2, 4) == pytest.approx(0.5, abs=0.01)


def test_two_connectors_that_share_a_list_do_not_make_its_groups_larger() -> None:
    polls = Polls()
    polls.note(99, 4, 4, 4)
    polls.note(100, 2, 1, 4)
    # Four polls are in this bucket, so the one before has no say.
    assert polls.note(100, 2, 1, 4) == pytest.approx(0.5, abs=0.01)


def test_feeds_that_died_a_week_ago_are_missed_no_more() -> None:
    polls = Polls()
    shares = [polls.note(b, 4, 3, 4) for b in range(7 * 288)]
    assert shares[0] == pytest.approx(0.75, abs=0.01)
    assert shares[-1] == 1.0
    assert polls.note(7 * 288, 4, 0, 4) == 0.0


def test_a_hole_is_never_usual() -> None:
    polls = Polls()
    polls.note(0, 4, 4, 4)
    assert {polls.note(b, 4, 0, 4) for b in range(1, 7 * 288)} == {0.0}
    assert polls.note(7 * 288, 4, 2, 4) == pytest.approx(0.5, abs=0.01)


def test_restored_polls_go_on_alike() -> None:
    polls = Polls()
    for b in range(50):
        polls.note(b, 4, 3, 4)
    again = Polls.from_json(polls.to_json())
    assert again.note(50, 1, 0, 4) == polls.note(50, 1, 0, 4)
