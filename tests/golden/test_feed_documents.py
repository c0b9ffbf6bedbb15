"""Feed documents beside what is read from them: each bug from the wild adds a pair.

``NAME`` is a document, ``NAME.jsonl`` the lines of `feeds parse` for it (without the file's name),
then its hints. The documents are invented.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.feeds.parse import document
from deploy.cli.feed_lines import document_line, entry_lines

FOLDER = Path(__file__).parent / "feeds"
DOCUMENTS = sorted(p.name for p in FOLDER.iterdir() if p.suffix != ".jsonl")
NOW = datetime(2026, 7, 10, tzinfo=UTC)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_gives_the_lines_beside_it(name: str) -> None:
    feed = document.parse(
        (FOLDER / name).read_bytes(), content_type=None, url=None, feed_id="golden", now=NOW
    )
    lines = [*entry_lines(name, feed), document_line(name, feed)]
    got = [{k: v for k, v in line.items() if k != "file"} for line in lines]
    got.append({"hints": {k: v for k, v in asdict(feed.hints).items() if v is not None}})
    expected = (FOLDER / f"{name}.jsonl").read_text().splitlines()
    # Through JSON, as the command writes it: tuples are lists there, enums are texts.
    assert [json.loads(json.dumps(line)) for line in got] == [json.loads(e) for e in expected]


def test_every_expectation_has_its_document() -> None:
    expectations = {p.name.removesuffix(".jsonl") for p in FOLDER.glob("*.jsonl")}
    assert expectations == set(DOCUMENTS)
