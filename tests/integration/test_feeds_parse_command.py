"""`straitwatch feeds parse` as its callers see it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

GOOD = "<rss><channel><item><title>{}</title><link>/1</link></item><item/></channel></rss>"
HTML = "<html><body>no feed</body></html>"


def call(folder: Path, *arguments: str) -> tuple[int, str, list[dict[str, Any]]]:
    out = folder / "out.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "feeds", "parse", *arguments, "--out", str(out)],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    lines = out.read_text().splitlines() if out.exists() else []
    return done.returncode, done.stderr, [json.loads(line) for line in lines]


def test_one_feed_ends_with_0_and_its_lines_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(GOOD.format("one"))
    code, err, lines = call(tmp_path, "./a.xml", "--url", "https://site.example/f")
    assert (code, err) == (0, "")
    assert [line["kind"] for line in lines] == ["article", "reject", "document"]
    article, reject, end = lines
    assert article["file"] == "./a.xml"
    assert (article["title"], article["link"]) == ("one", "https://site.example/1")
    assert article["flags"] == ["date_missing"]
    assert reject["reason"] == "no_text"
    assert (end["exit"], end["format"], end["reason"]) == (0, "rss", None)


def test_one_document_that_is_no_feed_ends_with_3_and_one_line_why(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(HTML)
    code, err, lines = call(tmp_path, "a.xml")
    assert code == 3
    assert err == "straitwatch: a.xml: the document is an HTML page\n"
    assert [(line["kind"], line["exit"], line["reason"]) for line in lines] == [
        ("document", 3, "not_a_feed")
    ]


def test_a_bad_document_among_many_stops_none_of_them(tmp_path: Path) -> None:
    names = [f"{n}.xml" for n in range(40)]
    for n, name in enumerate(names):
        (tmp_path / name).write_text(HTML if n % 10 == 3 else GOOD.format(n))
    code, err, lines = call(tmp_path, *names)
    assert code == 0
    assert len(err.splitlines()) == 4
    ends = [line for line in lines if line["kind"] == "document"]
    assert [line["file"] for line in ends] == names
    assert [line["exit"] for line in ends] == [3 if n % 10 == 3 else 0 for n in range(40)]
    assert [line["title"] for line in lines if line["kind"] == "article"] == [
        str(n) for n in range(40) if n % 10 != 3
    ]


def test_the_content_type_holds_for_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(GOOD.format("速報：橋が再開").encode("cp932"))
    _, _, lines = call(tmp_path, "a.xml", "--content-type", "text/xml; charset=shift_jis")
    assert lines[0]["title"] == "速報：橋が再開"
    assert lines[0]["flags"] == ["date_missing"]


def test_a_file_that_cannot_be_read_is_told_and_stops_no_other(tmp_path: Path) -> None:
    code, err, _ = call(tmp_path, "absent.xml")
    assert (code, err) == (
        3,
        "straitwatch: absent.xml: cannot be read: no such file or directory\n",
    )
    (tmp_path / "a.xml").write_text(GOOD.format("One"))
    code, _, lines = call(tmp_path, "absent.xml", "a.xml", str(tmp_path))
    ends = [line for line in lines if line["kind"] == "document"]
    assert code == 0
    assert [line["exit"] for line in ends] == [3, 0, 3]
    assert ends[0]["reason"] == "unreadable"
