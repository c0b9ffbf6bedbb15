"""The fast way from bytes to an article says what the contract's says, of any bytes."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.contracts.codec import SCHEMA, decode, to_dict
from pipeline.contracts.errors import DecodeError
from pipeline.contracts.records import Article
from pipeline.transforms import read_article as fast
from pipeline.transforms.read_article import read_article
from tests.graph.conftest import START, article

WHOLE = {"schema": SCHEMA, **to_dict(article(1, START, "海峡の船 and a wall"))}
FIELDS = [f.name for f in dataclasses.fields(Article)]
TIMES = st.sampled_from(
    [
        "2026-03-02T00:00:00Z",
        "2026-03-02t00:00:00z",
        "2026-03-02 00:00:00+09:00",
        "2026-03-02T00:00:00",
        "2026-03-02",
        "20260302T000000Z",
        "2026-03-02T00:00:00.123456789Z",
        "2026-03-02T23:59:60Z",
        "2026-03-02T24:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-03-02T00:00:00+23:59:59",
        "",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | TIMES
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


def verdict(read: Any, data: bytes) -> Any:
    try:
        made = read(data)
    except DecodeError as e:
        return e.reason, e.detail
    return made, [(type(v), str(v)) for v in dataclasses.astuple(made)]


def alike(data: bytes) -> None:
    assert verdict(read_article, data) == verdict(lambda d: decode(Article, d), data)


@given(
    st.dictionaries(st.sampled_from([*FIELDS, "schema", "more", ""]), VALUES, max_size=4),
    st.sets(st.sampled_from(["schema", *FIELDS]), max_size=2),
    st.booleans(),
)
def test_a_message_with_anything_in_its_fields(
    changes: dict[str, Any], missing: set[str], is_ascii: bool
) -> None:
    message = {**{k: v for k, v in WHOLE.items() if k not in missing}, **changes}
    text = json.dumps(message, ensure_ascii=is_ascii)

    alike(text.encode("utf-8", "surrogatepass"))


@given(st.sampled_from(["published_at", "seen_at"]), TIMES)
def test_a_message_with_any_time(name: str, time: str) -> None:
    alike(json.dumps({**WHOLE, name: time}).encode())


@given(st.data())
def test_a_message_with_any_bytes_in_it(data: st.DataObject) -> None:
    whole = json.dumps(WHOLE, ensure_ascii=False).encode()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 5)))

    alike(whole[:start] + data.draw(st.binary(max_size=5)) + whole[end:])


@given(st.sampled_from(FIELDS), st.text('0123456789.eE+-"\\udc80nulNaIity tf[]{}:,', max_size=9))
@example("schema", "2")
@example("schema", "-1")
@example("weight", "-0")
@example("weight", "1e999")
@example("weight", "NaN")
@example("revision", "1.0")
@example("revision", "1" * 5_000)
@example("title", '"\\ud800"')
@example("title", '"\\u0000"')
@example("title", '"a", "title": "b"')
@example("authors", "[" * 100_000)
def test_a_message_with_any_json_for_a_field(name: str, value: str) -> None:
    text = json.dumps({**WHOLE, name: "HERE"}).replace('"HERE"', value)

    alike(text.encode("utf-8", "surrogatepass"))


def test_what_our_connectors_write_needs_no_second_look(monkeypatch: Any) -> None:
    monkeypatch.setattr(fast, "decode", None)

    assert read_article(json.dumps(WHOLE, ensure_ascii=False).encode()) == article(
        1, START, "海峡の船 and a wall"
    )
