"""The text of an article's page, for feeds that give headlines only. Needs the extra ``fulltext``.

Off by default, a feed at a time (``full_text`` in the feed list). For pages of strangers call it
through `parse.pool.FullTextPool`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from connectors.feeds.parse import decode, limits, text

_META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s{0,5}=\s{0,5}[\"']?([\w:-]{2,40})", re.IGNORECASE
)
_PRESCAN: Final = 1_024
"""Bytes in which a page must state its charset (HTML standard, 13.2.3.2)."""


def is_installed() -> bool:
    """Whether the extra ``fulltext`` is installed."""
    from importlib.util import find_spec

    return all(find_spec(name) is not None for name in ("trafilatura", "protego"))


def extract(page: bytes, content_type: str | None) -> str | None:
    """The main text of ``page``, plain, clean, at most `limits.MAX_SUMMARY` characters.

    None when there is none: a front page, a list, a consent wall.

    Args:
        page: the HTML document.
        content_type: the HTTP header's value; its ``charset`` goes before what the page says.
    """
    if len(page) > limits.MAX_PAGE_BYTES:
        return None
    found = _trafilatura().extract(
        decode.decode(page, _charset(page, content_type)).text,
        fast=True,
        favor_precision=True,
        include_comments=False,
        include_tables=False,
    )
    return text.lines(found, limits.MAX_SUMMARY) or None if found else None


def warm_up() -> None:
    """Load all that `extract` may need later, when a worker can open no file any more."""
    decode.warm_up()
    extract(b"<html><body><article><p>" + b"One sentence of many. " * 40 + b"</article>", None)


def _charset(page: bytes, content_type: str | None) -> str | None:
    if "charset" not in (content_type or "") and (meta := _META_CHARSET.search(page, 0, _PRESCAN)):
        return f"text/html; charset={meta[1].decode()}"
    return content_type


def _trafilatura() -> Any:
    import trafilatura

    return trafilatura
