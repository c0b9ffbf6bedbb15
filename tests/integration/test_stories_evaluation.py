"""Story collapse on labelled pairs inside a real stream, through the command."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard
from typer import Typer
from typer.testing import CliRunner

from deploy.cli.stories import register

pytestmark = [pytest.mark.evaluation, pytest.mark.timeout(600)]

FLOORS = {"ja": 0.85, "en": 0.65, "zh": 0.65}
"""F1 of reprints on the development pairs."""
COLLAPSED = 0.05
"""Of independent reports of one event, at most."""


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("STRAITWATCH_EVAL_DATA")
    if not folder:
        pytest.skip("STRAITWATCH_EVAL_DATA names no folder with evaluation data")
    path = Path(folder)
    if not (path / "gold" / "neardup" / "dev.jsonl").exists():
        pytest.skip(f"{path} has no gold/neardup/dev.jsonl")
    return path


def seen(line: dict[str, Any]) -> datetime:
    at = datetime.fromisoformat(line["fetched_at"])
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def stream(data: Path, pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pairs' items among all articles of the streams, in the order of time."""
    lines, known = [], set()
    for pair in pairs:
        for side in ("a", "b"):
            one = pair[side]
            if one["published"]:
                line = {
                    "id": f"{pair['pair_id']}{side}",
                    "title": one["title"],
                    "summary": one.get("summary") or "",
                    "published_at": one["published"],
                    "fetched_at": one["published"],
                    "source": one.get("source"),
                    "url": one.get("url"),
                }
                lines.append(line)
                known.add((line["url"], line["title"]))
    for path in sorted((data / "streams").glob("*.jsonl.zst")):
        lines += [x for x in read(path) if (x["url"], x["title"]) not in known]
    return sorted(lines, key=seen)


def read(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file)
        text = reader.read().decode()
    for line in text.splitlines():
        if line.strip():
            yield json.loads(line)


def test_reprints_are_found_and_independent_reports_stay_apart(data: Path, tmp_path: Path) -> None:
    text = (data / "gold" / "neardup" / "dev.jsonl").read_text("utf-8")
    pairs = [json.loads(line) for line in text.splitlines() if line.strip()]
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(x) + "\n" for x in stream(data, pairs)), "utf-8")
    app = Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, ["stories", "--in", str(source), "--out", str(out)])
    assert result.exit_code == 0, result.output

    story = {x["id"]: x["story_id"] for x in map(json.loads, out.read_text("utf-8").splitlines())}
    for lang, floor in FLOORS.items():
        mine = [p for p in pairs if p["lang"] == lang]
        merged = [story.get(f"{p['pair_id']}a") == story.get(f"{p['pair_id']}b") for p in mine]
        right = sum(m and p["label"] == "reprint" for m, p in zip(merged, mine, strict=True))
        reprints = sum(p["label"] == "reprint" for p in mine)
        f1 = 2 * right / (sum(merged) + reprints)
        same = [m for m, p in zip(merged, mine, strict=True) if p["label"] == "same_event"]
        assert f1 >= floor, f"{lang}: F1 {f1:.3f}"
        assert sum(same) <= COLLAPSED * len(same), f"{lang}: {sum(same)} of {len(same)}"
