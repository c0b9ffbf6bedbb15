"""Messages as older versions wrote them stay readable; schemas and dataclasses agree."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pipeline.contracts import codec, schema
from pipeline.contracts.errors import DecodeError
from pipeline.contracts.records import Article, DeadReason

MESSAGES = Path(__file__).parent / "messages"
SCHEMAS = Path(schema.__file__).parent / "schemas"
TOPICS = tuple(schema.RECORDS)


def lines(topic: str) -> list[bytes]:
    return (MESSAGES / f"{topic}.jsonl").read_bytes().splitlines()


@pytest.mark.parametrize("topic", TOPICS)
def test_every_golden_message_is_still_read(topic: str) -> None:
    for line in lines(topic):
        record = codec.decode(schema.RECORDS[topic], line)
        again = codec.encode(record)
        assert codec.decode(schema.RECORDS[topic], again) == record


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_neither_read_nor_written(number: str) -> None:
    article = codec.decode(Article, lines("news.articles.v1")[-1])
    raw = json.dumps({"schema": 1} | codec.to_dict(article) | {"weight": 7.25})
    with pytest.raises(DecodeError, match="weight"):
        codec.decode(Article, raw.replace("7.25", number).encode())
    with pytest.raises(ValueError, match="JSON"):
        codec.encode(dataclasses.replace(article, weight=float(number)))


@pytest.mark.parametrize("topic", TOPICS)
def test_the_newest_golden_message_is_written_byte_for_byte(topic: str) -> None:
    newest = lines(topic)[-1]
    assert codec.encode(codec.decode(schema.RECORDS[topic], newest)) == newest


@pytest.mark.parametrize("topic", TOPICS)
def test_a_golden_message_fits_the_schema_file(topic: str) -> None:
    file = json.loads((SCHEMAS / f"{topic}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(file)
    for line in lines(topic):
        Draft202012Validator(file).validate(json.loads(line))


@pytest.mark.parametrize("topic", TOPICS)
def test_the_schema_file_is_the_dataclass(topic: str) -> None:
    kept = (SCHEMAS / f"{topic}.schema.json").read_text(encoding="utf-8")
    assert kept == schema.schema_text(topic), "run: python -m pipeline.contracts.schema FOLDER"


@pytest.mark.parametrize("topic", TOPICS)
def test_a_missing_field_is_named(topic: str) -> None:
    cls = schema.RECORDS[topic]
    first = next(f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING)
    raw = json.loads(lines(topic)[-1])
    del raw[first]
    with pytest.raises(DecodeError, match=first) as caught:
        codec.decode(cls, json.dumps(raw).encode())
    assert caught.value.reason is DeadReason.BAD_FIELD


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", DeadReason.EMPTY),
        (None, DeadReason.EMPTY),
        (b"\xff\xfe{", DeadReason.NOT_UTF8),
        (b'{"schema":1,"title":"\xff"}', DeadReason.NOT_UTF8),
        (b"not json", DeadReason.NOT_JSON),
        (b"[" * 100_000, DeadReason.NOT_JSON),
        (b"[1]", DeadReason.NOT_OBJECT),
        (b"{}", DeadReason.NO_SCHEMA),
        (b'{"schema":true}', DeadReason.NO_SCHEMA),
        (b'{"schema":2}', DeadReason.NEWER_SCHEMA),
        (b'{"schema":1}', DeadReason.BAD_FIELD),
    ],
)
def test_bytes_that_are_no_record_are_refused_with_a_reason(
    data: bytes | None, reason: DeadReason
) -> None:
    with pytest.raises(DecodeError) as caught:
        codec.decode(Article, data)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", 5),
        ("seen_at", "2026-07-01T10:00:00"),
        ("seen_at", "yesterday"),
        ("authors", "one"),
        ("authors", [1]),
        ("revision", "1"),
        ("revision", True),
        ("backfill", 0),
    ],
)
def test_a_field_of_the_wrong_kind_is_a_bad_field(field: str, value: Any) -> None:
    raw = json.loads(lines("news.articles.v1")[-1]) | {field: value}
    with pytest.raises(DecodeError, match=field):
        codec.decode(Article, json.dumps(raw).encode())


def test_a_time_in_another_zone_is_read_as_utc_and_an_unknown_field_is_ignored() -> None:
    raw = json.loads(lines("news.articles.v1")[-1])
    raw |= {"seen_at": "2026-07-01T19:00:00+09:00", "of_a_later_version": {"x": 1}}
    article = codec.decode(Article, json.dumps(raw).encode())
    assert article.seen_at == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert article.seen_at.tzinfo is UTC
