"""`straitwatch detect` on small streams, its alerts and its refusals."""

from __future__ import annotations

import csv
import random
import re
from pathlib import Path

import pytest
import zstandard

from deploy.cli.detect import detect
from deploy.errors import Refused, WrongUse

HEAD = "series_id,seen_at,published_at,story_id,source_id\n"
DAY = 86_400


def write(folder: Path, events: str, totals: str = "t,group,total,up\n") -> None:
    (folder / "e.csv").write_text(events)
    (folder / "t.csv").write_text(totals)


def run(folder: Path, sensitivity: float = 0.1) -> None:
    detect(folder / "e.csv", folder / "t.csv", folder / "out.csv", sensitivity)


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
    start = 4 * DAY + 3600
    write(tmp_path, stream(5, start, 15, 8))
    run(tmp_path)
    rows = raised_since(start, tmp_path)
    assert [r["series_id"] for r in rows] == ["s"]
    assert start < int(rows[0]["raised_at"]) < start + 3600
    assert rows[0]["severity"] in {"info", "warning", "critical"}


def test_the_same_burst_of_one_outlet_is_none(tmp_path: Path) -> None:
    start = 4 * DAY + 3600
    write(tmp_path, stream(5, start, 15, 1))
    run(tmp_path)
    assert raised_since(start, tmp_path) == []


@pytest.mark.parametrize(
    ("events", "totals", "message"),
    [
        (HEAD + "s,1,x,3,100\n", "t,group,total,up\n", "e.csv:2:"),
        (HEAD + "s,1,1,3,agency\n", "t,group,total,up\n", "source_id is no whole number: 'agency'"),
        (HEAD + "s,1790000000,1,3,1\n", "t,group,total,up\n", "e.csv:2: seen_at is no time"),
        (HEAD + "s,9,1,3,100\ns,8,1,4,100\n", "t,group,total,up\n", "e.csv:3: seen_at goes back"),
        ("a,b\n1,2\n", "t,group,total,up\n", "column series_id is missing"),
        (HEAD + "s,1,1,3,100\ns,900,1,4,100\n", "t,group\n0,1\n", "column total is missing"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(
    tmp_path: Path, events: str, totals: str, message: str
) -> None:
    write(tmp_path, events, totals)
    with pytest.raises(WrongUse, match=re.escape(message)):
        run(tmp_path)


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    write(tmp_path, HEAD)
    (tmp_path / "e.csv").unlink()
    with pytest.raises(Refused, match=r"e\.csv: no such file"):
        run(tmp_path)


def test_a_place_for_the_alerts_is_asked_for_first_and_nothing_is_left_of_a_failed_run(
    tmp_path: Path,
) -> None:
    write(tmp_path, HEAD + "s,1,x,3,100\n")
    with pytest.raises(WrongUse, match="cannot be written"):
        detect(tmp_path / "e.csv", tmp_path / "t.csv", tmp_path / "no" / "out.csv")
    with pytest.raises(WrongUse, match="published_at"):
        run(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.csv", "t.csv"]


def test_compressed_streams_read_as_plain_ones_whatever_their_names_and_frames(
    tmp_path: Path,
) -> None:
    start = 4 * DAY + 3600
    text = "\ufeff" + stream(5, start, 15, 8)
    write(tmp_path, text)
    run(tmp_path)
    plain = (tmp_path / "out.csv").read_text()
    pack = zstandard.ZstdCompressor().compress
    half = len(text) // 2
    (tmp_path / "e.csv").write_bytes(pack(text[:half].encode()) + pack(text[half:].encode()))
    run(tmp_path)
    assert (tmp_path / "out.csv").read_text() == plain


def test_a_compressed_stream_that_was_cut_off_is_no_calm(tmp_path: Path) -> None:
    write(tmp_path, HEAD)
    data = zstandard.ZstdCompressor().compress(stream(5, 4 * DAY, 15, 8).encode())
    (tmp_path / "e.csv").write_bytes(data[: len(data) // 2])
    with pytest.raises(WrongUse, match=r"e\.csv: cut off"):
        run(tmp_path)
