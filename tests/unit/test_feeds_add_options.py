"""`feeds add` and `feeds import` say what is wrong with their options before they begin."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from connectors.feeds.feed_list import Feed
from connectors.feeds.http.address import feed_id_of
from deploy.cli.feeds_add import add
from deploy.cli.feeds_list import import_opml
from deploy.errors import WrongUse
from deploy.feeds import add_to_list, use_feed_list
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
