"""Links that are safe to show and to follow: absolute, with one meaning in every parser."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import idna

from connectors.feeds.parse.limits import MAX_LINK

_EDGES: Final = "".join(map(chr, range(0x21))) + "\u00a0\u3000\ufeff"
_DROPPED = re.compile("[\t\n\r]")
"""Browsers drop them wherever they stand (URL standard, basic URL parser)."""
_NEVER = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ufffd]")
_ESCAPED = re.compile(
    '[\\s"<>\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]'
)
"""What has no place in an address: white space, quotes and what turns or hides text."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}:")
_ASCII_HOST = re.compile(r"[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")


def clean_link(raw: str | None, base: str | None = None) -> str | None:
    """The address in ``raw``, made absolute by ``base``; None when there is none that is safe.

    At most `limits.MAX_LINK` characters, no white space, no control character, no backslash, no
    user info, host in ASCII. Path and query stay as the feed wrote them, but for an ampersand that
    was escaped twice.
    """
    if not raw or len(raw) > 4 * MAX_LINK:
        return None
    link = _DROPPED.sub("", raw.strip(_EDGES)).replace("&amp;", "&")
    if not link or len(link) > MAX_LINK:
        return None
    try:
        if base and not _SCHEME.match(link):
            link = urljoin(base, link)
        parts = urlsplit(link)
        host = _host(parts.netloc)
    except ValueError:
        return None
    # Of the whole: a base is a stranger's as well.
    if parts.scheme not in ("http", "https") or host is None or _NEVER.search(link):
        return None
    if host != parts.netloc:
        link = urlunsplit(parts._replace(netloc=host))
    link = _ESCAPED.sub(lambda m: quote(m[0], errors="replace"), link)
    return link if len(link) <= MAX_LINK else None


@lru_cache(maxsize=512)
def _host(netloc: str) -> str | None:
    """``netloc`` with its host in ASCII; None when it has user info, or is no host and port.

    Raises:
        ValueError: a name that international host names do not allow.
    """
    if "@" in netloc:
        return None
    host, colon, port = netloc.rpartition(":")
    if not colon or netloc.endswith("]"):
        host, colon, port = netloc, "", ""
    if port and not (port.isascii() and port.isdigit() and int(port[:6]) <= 65_535):
        return None
    if not host.isascii():
        host = idna.encode(host, uts46=True).decode()
    return host + colon + port if _ASCII_HOST.fullmatch(host) else None
