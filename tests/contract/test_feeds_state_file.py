"""The state file after a crash or an accident, and under the eyes of others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from connectors.feeds.feed_list import Feed, FeedList
from connectors.feeds.state import database
from connectors.feeds.state.database import open_database, sqlite_url
from connectors.feeds.state.store import FeedStore

NOW = 1_800_000_000.0


def _feeds(count: int) -> FeedList:
    return FeedList(tuple(Feed(f"f{n}", f"https://outlet{n}.example/rss") for n in range(count)))


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty"])
def test_a_broken_state_file_is_set_aside_and_begun_anew(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = sqlite_url(tmp_path)
    engine = open_database(url)
    FeedStore(engine).sync_list(_feeds(500), NOW, 0)
    engine.dispose()
    file = tmp_path / "feeds.db"
    whole = file.read_bytes()
    file.write_bytes(
        {"cut": whole[: len(whole) // 2], "garbage": b"x" * 9999, "empty": b""}[damage]
    )
    again = open_database(url, mend=True)
    assert list(FeedStore(again).feeds()) == []
    again.dispose()
    kept = list(tmp_path.glob("feeds.db.broken-*"))
    assert len(kept) == (0 if damage == "empty" else 1)
    assert ("broken" in caplog.text) == (damage != "empty")


def test_damage_in_a_long_file_is_mended_by_the_start_after_it_was_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long file is not read through at every start: the connector would stop at it for ever."""
    monkeypatch.setattr(database, "_CHECK_WHOLE", 0)
    url = sqlite_url(tmp_path)
    engine = open_database(url, mend=True)
    FeedStore(engine).sync_list(_feeds(500), NOW, 0)
    engine.dispose()
    file = tmp_path / "feeds.db"
    whole = file.read_bytes()
    page = len(whole) * 3 // 4 // 4096 * 4096
    file.write_bytes(whole[:page] + b"\xff" * (len(whole) - page))
    for _ in range(2):  # nobody has met the damage so far
        engine = open_database(url, mend=True)
        engine.dispose()
    assert list(tmp_path.glob("feeds.db.broken-*")) == []
    with pytest.raises(sa.exc.DatabaseError, match="malformed"):
        list(FeedStore(engine).feeds())
    engine.dispose()
    again = open_database(url, mend=True)
    assert list(FeedStore(again).feeds()) == []
    again.dispose()
    assert len(list(tmp_path.glob("feeds.db.broken-*"))) == 1
    assert not (tmp_path / "feeds.db.suspect").exists()


def test_a_long_file_whose_tables_cannot_be_opened_is_mended_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_CHECK_WHOLE", 0)
    url = sqlite_url(tmp_path)
    open_database(url, mend=True).dispose()
    file = tmp_path / "feeds.db"
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + b"\xff" * 3996 + whole[4096:])
    again = open_database(url, mend=True)
    assert list(FeedStore(again).feeds()) == []
    again.dispose()
    assert len(list(tmp_path.glob("feeds.db.broken-*"))) == 1


def test_the_state_of_a_connector_that_runs_is_never_set_aside(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    live = open_database(url, mend=True)
    store = FeedStore(live)
    store.sync_list(_feeds(500), NOW, 0)
    file = tmp_path / "feeds.db"
    with file.open("r+b") as f:  # as it stands in the middle of a checkpoint
        f.seek(28)
        f.write((10**6).to_bytes(4, "big"))
    look = open_database(url)
    assert list(tmp_path.glob("feeds.db.broken-*")) == []
    look.dispose()
    live.dispose()


def test_a_file_that_is_whole_only_with_its_log_is_not_broken(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "live")
    (tmp_path / "live").mkdir()
    (tmp_path / "killed").mkdir()
    live = open_database(url, mend=True)
    FeedStore(live).sync_list(_feeds(500), NOW, 0)
    for suffix in ("", "-wal"):
        copy = (tmp_path / "live" / f"feeds.db{suffix}").read_bytes()
        (tmp_path / "killed" / f"feeds.db{suffix}").write_bytes(copy)
    live.dispose()
    file = tmp_path / "killed" / "feeds.db"
    head = bytearray(file.read_bytes())
    head[28:32] = (10**6).to_bytes(4, "big")  # the first page came first, the others did not
    file.write_bytes(bytes(head))
    again = open_database(sqlite_url(tmp_path / "killed"), mend=True)
    assert len(list(FeedStore(again).feeds())) == 500
    again.dispose()


def test_after_a_kill_a_reader_that_leaves_deletes_no_log_that_is_written_to(
    tmp_path: Path,
) -> None:
    url = sqlite_url(tmp_path)
    open_database(url).dispose()
    _in_another_process(url, "FeedStore(engine).sync_list(LIST, 0.0, 0); os._exit(0)")
    assert (tmp_path / "feeds.db-wal").stat().st_size, "the killed one left no log"
    engine = open_database(url, mend=True)
    FeedStore(engine).start(NOW)
    _in_another_process(url, "list(FeedStore(engine).feeds()); engine.dispose()")
    assert (tmp_path / "feeds.db-wal").exists()
    FeedStore(engine).sync_list(_feeds(7), NOW, 0)
    _in_another_process(url, "assert len(list(FeedStore(engine).feeds())) >= 7")
    engine.dispose()


def _in_another_process(url: str, code: str) -> None:
    lines = (
        "import os",
        "from connectors.feeds.feed_list import Feed, FeedList",
        "from connectors.feeds.state.database import open_database",
        "from connectors.feeds.state.store import FeedStore",
        'LIST = FeedList((Feed("a", "https://outlet.example/rss"),))',
        f"engine = open_database({url!r})",
        code,
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)
