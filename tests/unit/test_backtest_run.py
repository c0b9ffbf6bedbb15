"""A backtest as a command: an invented archive in, alerts, series, summary and report out."""

from __future__ import annotations

import csv
import json
import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from deploy.backtest.compare import read_other
from deploy.backtest.outputs import Episode, add_revision
from deploy.cli.backtest import register
from deploy.errors import CommandError, Refused, WrongUse
from pipeline.contracts.codec import decode
from pipeline.contracts.records import Alert, AlertState, Observed, Severity, severity_rank

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 8
TOPIC = """
schema = 1
topic = "harbour"
title = "Harbour & <piers>"

[[set]]
name = "harbour"
weight = 1
en = ["harbour"]

[[set]]
name = "blockade"
en = ["blockade"]

[[escalation]]
name = "ships in the way"
level = 2
all = ["blockade"]
"""


def article(n: int, at: datetime, outlet: int, title: str) -> dict[str, Any]:
    return {
        "id": f"a{n}",
        "title": title,
        "summary": "",
        "published_at": at.isoformat(),
        "fetched_at": (at + timedelta(minutes=4)).isoformat(),
        "source": f"Outlet {outlet}",
        "url": f"https://outlet{outlet}.example/{n}",
    }


def archive_lines() -> list[dict[str, Any]]:
    """A week of calm with a story on the harbour now and then, then a blockade."""
    draw = random.Random(4)
    lines: list[dict[str, Any]] = []
    names = ["Adler", "Birch", "Cedar", "Dogwood", "Elder", "Fir", "Gorse", "Hazel", "Ivy"]
    for minute in range(0, DAYS * 1440, 7):
        at = START + timedelta(minutes=minute)
        n = len(lines)
        word = f"{draw.choice(names)} {draw.randrange(10**6)} {draw.choice(names)}"
        title = f"Council of {word} met about the market"
        if draw.random() < 0.01:
            title = f"Harbour of {word} fears a blockade by {draw.choice(names)}"
        lines.append(article(n, at, n % 12, title))
    begin = START + timedelta(days=7, hours=10)
    for k in range(24):
        at = begin + timedelta(minutes=5 * k)
        who, what = names[k % 9], names[(5 * k + 2) % 9]
        title = (
            f"{who} ships under {what} start blockade of harbour {k * 37 + 11}, {what} envoy says"
        )
        lines.append(article(10_000 + k, at, k % 12, title))
    return sorted(lines, key=lambda line: str(line["fetched_at"]))


def run(*arguments: object) -> str:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, ["backtest", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "week.jsonl"
    lines = [json.dumps(line) for line in archive_lines()]
    lines.insert(3, "{ not json")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("topics")
    (folder / "harbour.toml").write_text(TOPIC)
    return folder


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("truth") / "truth.json"
    episode = {
        "episode_id": "blockade",
        "topic": "harbour",
        "level": "must",
        "start": (START + timedelta(days=7, hours=10)).isoformat(),
        "end": (START + timedelta(days=7, hours=16)).isoformat(),
        "what": "<b>blockade</b>",
    }
    path.write_text(json.dumps({"episodes": [episode], "scored_windows": []}))
    return path


@pytest.fixture(scope="module")
def result(
    archive: Path, topics: Path, truth: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("out") / "new" / "folder"
    run("--articles", archive, "--out", out, "--topics", topics, "--truth", truth)
    return out


def alerts(folder: Path) -> list[Alert]:
    lines = (folder / "alerts.jsonl").read_bytes().splitlines()
    return [decode(Alert, line) for line in lines]


def test_the_blockade_raises_one_alert_with_gapless_revisions(result: Path) -> None:
    found = alerts(result)
    assert {a.topic for a in found} == {"harbour"}
    assert len({a.alert_id for a in found}) == 1
    assert [a.revision for a in found] == list(range(1, len(found) + 1))
    assert [a.revised_at for a in found] == sorted(a.revised_at for a in found)
    assert found[-1].state is AlertState.CLOSED


def test_an_alert_is_shown_at_its_height_here_and_where_it_is_compared_with(result: Path) -> None:
    first, *later = alerts(result)
    (there,) = read_other(result).episodes.values()
    severest = max(severity_rank(a.severity) for a in (first, *later))
    assert severity_rank(there.top.severity) == severest
    calmer = replace(first, revision=9, severity=Severity.INFO, observed=Observed(999, 999))
    graver = replace(first, revision=2, severity=Severity.CRITICAL, observed=Observed(4, 4))
    episodes: dict[str, Episode] = {}
    for alert in (first, graver, calmer):
        add_revision(episodes, alert)
    assert episodes[first.alert_id].top == graver
    assert episodes[first.alert_id].last == calmer


def test_evidence_names_articles_of_the_archive(archive: Path, result: Path) -> None:
    ids = {json.loads(x)["id"] for x in archive.read_text().splitlines() if x.startswith('{"id"')}
    evidence = {e.article_id for a in alerts(result) for e in a.evidence}
    assert evidence
    assert evidence <= ids


def test_the_series_has_each_bucket_once_and_in_order(result: Path) -> None:
    rows = list(csv.DictReader((result / "series.csv").read_text("utf-8").splitlines()))
    for series in ("escalation", "volume"):
        buckets = [r["bucket"] for r in rows if r["series"] == series]
        assert buckets == sorted(set(buckets))
        assert len(buckets) > (DAYS - 1) * 288
    counted = sum(int(r["independent"]) for r in rows if r["series"] == "escalation")
    assert counted >= 24


def test_the_summary_adds_up(archive: Path, result: Path) -> None:
    summary = json.loads((result / "summary.json").read_text("utf-8"))
    assert summary["articles"] == len(archive.read_text().splitlines()) - 1
    assert summary["bad_lines"] == 1
    assert "line 4" in summary["first_bad_line"]
    topic = summary["topics"]["harbour"]
    assert topic["truth"]["found"] == 1
    assert topic["truth"]["recall"] == topic["truth"]["precision"] == 1.0
    assert 0 < topic["truth"]["delay_median_min"] < 90


def test_the_report_needs_no_network_and_trusts_no_text(result: Path) -> None:
    html = (result / "report.html").read_text("utf-8")
    assert "Harbour &amp; &lt;piers&gt;" in html
    assert "<b>blockade</b>" not in html
    assert "<script" not in html
    assert not re.search(r"(?:src|data|action)\s*=|@import|url\(", html)
    assert "default-src 'none'" in html
    assert html.count("<svg") == 1


def test_two_runs_give_the_same_alerts(
    archive: Path, topics: Path, result: Path, tmp_path: Path
) -> None:
    run("--articles", archive, "--out", tmp_path, "--topics", topics)
    assert (tmp_path / "alerts.jsonl").read_bytes() == (result / "alerts.jsonl").read_bytes()
    assert (tmp_path / "series.csv").read_bytes() == (result / "series.csv").read_bytes()


def test_a_comparison_says_what_changed_rules_do(
    archive: Path, topics: Path, result: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "topics"
    changed.mkdir()
    text = TOPIC.replace('en = ["blockade"]', 'en = ["boycott"]')
    (changed / "harbour.toml").write_text(text)
    out = tmp_path / "out"
    run("--articles", archive, "--out", out, "--topics", changed, "--compare", result)
    change = json.loads((out / "summary.json").read_text("utf-8"))["compare"]["topics"]["harbour"]
    assert change["articles_gained"] == change["articles_lost"] == 0
    assert change["escalation_changed"] >= 24
    assert change["alerts_only_there"] == [alerts(result)[0].alert_id]
    assert "Raised only in" in (out / "report.html").read_text("utf-8")


def test_a_comparison_shows_what_fewer_alerts_a_month_would_mean(
    archive: Path, tmp_path: Path
) -> None:
    for name, wanted in (("eager", 15), ("calm", 0.5)):
        (tmp_path / name).mkdir()
        text = TOPIC.replace("[[set]]", f"alerts_a_month = {wanted}\n\n[[set]]", 1)
        (tmp_path / name / "harbour.toml").write_text(text)
    many, out = tmp_path / "many", tmp_path / "few"
    run("--articles", archive, "--out", many, "--topics", tmp_path / "eager")
    said = run(
        *("--articles", archive, "--out", out, "--topics", tmp_path / "calm", "--compare", many)
    )

    summary = json.loads((out / "summary.json").read_text("utf-8"))
    before = json.loads((many / "summary.json").read_text("utf-8"))
    assert summary["sensitivity"]["harbour"] < 0.01 < before["sensitivity"]["harbour"]
    assert summary["rules_version"] != before["rules_version"]
    change = summary["compare"]["topics"]["harbour"]
    here, there = change["notifications_a_month"]
    assert here < there
    assert (change["articles_gained"], change["escalation_changed"]) == (0, 0)
    assert f"told {here:g} times a month, there {there:g}" in said
    assert f'<td class="n">{here}</td><td class="n">{there}</td>' in (
        out / "report.html"
    ).read_text("utf-8")


def test_feed_status_stands_in_for_the_derived_exposure(
    archive: Path, topics: Path, tmp_path: Path
) -> None:
    status = tmp_path / "status.jsonl"
    lines = []
    for bucket in range(DAYS * 288):
        at = START + timedelta(minutes=5 * bucket)
        lines += [
            json.dumps(
                {
                    "schema": 1,
                    "bucket": at.isoformat(),
                    "group": f"Outlet {n}",
                    "polled": 1,
                    "answered": 1,
                    "articles": 1,
                }
            )
            for n in range(12)
        ]
    status.write_text("\n".join(lines))
    out = tmp_path / "out"
    run("--articles", archive, "--out", out, "--topics", topics, "--feed-status", status)
    assert alerts(out)
    assert json.loads((out / "summary.json").read_text("utf-8"))["exposure"] == "feed status"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"--articles": "none.jsonl"}, Refused, "none.jsonl"),
        ({"--topics": "none"}, Refused, "no such folder"),
        ({"--truth": "none.json"}, Refused, "none.json"),
        ({"--compare": "none"}, Refused, "not the folder of a backtest"),
        ({"--feeds": "none.toml"}, Refused, "none.toml"),
        ({"--feed-status": "none.jsonl"}, Refused, "none.jsonl"),
        ({"--out": "week.jsonl"}, WrongUse, "cannot be made a folder"),
    ],
)
def test_wrong_use_ends_in_one_line(
    archive: Path,
    topics: Path,
    tmp_path: Path,
    change: dict[str, str],
    error: type[CommandError],
    message: str,
) -> None:
    options: dict[str, object] = {
        "--articles": archive,
        "--topics": topics,
        "--out": tmp_path / "o",
    }
    options |= {k: archive.parent / v for k, v in change.items()}
    with pytest.raises(error, match=re.escape(message)):
        run(*(x for pair in options.items() for x in pair))


def test_an_archive_without_articles_is_wrong_use(topics: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("nothing\n")
    with pytest.raises(WrongUse, match="line 1: not JSON"):
        run("--articles", empty, "--out", tmp_path / "o", "--topics", topics)
    # What an earlier run left there would be mixed with nothing.
    assert list((tmp_path / "o").iterdir()) == []


def test_a_backtest_is_not_compared_with_what_it_overwrites(
    archive: Path, topics: Path, tmp_path: Path
) -> None:
    again = tmp_path / "x" / ".." / "o"
    with pytest.raises(WrongUse, match="both --out and --compare"):
        run("--articles", archive, "--topics", topics, "--out", tmp_path / "o", "--compare", again)


def test_episodes_of_a_topic_that_nobody_watches_are_told(
    archive: Path, topics: Path, truth: Path, tmp_path: Path
) -> None:
    (tmp_path / "t.json").write_text(truth.read_text().replace('"harbour"', '"harbor"'))
    options = ("--articles", archive, "--topics", topics, "--out", tmp_path / "o")
    assert "episodes of harbor, which no topic file watches" in run(
        *options, "--truth", tmp_path / "t.json"
    )
    assert "no topic file watches" not in run(*options, "--truth", truth)


def test_a_feed_status_of_a_broken_clock_is_told_with_its_line(
    archive: Path, topics: Path, tmp_path: Path
) -> None:
    status = tmp_path / "status.jsonl"
    fields = '"schema": 1, "group": "g", "polled": 1, "answered": 1, "articles": 1'
    status.write_text(f'{{"bucket": "9999-12-31T23:55:00Z", {fields}}}\n')
    with pytest.raises(WrongUse, match=re.escape("status.jsonl:1: a bucket in the year 9999")):
        run(
            *("--articles", archive, "--topics", topics),
            *("--out", tmp_path / "o", "--feed-status", status),
        )
