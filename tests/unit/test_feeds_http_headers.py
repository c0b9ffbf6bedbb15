"""What is believed of an answer's headers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.feeds.http import headers as http_headers

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0", None),
        ("-5", None),
        ("soon", None),
        ("1.5", None),
        ("9" * 50, 86_400),
        ("Wed, 25 Nov 2026 12:01:00 GMT", 60),
        ("Wed, 25 Nov 2026 11:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("Wednesday, 25-Nov-26 12:01:00 GMT", 60),
        ("Wed, 99 Nov 2026 12:01:00 GMT", None),
        ("x" * 1000, None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded(
    value: str | None, seconds: int | None
) -> None:
    assert http_headers.retry_after(value, NOW) == seconds


def test_validators_that_could_smuggle_are_not_kept() -> None:
    assert http_headers.validator('"abc"') == '"abc"'
    for bad in ("", '"a\rX: 1"', "a\x0bb", "é", '"' + "e" * 5000 + '"', " a"):
        assert http_headers.validator(bad) is None


def test_links_to_a_hub_are_found_among_others() -> None:
    header = '<https://hub.example/>; rel="hub", <https://outlet.example/rss>; rel=self; x=y'
    assert http_headers.link_targets([header]) == {
        "hub": "https://hub.example/",
        "self": "https://outlet.example/rss",
    }


@pytest.mark.parametrize("bad", ["\0", "\x1f", "\x7f", "\x85", "\xe9", " ", "<"])
def test_a_link_that_is_no_address_is_not_kept(bad: str) -> None:
    header = f'<https://hub.example/{bad}>; rel="hub", <https://outlet.example/rss>; rel=self'
    assert http_headers.link_targets([header]) == {"self": "https://outlet.example/rss"}
