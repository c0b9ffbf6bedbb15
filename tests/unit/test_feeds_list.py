"""The feed list in TOML and OPML, and the pages that feeds are found on."""

from __future__ import annotations

import pytest

from connectors.feeds.discover import candidates
from connectors.feeds.errors import FeedListError
from connectors.feeds.feed_list import (
    FeedList,
    read_feed_list,
    registrable_domain,
    write_feed_list,
)
from connectors.feeds.opml import read_opml, write_opml

GOOD = """
[[feed]]
url = "https://outlet.example/rss.xml"
publisher = "The Outlet"
owner = "Outlet Group"
language = "en"
group = "en-asia"
weight = 2.0

[[feed]]
url = "https://shimbun.example/rss"
enabled = false
"""


def test_a_list_is_read_with_its_defaults() -> None:
    first, second = read_feed_list(GOOD, "feeds.toml")
    assert (first.publisher, first.owner, first.group, first.weight) == (
        "The Outlet",
        "Outlet Group",
        "en-asia",
        2.0,
    )
    assert (second.publisher, second.owner, second.group, second.enabled) == (
        None,
        None,
        "default",
        False,
    )
    assert first.feed_id.startswith("outlet-example-")


def test_what_is_written_reads_as_the_same_feeds() -> None:
    feeds = read_feed_list(GOOD, "feeds.toml")
    assert read_feed_list(write_feed_list(feeds), "again") == feeds


def test_a_list_that_begins_with_a_byte_order_mark_is_read() -> None:
    assert read_feed_list("\ufeff" + GOOD.lstrip(), "feeds.toml") == read_feed_list(GOOD, "again")


def test_a_source_of_an_archive_is_found_by_url_and_by_publisher() -> None:
    by_source = read_feed_list(GOOD, "feeds.toml").by_source()
    assert by_source["The Outlet"] is by_source["https://outlet.example/rss.xml"]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[[feed]]\npublisher = 'A'\n", 1, "needs a url"),
        ("\n[[feed]]\nurl = 'ftp://outlet.example/'\n", 3, "only http and https"),
        ("[[feed]]\nurl = 'https://a.example/'\ncolour = 'red'\n", 3, "no field of a feed"),
        ("[[feed]]\nurl = 'https://a.example/'\nweight = -1\n", 3, "above 0"),
        ("[[feed]]\nurl = 'https://a.example/'\nweight = nan\n", 3, "above 0"),
        ("[[feed]]\nurl = 'https://a.example/'\nweight = inf\n", 3, "above 0"),
        ("[[feed]]\nurl = 'https://a.example/'\nenabled = 'yes'\n", 3, "true or false"),
        ("[[feed]]\nurl = 'https://a.example/'\ngroup = 'East Asia'\n", 3, "label of metrics"),
        ("[[feed]]\nurl = 'https://a.example/'\nlanguage = 'English!'\n", 3, "language tag"),
        ("title = 'x'\n", 1, "[[feed]] tables only"),
        ("[feed]\nurl = 'https://a.example/'\n", 1, "two brackets"),
        ("[[feed]]\nurl = \n", 2, "not TOML"),
        ("[[feed]]\nurl = " + "[" * 5000, 2, "nested too deeply"),
        ("[[feed]]\nweight = " + "9" * 5000 + "\n", 3, "not TOML"),
        (
            "[[feed]]\nurl = 'https://a.example/'\n[[feed]]\nurl = 'https://A.example:443/'\n",
            4,
            "the same url as in line 2",
        ),
    ],
)
def test_each_fault_is_told_with_file_and_line(text: str, line: int, says: str) -> None:
    with pytest.raises(FeedListError) as caught:
        read_feed_list(text, "feeds.toml")
    assert caught.value.faults[0].startswith(f"feeds.toml:{line}: ")
    assert says in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    text = "[[feed]]\nurl = 1\nweight = 'x'\n[[feed]]\nenabled = 2\n"
    with pytest.raises(FeedListError) as caught:
        read_feed_list(text, "f")
    assert len(caught.value.faults) == 4


def test_the_registrable_domain_follows_the_public_suffix_list() -> None:
    assert registrable_domain("https://news.outlet.co.uk/a") == "outlet.co.uk"
    assert registrable_domain("https://www3.shimbun.or.jp/a") == "shimbun.or.jp"
    assert registrable_domain("http://127.0.0.1:8000/a") == "127.0.0.1"
    assert registrable_domain("mailto:a@b.example") is None
    assert registrable_domain(None) is None


def test_opml_goes_out_and_comes_back() -> None:
    feeds = read_feed_list(GOOD.replace("false", "true"), "feeds.toml")
    back = read_opml(write_opml(feeds), "feeds.opml").feeds
    assert [(f.url, f.group) for f in back] == [(f.url, f.group) for f in feeds]
    assert back.feeds[0].language == "en"


def test_opml_has_only_feeds_that_are_on() -> None:
    out = write_opml(read_feed_list(GOOD, "feeds.toml"))
    assert b"outlet.example" in out
    assert b"shimbun.example" not in out
    assert b'text="default"' not in out


def test_opml_never_holds_a_password() -> None:
    feeds = read_feed_list(
        '[[feed]]\nurl = "https://me:secret@outlet.example/rss"\nlanguage = "en"\n', "feeds.toml"
    )
    out = write_opml(feeds)
    assert b"secret" not in out
    assert b"https://outlet.example/rss" in out


def test_opml_folders_become_groups_and_bad_outlines_are_left_out() -> None:
    data = b"""<opml><body><outline text="East Asia!">
      <outline text="A" xmlUrl="https://a.example/rss"/>
      <outline text="A again" xmlUrl="https://a.example/rss"/>
      <outline text="B" xmlUrl="javascript:alert(1)"/></outline></body></opml>"""
    found = read_opml(data, "x.opml")
    assert found.unusable == 1
    (feed,) = found.feeds
    assert (feed.publisher, feed.group) == ("A", "east-asia")
    assert not found.nameless


def test_opml_folders_of_which_no_group_can_be_made_are_told() -> None:
    data = """<opml><body><outline xmlUrl="https://a.example/rss"/>
      <outline text="新闻"><outline xmlUrl="https://b.example/rss"/></outline>
      <outline text="新聞 TW"><outline xmlUrl="https://c.example/rss"/></outline>
      <outline><outline xmlUrl="https://d.example/rss"/></outline></body></opml>"""
    found = read_opml(data.encode(), "x.opml")
    assert [f.group for f in found.feeds] == ["default", "default", "tw", "default"]
    assert {f.url for f in found.feeds if f.feed_id in found.nameless} == {"https://b.example/rss"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html></html>",
        b"no xml",
        b'<!DOCTYPE o [<!ENTITY a SYSTEM "file:///etc/hostname">]><opml>&a;</opml>',
    ],
)
def test_what_is_no_opml_is_told(data: bytes) -> None:
    with pytest.raises(FeedListError, match=r"x\.opml:1: "):
        read_opml(data, "x.opml")


def test_a_page_names_its_feeds_first_and_foreign_links_are_not_guessed_at() -> None:
    html = b"""<head><link rel="alternate" type="application/rss+xml" href="/news.xml">
      <link rel="stylesheet" href="/feed.css"></head><a href="https://other.example/rss">x</a>
      <a href="/world/rss">y</a><a href="javascript:feed()">z</a>"""
    named, guessed = candidates(html, "https://outlet.example/")
    assert named == ("https://outlet.example/news.xml",)
    assert guessed[0] == "https://outlet.example/world/rss"
    assert all("other.example" not in url for url in guessed)


def test_the_packaged_list_is_right_and_covers_the_languages() -> None:
    from deploy.feeds import PACKAGED_LIST

    feeds: FeedList = read_feed_list(PACKAGED_LIST.read_text("utf-8"), "feeds.toml")
    assert {f.language for f in feeds} >= {"en", "ja", "zh-Hans", "zh-Hant"}
    assert all(f.publisher and f.owner for f in feeds)
