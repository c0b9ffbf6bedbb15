"""The JSON Schema of each record, made from its dataclass.

The files in ``schemas/`` are what other programs read; a test holds them against this.
Write them again with ``python -m pipeline.contracts.schema FOLDER``.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pipeline.contracts import topics
from pipeline.contracts.codec import SCHEMA
from pipeline.contracts.records import (
    Alert,
    Article,
    Counts,
    DeadLetter,
    FeedStatus,
    Ledger,
    SeriesPoint,
    TaggedArticle,
)

RECORDS: Final[dict[str, type]] = {
    topics.ARTICLES: Article,
    topics.FEEDS: FeedStatus,
    topics.TAGGED: TaggedArticle,
    topics.SERIES: SeriesPoint,
    topics.ALERTS: Alert,
    topics.DEAD_LETTERS: DeadLetter,
    topics.LEDGER: Ledger,
}
"""Kafka topic -> the record on it."""

_SIMPLE: Final[dict[Any, dict[str, Any]]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    datetime: {"type": "string", "format": "date-time"},
}


def json_schema(topic: str) -> dict[str, Any]:
    """The schema of the messages on a Kafka topic."""
    record = RECORDS[topic]
    body = _object(record)
    body["properties"] = {"schema": {"const": SCHEMA}, **body["properties"]}
    body["required"] = ["schema", *body["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{record.__name__} on {topic}",
        "description": (record.__doc__ or "").split("\n")[0],
        **body,
    }


def schema_text(topic: str) -> str:
    """The schema as the file that is kept."""
    return json.dumps(json_schema(topic), indent=2, ensure_ascii=False) + "\n"


def _object(record: type) -> dict[str, Any]:
    hints = typing.get_type_hints(record)
    fields = dataclasses.fields(record)
    return {
        "type": "object",
        "properties": {f.name: _type(hints[f.name]) for f in fields},
        "required": [f.name for f in fields if f.default is dataclasses.MISSING],
        # A newer writer may add fields: readers ignore what they do not know.
        "additionalProperties": True,
    }


def _type(hint: Any) -> dict[str, Any]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        (inner,) = (a for a in typing.get_args(hint) if a is not type(None))
        return {"anyOf": [_type(inner), {"type": "null"}]}
    if hint == Counts:
        return {"type": "object", "additionalProperties": {"type": "integer"}}
    if typing.get_origin(hint) is tuple:
        return {"type": "array", "items": _type(typing.get_args(hint)[0])}
    if hint in _SIMPLE:
        return dict(_SIMPLE[hint])
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {"enum": [member.value for member in hint]}
    return _object(hint)


def main(folder: str) -> None:
    """Write every schema into ``folder``."""
    for topic in RECORDS:
        Path(folder, f"{topic}.schema.json").write_text(schema_text(topic), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
