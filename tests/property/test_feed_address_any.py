"""Whatever text stands for an address: one reading of it, or a refusal; never another error."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.feeds.errors import AddressError
from connectors.feeds.http.address import parse_address

BASE = parse_address("https://outlet.example/news/rss.xml?all=1")
PIECES = st.sampled_from(
    [
        *("http://", "https://", "//", "HTTP:", "file:///", "outlet.example", "127.0.0.1", "[::1]"),
        *("[", "]", "@", ":", "80", "/", "..", "?", "#", "%", "%41", "xn--", "localhost", "0x7f"),
        *(".", "。", "ü", "例え", "℀", "①", "ß", "\u200d", "\u0661", "א", "a" * 64, "user:pw@"),
    ]
)
ADDRESSES = st.one_of(
    st.text(max_size=40),
    st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=8).map("".join),
    st.lists(PIECES, max_size=5).map(lambda parts: "http://" + "".join(parts)),
)


@settings(max_examples=1_500, deadline=None)
@given(ADDRESSES)
@example("http://[")
@example("http://ex\u2100mple.com/")
@example("//[v1.fe]/")
def test_an_address_has_one_reading_or_is_refused(text: str) -> None:
    for read in (parse_address, BASE.join):
        with suppress(AddressError):
            address = read(text)
            assert address.url.isascii()
            assert parse_address(address.url).url == address.url
            assert parse_address(address.url).origin == address.origin


def test_a_refusal_never_repeats_the_password() -> None:
    with pytest.raises(AddressError) as refused:
        parse_address("http://user:s3cret@out let.example/")
    assert "s3cret" not in str(refused.value)
