"""The ledger over several runs of the pipeline, and what retention removed in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.feeds.state.database import sqlite_url
from deploy import ledger
from deploy.ledger import Counted, LedgerView, counted_by, newest_of_each, read_ledger
from deploy.local.job.generations import GenerationStore
from pipeline.contracts.records import Ledger

ARTICLES = "news.articles.v1"


def told(
    first: int, through: int, generation: str, partition: int = 0, redelivered: int = 0
) -> Ledger:
    """A record by which everything from ``first`` through ``through`` was off topic."""
    count = through + 1 - first - redelivered
    return Ledger(ARTICLES, partition, first, through, 0, count, 0, 0, redelivered, generation)


View = Callable[..., LedgerView]


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> View:
    """The ledger by these records, with an empty connector."""

    def read(records: list[Ledger], counted: dict[str, Counted] | None = None) -> LedgerView:
        monkeypatch.setattr(ledger, "pipeline_ledger", lambda _: records)
        return read_ledger(sqlite_url(tmp_path), "kafka", counted)

    return read


def test_a_replay_of_all_counts_anew_and_nothing_has_expired(view: View) -> None:
    before = [told(0, 99, "a")]
    now = view([*before, told(0, 120, "b")], counted_by(before, {}))

    assert (now.off_topic, now.expired) == (121, 0)


def test_what_retention_removed_before_a_replay_is_shown_as_expired(view: View) -> None:
    before = [told(0, 99, "a")]
    now = view([*before, told(60, 120, "b")], counted_by(before, {}))

    assert (now.off_topic, now.expired) == (61, 60)
    assert now.fetched - now.lost == 121


def test_what_no_run_could_read_before_it_was_removed_stays_missing(view: View) -> None:
    """The pipeline was off for longer than Kafka keeps articles."""
    runs = [told(0, 99, "a")]
    counted = counted_by(runs, {})
    runs.append(told(150, 200, "b"))
    assert view(runs, counted).expired == 100

    # Nor does it turn into something that was counted with the next replay.
    counted = counted_by(runs, counted)
    runs.append(told(180, 220, "c"))

    assert counted == {f"{ARTICLES}/0": Counted(201, missed=50)}
    assert view(runs, counted).expired == 130


def test_a_partition_of_which_a_replay_has_said_nothing_yet_stands_as_it_was(view: View) -> None:
    runs = [told(0, 9, "a"), told(0, 19, "a", partition=1), told(0, 4, "b")]

    assert set(newest_of_each(runs)) == {f"{ARTICLES}/0", f"{ARTICLES}/1"}
    assert view(runs).off_topic == 5 + 20


def test_a_start_that_is_killed_notes_the_same_again() -> None:
    runs = [told(0, 99, "a"), told(150, 200, "b")]
    once = counted_by(runs, {f"{ARTICLES}/0": Counted(100)})

    assert counted_by(runs, once) == once


def test_without_a_note_nothing_is_excused(view: View) -> None:
    assert view([told(60, 120, "b")]).expired == 0


def test_what_was_counted_is_kept_in_the_engines_folder(tmp_path: Path) -> None:
    store = GenerationStore(tmp_path / "engine")
    assert store.counted() == {}
    counted = {f"{ARTICLES}/1": Counted(7, 2)}

    store.note_counted(counted)

    assert GenerationStore(tmp_path / "engine").counted() == counted


@pytest.mark.parametrize("content", ["", "[]", '{"a/0": 1}', '{"a/0": {"until": 1, "more": 2}}'])
def test_half_a_note_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "counted.json").write_text(content)

    assert GenerationStore(tmp_path).counted() == {}
