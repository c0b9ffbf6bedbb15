"""Text that somebody decoded wrongly before it got into the feed, put right again.

UTF-8 read as windows-1252 (``Ã©`` for ``é``), GB18030 or Shift_JIS and written as UTF-8: the
document's charset is right, so only the text can tell. To encode it back and find valid UTF-8
happens by accident only in a text of one or two letters.
"""

from __future__ import annotations

import re
from typing import Final

from connectors.feeds.parse.readability import readability

_WINDOWS_BYTES: Final = {
    ord(bytes([code]).decode("cp1252")): code
    for code in range(0x80, 0xA0)
    if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
_LATIN = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u2122]")
"""What the first two bytes of a character of UTF-8 look like in windows-1252."""
_HAN_OR_KANA = re.compile("[\u3041-\u9fff\uff61-\uff9f]")
_CLEARLY: Final = 0.3
_FEW: Final = 4
"""Characters beyond ASCII below which a text in double-byte characters is left alone."""
_TWO_BYTES = re.compile("[ÂÃÐÑ][\u0080-\u00bf\u0152-\u2122]")
_MORE_BYTES = re.compile("[\u00e0-\u00ef][\u0080-\u00bf\u0152-\u2122]{2}|锟斤拷|[\ue000-\uf8ff]")
"""Also U+FFFD twice read as GB18030, and characters of private use: a set's that was taken for
another."""
_HZ = re.compile(r"~\{(?:[!-}]{2}){1,200}~\}")
"""Chinese in seven bits (RFC 1843), which no browser reads."""


def is_doubtful(text: str) -> bool:
    """Whether ``text`` still looks wrongly decoded, beyond repair."""
    if text.isascii():
        return _HZ.search(text) is not None
    return _MORE_BYTES.search(text) is not None or len(_TWO_BYTES.findall(text)) > 1


def undone(text: str) -> str | None:
    """What ``text`` was before it was decoded wrongly; None when it was not, or nobody can tell."""
    if _LATIN.search(text):
        return _again(text.translate(_WINDOWS_BYTES), "latin-1")
    if _HAN_OR_KANA.search(text) is None:
        return None
    for codec in ("gb18030", "cp932"):
        original = _again(text, codec)
        if original is not None and readability(original) > readability(text) + _CLEARLY:
            return original
    return None


def _again(text: str, codec: str) -> str | None:
    try:
        data = text.encode(codec)
        original = data.decode("utf-8")
    except UnicodeError:
        return None
    if codec != "latin-1" and len(text) - len(text.encode("ascii", "ignore")) < _FEW:
        return None
    return original
