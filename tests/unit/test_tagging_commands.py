"""The commands `tag`, `topics check` and `topics explain`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from deploy.cli import tag, topics
from deploy.errors import Refused, WrongUse


def run(*arguments: str, text: str | None = None) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    tag.register(app)
    topics.register(app)
    return CliRunner().invoke(app, list(arguments), input=text)


def tagged(tmp_path: Path, *lines: str) -> list[dict[str, object]]:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = run("tag", "--in", str(source), "--out", str(out))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_tag_writes_a_line_for_each_in_the_same_order(tmp_path: Path) -> None:
    rows = tagged(
        tmp_path,
        '{"id": "b", "title": "White House imposes tariffs on bicycles", "summary": ""}',
        '{"id": 7, "title": "図書館が開館", "summary": null, "published_at": null, "lang": "zh"}',
        '{"id": "a"}',
    )
    assert [row["id"] for row in rows] == ["b", 7, "a"]
    assert [row["lang"] for row in rows] == ["en", "ja", "other"]
    assert rows[1]["topics"] == rows[2]["topics"] == {}
    topic = rows[0]["topics"]["us-trade"]  # type: ignore[index]
    assert topic["escalation"] == 2
    assert topic["score"] >= 1
    assert "tariffs" in topic["terms"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"title": "x"}', "no 'id'"),
        ('{"id": "x", "title": 3}', "'title' is no text"),
        ('{"id": NaN}', "NaN is no number"),
        ('{"id": [-Infinity]}', "-Infinity is no number"),
        ('{"id": 1e999}', "too large a number"),
        ("[" * 100_000, "nested too deeply|not JSON"),
    ],
)
def test_tag_names_the_line_that_is_no_article(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(WrongUse, match=rf"in.jsonl:2: .*({message})"):
        tagged(tmp_path, '{"id": "a"}', line)
    assert not (tmp_path / "out.jsonl").exists()


def test_tag_gives_back_an_id_with_half_a_character(tmp_path: Path) -> None:
    (row,) = tagged(tmp_path, '{"id": "a\\ud800é", "title": "x"}')
    assert row["id"] == "a\ud800é"


def test_check_tells_a_folder_named_like_a_topic_file(tmp_path: Path) -> None:
    (tmp_path / "bikes.toml").mkdir()
    result = run("topics", "check", str(tmp_path))
    assert result.exit_code == 2
    assert result.stderr == (
        f"{tmp_path}/bikes.toml:1: is a folder, not a file; rename it or move it away\n"
    )


def test_tag_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = run("tag", "--in", str(tmp_path / "none"), "--out", str(tmp_path / "out"))
    assert isinstance(result.exception, Refused)


def test_check_tells_each_fault_and_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "bikes.toml").write_text('topic = "bikes"\nx = 1\n', encoding="utf-8")
    result = run("topics", "check", str(tmp_path))
    assert result.exit_code == 2
    assert f"{tmp_path}/bikes.toml:2: unknown key 'x'" in result.stderr
    assert result.stdout == ""


def test_check_of_the_packaged_files_says_what_is_there() -> None:
    from deploy.topic_files import PACKAGED

    result = run("topics", "check", str(PACKAGED))
    assert result.exit_code == 0
    assert "us-trade: " in result.stdout
    assert "rules version " in result.stdout


def test_explain_shows_what_counts_for_and_against() -> None:
    text = "台湾総統、台風の被災地を視察"
    plain = json.loads(run("topics", "explain", text, "--json").stdout)
    assert plain["lang"] == "ja"
    taiwan = plain["topics"]["taiwan"]
    assert taiwan["for"]
    assert taiwan["against"]
    assert all(reason["weight"] < 0 for reason in taiwan["against"])
    shown = run("topics", "explain", text).stdout
    assert "\x1b" not in shown, "no colour unless on a terminal"
    assert "taiwan: " in shown


def test_explain_agrees_with_tag(tmp_path: Path) -> None:
    text = "Beijing halts rare earth exports to Japan"
    (row,) = tagged(tmp_path, json.dumps({"id": "x", "title": text, "summary": ""}))
    plain = json.loads(run("topics", "explain", text, "--json").stdout)
    told = {t: (v["score"], v["escalation"]) for t, v in plain["topics"].items() if v["tagged"]}
    tags: dict[str, dict[str, object]] = row["topics"]  # type: ignore[assignment]
    assert told == {t: (v["score"], v["escalation"]) for t, v in tags.items()}


def test_explain_reads_a_text_from_stdin() -> None:
    result = run("topics", "explain", "-", "--json", text="Title\nTrump tariffs rise")
    assert "us-trade" in json.loads(result.stdout)["topics"]


def test_explain_says_when_nothing_was_found() -> None:
    assert "no term of any topic" in run("topics", "explain", "A quiet day").stdout
