"""Content codings undone piece by piece: parts, ends, padding and limits, however they are cut."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from connectors.feeds.http.decompress import BadCodingError, decoder_for

TEXT = b"<rss>" + bytes(range(256)) * 8
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"  # RFC 8878, 3.1.2
PACKED = {
    "gzip": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "br": brotli.compress(TEXT),
    "zstd": zstandard.compress(TEXT),
}


def undone(coding: str, data: bytes, size: int) -> bytes:
    decoder = decoder_for(coding, 10_000_000)
    pieces = [data[n : n + size] for n in range(0, len(data), size)]
    return b"".join(step for piece in pieces for step in decoder.feed(piece)) + decoder.finish()


@given(st.sampled_from(["gzip", "zstd"]), st.lists(st.binary(max_size=40)), st.integers(1, 99))
def test_a_body_of_many_parts_is_the_sum_of_them(
    coding: str, parts: list[bytes], size: int
) -> None:
    pack = gzip.compress if coding == "gzip" else zstandard.compress
    assert undone(coding, b"".join(map(pack, parts)), size) == b"".join(parts)


@pytest.mark.parametrize("size", [1, 2, 64, 100_000])
@pytest.mark.parametrize("padding", [b"", b"\0\0\0", b"\x1f", b"\n", b"junk \x1f\x8b"])
def test_padding_behind_gzip_is_dropped(padding: bytes, size: int) -> None:
    assert undone("gzip", PACKED["gzip"] + padding, size) == TEXT


@pytest.mark.parametrize("size", [1, 64, 100_000])
def test_a_frame_that_is_to_be_skipped_is_skipped(size: int) -> None:
    assert undone("zstd", SKIPPABLE + PACKED["zstd"] + SKIPPABLE, size) == TEXT


@pytest.mark.parametrize("coding", PACKED)
@pytest.mark.parametrize("size", [1, 64, 100_000])
def test_a_body_that_ends_too_early_is_told_wherever_it_ends(coding: str, size: int) -> None:
    whole = PACKED[coding]
    cuts = (5, len(whole) // 2, len(whole) - 1)
    cut_short = [whole[:cut] for cut in cuts]
    if coding in ("gzip", "zstd"):
        cut_short += [whole + whole[:cut] for cut in cuts]
    for data in cut_short:
        with pytest.raises(BadCodingError):
            undone(coding, data, size)


@pytest.mark.parametrize("part", [gzip.compress(b""), zstandard.compress(b"")])
def test_a_flood_of_empty_parts_is_refused(part: bytes) -> None:
    coding = "gzip" if part.startswith(b"\x1f") else "zstd"
    with pytest.raises(BadCodingError, match="parts"):
        undone(coding, part * 2_000, 65_536)


@pytest.mark.parametrize("name", ["", "identity", "none", "UTF-8", "identity, identity"])
def test_names_that_mean_no_coding_mean_none(name: str) -> None:
    assert undone(name, TEXT, 64) == TEXT
