"""The alert rules about feeds, and their dashboard: a rule fires when it must, else it is quiet."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.local.setup import prometheus
from pipeline.contracts.metrics import FEEDS, Kind

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "feeds.rules.yml"
DASHBOARD = ROOT / "dashboards" / "feeds.json"
FETCHES = 'straitwatch_feeds_fetches_total{outcome="%s"}'
NEW = 'straitwatch_feeds_entries_total{outcome="new"}'
PUBLISHED = 'straitwatch_feeds_published_total{group="%s"}'
STATE = 'straitwatch_feeds_feeds{state="%s"}'

# alert -> series that make it fire, the minute, series that must not
CASES = {
    "StraitwatchFeedsNotPolled": ({FETCHES % "ok": "9x60"}, 30, {FETCHES % "ok": "0+1x60"}),
    "StraitwatchFeedsFailing": (
        {FETCHES % "ok": "0+1x60", FETCHES % "timeout": "0+4x60"},
        40,
        {FETCHES % "ok": "0+4x60", FETCHES % "timeout": "0+1x60"},
    ),
    "StraitwatchFeedsLost": (
        {STATE % "failing": "6x60", STATE % "gone": "1x60", STATE % "healthy": "20x60"},
        40,
        {STATE % "failing": "3x60", STATE % "healthy": "20x60", STATE % "new": "1x60"},
    ),
    "StraitwatchFeedsSilent": (
        {STATE % "silent-zero": "3x200", STATE % "healthy": "20x200"},
        90,
        {STATE % "silent-zero": "1x200", STATE % "healthy": "20x200", STATE % "new": "50x200"},
    ),
    "StraitwatchArticlesFall": (
        {NEW: "0+1x1500 1500x200"},
        1640,
        {NEW: "0+1x1700"},
    ),
    "StraitwatchGroupFalls": (
        {PUBLISHED % "en": "0+9x2000", PUBLISHED % "ja": "0+1x1500 1500x500"},
        1860,
        {
            PUBLISHED % "en": "0+9x2000",
            PUBLISHED % "ja": "0+1x1500 1500+0.5x500",
            PUBLISHED % "few": "0+0.1x1500 150x500",
        },
    ),
    "StraitwatchArticlesWait": (
        {"straitwatch_feeds_pending_articles": "5x60"},
        20,
        {"straitwatch_feeds_pending_articles": "5 0 0 5 0 0 5 0 0 5 0 0 5 0 0 5 0 0 5 0 0"},
    ),
    "StraitwatchParserKills": (
        {'straitwatch_feeds_parser_kills_total{limit="time"}': "0+1x60"},
        50,
        {'straitwatch_feeds_parser_kills_total{limit="time"}': "0 1 2 3x60"},
    ),
}


def test_every_rule_has_a_case() -> None:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    assert [rule["alert"] for group in groups for rule in group["rules"]] == list(CASES)


@pytest.mark.prometheus
@pytest.mark.parametrize("alert", list(CASES))
def test_a_rule_fires_when_it_must_and_only_then(tmp_path: Path, alert: str) -> None:
    bad, minute, calm = CASES[alert]
    _judge(tmp_path, alert, minute, (bad, True), (calm, False))


@pytest.mark.prometheus
def test_a_group_falls_also_when_the_connector_was_started_anew_since(tmp_path: Path) -> None:
    gone = {PUBLISHED % "en": "0+9x1500 0+9x500", PUBLISHED % "ja": "0+1x1500 stale"}
    back = {PUBLISHED % "en": "0+9x1500 0+9x500", PUBLISHED % "ja": "0+1x1500 0+1x500"}
    _judge(tmp_path, "StraitwatchGroupFalls", 1900, (gone, True), (back, False))


def _judge(tmp_path: Path, alert: str, minute: int, *cases: tuple[dict[str, str], bool]) -> None:
    """Whether `alert` fires at `minute` for the series of each case, as the case says."""
    promtool = prometheus.find("promtool")
    if promtool is None:
        pytest.skip("promtool is not on the PATH and could not be unpacked")
    expression = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0'
    case = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": s, "values": v} for s, v in series.items()],
                "promql_expr_test": [
                    {
                        "expr": expression,
                        "eval_time": f"{minute}m",
                        "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
                    }
                ],
            }
            for series, fires in cases
        ],
    }
    file = tmp_path / "case.yml"
    file.write_text(yaml.safe_dump(case), encoding="utf-8")
    done = subprocess.run(
        [promtool, "test", "rules", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_and_dashboard_name_only_metrics_that_are_exported() -> None:
    exported = {m.name + ("_total" if m.kind is Kind.COUNTER else "") for m in FEEDS}
    exported |= {f"{m.name}_bucket" for m in FEEDS if m.kind is Kind.HISTOGRAM}
    for file in (RULES, DASHBOARD):
        used = set(re.findall(r"straitwatch_feeds_\w+", file.read_text("utf-8")))
        assert used <= exported, file


def test_every_metric_of_the_feeds_is_on_their_dashboard() -> None:
    text = DASHBOARD.read_text("utf-8")
    assert [m.name for m in FEEDS if m.name not in text] == []


def test_every_panel_says_what_it_answers() -> None:
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    assert all(p["description"] for p in panels if p["type"] != "row")
