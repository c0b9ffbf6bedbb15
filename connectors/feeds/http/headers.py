"""What we believe of an answer's headers: bounded, printable, and never more than a hint."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

MAX_RETRY_AFTER: Final = 86_400
"""Seconds: a server may send us away for a day, not for a year."""
MAX_AGE: Final = 86_400
MAX_VALIDATOR: Final = 4_096
_PRINTABLE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
# A target is a URI in ASCII (RFC 8288, 3.1); HTTP/2 hands on control characters as they came.
_LINK: Final = re.compile(r"<([!-;=?-~]{1,2048})>((?:\s*;\s*[^,;]+)*)")
_REL: Final = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,]+))", re.IGNORECASE)

Headers = list[tuple[bytes, bytes]]


def get(headers: Headers, name: bytes) -> str | None:
    """The first value of ``name``, stripped; None when absent."""
    return next((v.decode("latin-1").strip() for k, v in headers if k.lower() == name), None)


def get_all(headers: Headers, name: bytes) -> list[str]:
    """All values of ``name``, in order."""
    return [v.decode("latin-1").strip() for k, v in headers if k.lower() == name]


def validator(value: str | None) -> str | None:
    """An ETag or Last-Modified that may be stored and sent back as it came, else None.

    Sent back verbatim: servers compare the text, not what it means (RFC 9110, 13.1).
    """
    if value is None or len(value) > MAX_VALIDATOR or not _PRINTABLE.fullmatch(value):
        return None
    return value


def retry_after(value: str | None, now: datetime) -> int | None:
    """Whole seconds to wait from a Retry-After in either form (RFC 9110, 10.2.3), at most a day.

    None when absent, past or not valid.
    """
    if not value or len(value) > 64:
        return None
    if value.isascii() and value.isdigit():
        return min(int(value), MAX_RETRY_AFTER) or None
    try:
        when = parsedate_to_datetime(value)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        seconds = (when - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(int(seconds), MAX_RETRY_AFTER) if seconds >= 1 else None


def max_age(value: str | None) -> int | None:
    """Seconds from ``Cache-Control: max-age=…``, at most a day; None when absent or not valid."""
    if value is None:
        return None
    found = re.search(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,18})", value[:1000], re.IGNORECASE)
    return min(int(found.group(1)), MAX_AGE) if found else None


def link_targets(values: Iterable[str]) -> dict[str, str]:
    """Relation -> target of Link headers (RFC 8288), the first ``hub`` and ``self``."""
    out: dict[str, str] = {}
    for value in values:
        for target, parameters in _LINK.findall(value[:8192]):
            rel = _REL.search(parameters)
            for name in ((rel.group(1) or rel.group(2) or "") if rel else "").lower().split():
                if name in ("hub", "self"):
                    out.setdefault(name, target)
    return out
