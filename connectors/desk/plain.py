"""Makes a stranger's text harmless to show: a feed's title is hostile everywhere.

`clean` is for every output; `tame` and `tame_link` also take away what chat services act on.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote, urlsplit

LONGEST_LINK: Final = 2048
_BREAK: Final = "\N{WORD JOINER}"
# Mentions (@everyone, <!here>, <@id>, <#id>), links with a text of their own ([text](url),
# [a]: url), addresses that a service would make clickable, spoilers (||text||): an invisible sign
# inside ends them all.
_ACTIVE: Final = re.compile(r"@|<|\]|\||://|(?<=\bwww)\.", re.IGNORECASE)
# Controls, formatting (the bidi controls among them), surrogates, private use, unassigned.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


# Letters by category, and yet nothing to see.
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_MARKS: Final = 4
"""Marks on one letter: no script needs more, and a heap of them covers the lines above."""


def clean(text: str, longest: int) -> str:
    """One line of visible characters, at most ``longest`` of them."""
    seen = []
    marks = 0
    for ch in text[: longest * 8]:
        kind = unicodedata.category(ch)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if ch.isspace():
            seen.append(" ")
        elif kind not in _UNSEEN and ch not in _BLANK and marks <= _MARKS:
            seen.append(ch)
    line = " ".join("".join(seen).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def tame(text: str) -> str:
    """Text, already `clean`, that pings nobody, links nowhere and hides nothing in any chat."""
    # A backtick more or less makes code of everything up to the next one, whoever wrote that.
    return _ACTIVE.sub(lambda m: m[0] + _BREAK, text.replace("`", "'"))


def clean_link(link: str | None) -> str | None:
    """The link when it is a plain http(s) address, else None."""
    if not link or len(link) > LONGEST_LINK or not link.isprintable() or " " in link:
        return None
    try:
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or not host or parts.username is not None:
        return None
    return link


def tame_link(link: str) -> str:
    """The same address, already `clean_link`, with nothing that a chat would read as markup."""
    return quote(link, safe=":/?#&=%+,;~.-_!$'")
