"""`straitwatch detect` on small streams, as a user runs it."""

from __future__ import annotations

import csv
import random
import subprocess
import sys
from pathlib import Path

import pytest

HEAD = "series_id,seen_at,published_at,story_id,source_id\n"
DAY = 86_400


def write(folder: Path, events: str, totals: str = "t,group,total,up\n") -> list[str]:
    (folder / "e.csv").write_text(events)
    (folder / "t.csv").write_text(totals)
    return ["--events", "e.csv", "--totals", "t.csv", "--out", "out.csv"]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", "detect", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def stream(days: int, burst_at: int, burst: int, outlets: int) -> str:
    dice = random.Random(5)
    rows = []
    for i in range(days * 12):
        published = dice.randrange(days * DAY)
        rows.append((published + 300, published, i, dice.randrange(100, 700)))
    for i in range(burst):
        published = burst_at + i * 240
        rows.append((published + 120, published, 10_000 + i, 100 + i % outlets))
    return HEAD + "".join(f"s,{a},{b},{c},{d}\n" for a, b, c, d in sorted(rows))


def raised_since(second: int, folder: Path) -> list[dict[str, str]]:
    rows = csv.DictReader((folder / "out.csv").read_text().splitlines())
    return [r for r in rows if int(r["raised_at"]) >= second]


def test_a_burst_of_several_outlets_is_one_alert(tmp_path: Path) -> None:
    start = 10 * DAY + 3600
    result = run(tmp_path, *write(tmp_path, stream(11, start, 15, 8)))
    assert result.returncode == 0, result.stderr
    rows = raised_since(start, tmp_path)
    assert [r["series_id"] for r in rows] == ["s"]
    assert start < int(rows[0]["raised_at"]) < start + 3600
    assert rows[0]["severity"] in {"info", "warning", "critical"}


def test_the_same_burst_of_one_outlet_is_none(tmp_path: Path) -> None:
    start = 10 * DAY + 3600
    result = run(tmp_path, *write(tmp_path, stream(11, start, 15, 1)))
    assert result.returncode == 0, result.stderr
    assert raised_since(start, tmp_path) == []


@pytest.mark.parametrize(
    ("events", "totals", "message"),
    [
        (HEAD + "s,1,x,3,100\n", "t,group,total,up\n", "e.csv:2:"),
        (HEAD + "s,9,1,3,100\ns,8,1,4,100\n", "t,group,total,up\n", "e.csv:3: seen_at goes back"),
        ("a,b\n1,2\n", "t,group,total,up\n", "column series_id is missing"),
        (HEAD + "s,900,1,3,100\n", "t,group\n0,1\n", "column total is missing"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(
    tmp_path: Path, events: str, totals: str, message: str
) -> None:
    result = run(tmp_path, *write(tmp_path, events, totals))
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    arguments = write(tmp_path, HEAD)
    (tmp_path / "e.csv").unlink()
    result = run(tmp_path, *arguments)
    assert result.returncode == 2
    assert "e.csv" in result.stderr
