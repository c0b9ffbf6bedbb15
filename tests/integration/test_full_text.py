"""The text of an article's page, in the guarded workers."""

from __future__ import annotations

import asyncio

import pytest

from connectors.feeds import full_text
from connectors.feeds.parse import limits
from connectors.feeds.parse.pool import FullTextPool

pytestmark = pytest.mark.skipif(
    not full_text.is_installed(), reason="the extra 'fulltext' is not installed"
)

SENTENCE = "港務局表示，第{}號渡輪將於本週恢復通航，所有碼頭均已完成檢查，旅客可照常購票乘船。"
PAGE = (
    "<html><head>{head}<title>港口</title></head><body><nav><a href='/'>首頁</a></nav>"
    "<article><h1>渡輪復航</h1>{text}</article>"
    "<script>alert(1)</script><footer>版權所有</footer></body></html>"
)


def page(head: str = "") -> str:
    return PAGE.format(head=head, text="".join(f"<p>{SENTENCE.format(n)}</p>" for n in range(12)))


async def extracted(*pages: bytes, content_type: str | None = None) -> list[str | None]:
    async with FullTextPool(1) as pool:
        return [await pool.extract(p, content_type) for p in pages]


def test_the_text_of_an_article_is_found_and_the_page_around_it_is_not() -> None:
    (text,) = asyncio.run(extracted(page().encode()))
    assert text is not None
    assert all(SENTENCE.format(n) in text for n in range(12))
    assert "首頁" not in text
    assert "alert" not in text


def test_the_charset_that_a_page_states_is_used() -> None:
    data = page("<meta charset='big5'>").encode("big5")
    (text,) = asyncio.run(extracted(data))
    assert text is not None
    assert SENTENCE.format(3) in text


def test_what_is_no_article_gives_nothing_and_stops_no_other_page() -> None:
    odd = [
        b"",
        b"<" * 100_000,
        b"<div>" * 50_000,
        b"<html></html>",
        b"\xff\xfe\x00",
        b"<a href='" * 9_000,
    ]
    *none, text = asyncio.run(extracted(*odd, b" " * (limits.MAX_PAGE_BYTES + 1), page().encode()))
    assert none == [None] * 7
    assert text is not None
