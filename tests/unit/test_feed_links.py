"""Links that are safe to show and to follow."""

from __future__ import annotations

import pytest

from connectors.feeds.parse.limits import MAX_LINK
from connectors.feeds.parse.links import clean_link


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("https://a.example/x?y=1#z", "https://a.example/x?y=1#z"),
        (" \n https://a.example/x\t", "https://a.example/x"),
        ("https://a.example/a b", "https://a.example/a%20b"),
        ("https://a.example/?a=1&amp;b=2&c&#3;", "https://a.example/?a=1&b=2&c&#3;"),
        ("https://a.exa\nmple/x", "https://a.example/x"),
        ("HTTPS://A.example/", "HTTPS://A.example/"),
        ("https://a.example:8443/x", "https://a.example:8443/x"),
        ("http://[2001:db8::1]:80/", "http://[2001:db8::1]:80/"),
        ("https://例え.example/記事", "https://xn--r8jz45g.example/記事"),
        ("https://r\u0435uters.example/", "https://xn--ruters-3of.example/"),
        ("https://a.example/\u202efdp", "https://a.example/%E2%80%AEfdp"),
        ('https://a.example/"><b>', "https://a.example/%22%3E%3Cb%3E"),
    ],
)
def test_a_good_link_stays_what_it_is(raw: str, clean: str) -> None:
    assert clean_link(raw) == clean


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        "   ",
        "javascript:alert(1)",
        "JaVa\nScRiPt:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "intent://x#Intent;scheme=https;end",
        "//a.example/x",
        "/x",
        "mailto:a@a.example",
        "https://user:secret@a.example/",
        "https://evil.example\\@a.example/",
        "https://@a.example/",
        "https://a.example\x00.evil.example/",
        "https:///x",
        "https://a.example:99999/",
        "https://a.example:x/",
        "http://[::1/",
        "https://a b.example/",
        "https://" + "ä" * 300 + ".example/",
        "https://a.example/" + "x" * MAX_LINK,
        "https://a.example/" + " " * (MAX_LINK // 2) + "x",
        "x" * 5_000_000,
    ],
)
def test_a_bad_link_is_none(raw: str | None) -> None:
    assert clean_link(raw) is None


@pytest.mark.parametrize(
    ("raw", "absolute"),
    [
        ("/x", "https://site.example/x"),
        ("x", "https://site.example/feed/x"),
        ("//b.example/y", "https://b.example/y"),
        ("https://c.example/", "https://c.example/"),
        ("javascript:alert(1)", None),
        ("//user@b.example/", None),
    ],
)
def test_a_relative_link_is_made_absolute_by_its_base(raw: str, absolute: str | None) -> None:
    assert clean_link(raw, "https://site.example/feed/rss.xml") == absolute


def test_a_base_that_is_no_address_makes_no_link() -> None:
    assert clean_link("/x", "javascript:alert(1)") is None
    assert clean_link("/x", "http://[::1/") is None
    assert clean_link("x", "https://evil.example\\@a.example/") is None
    assert clean_link("x", "https://a.example/b\\c/") is None
    assert clean_link("x", "https://user:secret@a.example/") is None
