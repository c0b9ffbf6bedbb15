"""Where a feed is asked, and when it has really moved."""

from __future__ import annotations

from dataclasses import replace

from connectors.feeds.http.fetch import FetchResult, Outcome
from connectors.feeds.moves import LASTING, SIGHTINGS, asked_url, moved
from connectors.feeds.state.records import FeedRow

T = 1_795_608_000.0
ROW = FeedRow("f", "https://outlet.example/rss", "outlet.example", "en")


def test_a_move_is_believed_after_repeated_sightings_over_a_day_only() -> None:
    answer = FetchResult(Outcome.OK, "https://new.example/", moved_to="https://new.example/")
    row, changes = ROW, {}
    for n in range(SIGHTINGS + 1):
        changes = moved(row, answer, T + n)
        row = replace(row, **changes)
    assert row.moved_to is None
    assert moved(row, answer, T + LASTING)["moved_to"] == "https://new.example/"


def test_a_moved_feed_is_asked_at_its_new_address_but_in_full_and_after_a_failure() -> None:
    row = replace(ROW, moved_to="https://new.example/")
    assert asked_url(row, ROW.url, full=False) == "https://new.example/"
    assert asked_url(row, ROW.url, full=True) == ROW.url
    assert asked_url(replace(row, failures=1), ROW.url, full=False) == ROW.url
    assert asked_url(ROW, ROW.url, full=False) == ROW.url


def test_an_address_with_user_info_is_asked_although_the_feed_has_moved() -> None:
    listed = "https://reader:secret@outlet.example/rss"
    row = replace(ROW, moved_to="https://outlet.example/new")
    assert asked_url(row, listed, full=False) == listed


def test_a_move_is_taken_back_when_the_old_address_answers_itself() -> None:
    row = replace(ROW, moved_to="https://new.example/", moved_seen=9)
    back = FetchResult(Outcome.OK, ROW.url)
    assert moved(row, back, T)["moved_to"] is None
    confirmed = FetchResult(Outcome.OK, "https://new.example/")
    assert moved(row, confirmed, T) == {}
