"""`straitwatch stories` on files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from deploy.cli.stories import register
from deploy.errors import CommandError, Refused, WrongUse

WIRE = "港湾倉庫の検査で亀裂を確認 運営会社、秋まで補修へ"


def line(name: str, title: str, source: str, minute: int, **more: Any) -> dict[str, Any]:
    at = f"2026-03-02T06:{minute:02}:00Z"
    return {"id": name, "title": title, "source": source, "fetched_at": at, **more}


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, ["stories", *map(str, arguments)])
    if isinstance(result.exception, CommandError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def write(tmp_path: Path, *lines: Any) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines), "utf-8")
    return path


def test_a_line_for_each_article_in_its_order(tmp_path: Path) -> None:
    source = write(
        tmp_path,
        line("a", WIRE, "Bay Post", 0),
        line("b", f"【速報】{WIRE}", "Hill Times", 1),
        line("c", "倉庫検査で亀裂、港湾会社が補修へ 「秋までに」", "Field News", 2),
        line("d", "市場は小動き", "Field News", 3),
    )
    run("--in", source, "--out", tmp_path / "out.jsonl")
    rows = [json.loads(x) for x in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [(r["id"], r["story_id"], r["event_id"], r["reprint"]) for r in rows] == [
        ("a", "a", "a", False),
        ("b", "a", "a", True),
        ("c", "c", "a", False),
        ("d", "d", "d", False),
    ]
    assert set(rows[0]) == {"id", "story_id", "event_id", "reprint", "possible_reprint_of"}


def test_a_feed_list_makes_two_names_one_owner(tmp_path: Path) -> None:
    first, second = (
        "港務局宣布三號碼頭停用 局長：秋季前完成修復",
        "三號碼頭停用 港務局長：秋季前完成修復",
    )
    source = write(tmp_path, line("a", first, "Bay Post", 0), line("b", second, "Bay Extra", 30))
    feeds = tmp_path / "feeds.toml"
    feeds.write_text(
        "".join(
            f'[[feed]]\nurl = "https://{n}.example/rss"\n'
            f'publisher = "Bay {n}"\nowner = "Bay Group"\n'
            for n in ("Post", "Extra")
        )
    )
    for options, same in (((), False), (("--feeds", feeds), True)):
        run("--in", source, "--out", tmp_path / "out.jsonl", *options)
        a, b = map(json.loads, (tmp_path / "out.jsonl").read_text("utf-8").splitlines())
        assert (a["story_id"] == b["story_id"]) is same


def test_bad_lines_are_told_and_left_out(tmp_path: Path) -> None:
    source = write(tmp_path, "{", line("a", WIRE, "Bay Post", 0), {"id": "x"})
    result = run("--in", source, "--out", tmp_path / "out.jsonl")
    assert "2 lines are no articles" in result.output
    assert "line 1: not JSON" in result.output


def test_an_article_without_a_text_is_a_story_of_its_own(tmp_path: Path) -> None:
    empty = [line(name, "", "Bay Post", 1, summary="") for name in ("b", "c")]
    source = write(tmp_path, line("a", WIRE, "Bay Post", 0), *empty, line("d", WIRE, "Hill", 2))
    result = run("--in", source, "--out", tmp_path / "out.jsonl")
    rows = [json.loads(x) for x in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [r["story_id"] for r in rows] == ["a", "b", "c", "a"]
    assert result.output == ""


def test_a_clock_from_the_future_does_not_make_the_index_forget(tmp_path: Path) -> None:
    ahead = line("b", "市場は小動き", "Field News", 1, seen_at="2026-09-01T00:00:00Z")
    source = write(tmp_path, line("a", WIRE, "Bay Post", 0), ahead, line("c", WIRE, "Hill", 2))
    run("--in", source, "--out", tmp_path / "out.jsonl")
    rows = [json.loads(x) for x in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [r["story_id"] for r in rows] == ["a", "b", "a"]


def test_lines_out_of_order_are_told(tmp_path: Path) -> None:
    source = write(tmp_path, line("a", WIRE, "Bay Post", 5), line("b", WIRE, "Hill Times", 0))
    result = run("--in", source, "--out", tmp_path / "out.jsonl")
    assert "sort the lines by fetched_at" in result.output


@pytest.mark.parametrize(
    ("source", "out", "error"),
    [
        ("none.jsonl", "out.jsonl", Refused),
        (".", "out.jsonl", WrongUse),
        ("in.jsonl", "no/o", WrongUse),
    ],
)
def test_wrong_use_ends_in_one_line(
    tmp_path: Path, source: str, out: str, error: type[CommandError]
) -> None:
    write(tmp_path, line("a", WIRE, "Bay Post", 0))
    with pytest.raises(error):
        run("--in", tmp_path / source, "--out", tmp_path / out)
