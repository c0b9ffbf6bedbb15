"""`feeds add` and `feeds import` say what is wrong with their options before they begin."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from connectors.feeds.feed_list import Feed
from connectors.feeds.http.address import feed_id_of
from connectors.feeds.state.database import open_database
from connectors.feeds.state.store import FeedStore
from connectors.feeds.state.tables import FEEDS
from deploy.cli.feeds_add import add, check
from deploy.cli.feeds_list import export_opml, import_opml, list_feeds
from deploy.errors import Refused, WrongUse
from deploy.feeds import add_to_list, database_url, use_feed_list
from deploy.settings import load


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRAITWATCH_HOME", str(tmp_path))


async def _no_search(*_: object) -> None:
    raise AssertionError("a search was begun")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("group", "East Asia", "--group: at most 64"),
        ("language", "zh_TW", "--language: must be a language tag"),
        ("publisher", " ", "--publisher: must be a text"),
        ("owner", "a\nb", "--owner: at most 200"),
    ],
)
def test_a_wrong_option_is_told_before_the_search(
    monkeypatch: pytest.MonkeyPatch, option: str, value: str, words: str
) -> None:
    monkeypatch.setattr("deploy.cli.feeds_add._discover", _no_search)
    with pytest.raises(WrongUse, match=words):
        add("https://outlet.example/", **{"group": "en", option: value})


def test_a_faulty_list_is_told_before_the_search(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("deploy.cli.feeds_add._discover", _no_search)
    (tmp_path / "feeds.toml").write_text("[[feed]]\ngroup = 'en'\n")
    with pytest.raises(WrongUse, match=r"feeds.toml:1: a feed needs a url"):
        add("https://outlet.example/", group="en")


def test_a_wrong_group_for_an_import_is_told_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="--group: at most 64"):
        import_opml(tmp_path / "missing.opml", group="East Asia")


def test_an_import_says_what_it_leaves_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "list.opml"
    outline = "<outline xmlUrl='{}'/>"
    file.write_text(f"<opml><body>{outline.format('mailto:x')}</body></opml>")
    with pytest.raises(Refused, match="has no feed in it"):
        import_opml(file)
    both = outline.format("mailto:x") + outline.format("https://a.example/rss")
    file.write_text(f"<opml><body>{both}</body></opml>")
    import_opml(file)
    told = capsys.readouterr().err
    assert "1 of 1 feeds added" in told
    assert "1 outlines were left out: their xmlUrl is no web address" in told


def test_a_check_names_the_address_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Refused, match="2 of 2 feeds do not answer"):
        check(["outlet.example", "http://a:secret@[x/"])
    told = capsys.readouterr().out
    assert "address 1: write the whole address, https:// first" in told
    assert "address 2: not a URL" in told
    assert "secret" not in told


def test_nothing_is_lost_of_what_commands_add_at_once(tmp_path: Path) -> None:
    (tmp_path / "feeds.toml").write_text("")
    settings = load()
    urls = [f"https://outlet{n}.example/rss" for n in range(8)]
    begin = threading.Barrier(len(urls))

    def add_one(url: str) -> None:
        begin.wait(10)
        add_to_list(settings, [Feed(feed_id_of(url), url)])

    threads = [threading.Thread(target=add_one, args=(url,)) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(f.url for f in use_feed_list(settings)) == urls


def test_a_list_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STRAITWATCH_HOME", str(tmp_path / "file"))
    with pytest.raises(WrongUse, match="cannot be written"):
        add_to_list(load(), [Feed("f", "https://outlet.example/rss")])


def test_an_import_tells_which_folders_gave_no_group(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "in.opml"
    feeds = "".join(f'<outline xmlUrl="https://o{n}.example/rss"/>' for n in range(3))
    file.write_text(f'<opml><body><outline text="日本">{feeds}</outline></body></opml>', "utf-8")
    (tmp_path / "feeds.toml").write_text("")
    import_opml(file)
    assert "3 of them stand in folders without a Latin letter" in capsys.readouterr().err
    (tmp_path / "feeds.toml").write_text("")
    import_opml(file, group="ja")
    assert "folders" not in capsys.readouterr().err


def test_an_export_says_how_many_feeds_it_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on, off = '[[feed]]\nurl = "https://a.example/"\n', '[[feed]]\nurl = "https://b.example/"\n'
    (tmp_path / "feeds.toml").write_text(f"{on}{off}enabled = false\n")
    export_opml(tmp_path / "out.opml")
    assert "1 feeds; 1 that are off were left out" in capsys.readouterr().err


def test_the_table_shows_where_a_feed_has_moved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "feeds.toml").write_text('[[feed]]\nurl = "https://a.example/rss"\n')
    settings = load()
    engine = open_database(database_url(settings))
    FeedStore(engine).sync_list(use_feed_list(settings), 0.0, 0)
    with engine.begin() as c:
        c.execute(sa.update(FEEDS).values(moved_to="https://b.example/rss"))
    engine.dispose()
    list_feeds()
    assert "has moved to https://b.example/rss\n" in capsys.readouterr().out
