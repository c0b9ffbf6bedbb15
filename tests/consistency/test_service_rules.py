"""The alert rules for whoever is on call: promtool accepts them, and each fires when it must."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.cli.main import COMMANDS
from deploy.local.setup import prometheus
from pipeline.contracts.metrics import METRICS

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = FOLDER / "service.rules.yml"
WATCHDOG = "StraitwatchWatchdog"
DELIVERY = "straitwatch_desk_deliveries_total"

FIRING: dict[str, tuple[list[tuple[str, str]], str]] = {
    "StraitwatchWatchdog": ([], "1m"),
    "StraitwatchPartDown": ([('up{job="straitwatch",part="desk"}', "0x20")], "10m"),
    "StraitwatchRestarting": (
        [('straitwatch_service_restarts_total{part="feeds"}', "0+1x20")],
        "15m",
    ),
    "StraitwatchDiskFills": ([("straitwatch_service_disk_free_bytes", "9e8x20")], "10m"),
    "StraitwatchBacklog": ([("straitwatch_pipeline_backlog_messages", "9000x20")], "10m"),
    "StraitwatchNothingCounted": (
        [('straitwatch_series_bucket_timestamp_seconds{topic="taiwan"}', "0x60")],
        "40m",
    ),
    "StraitwatchNoCheckpoint": (
        [('flink_jobmanager_job_numberOfCompletedCheckpoints{job_id="a"}', "1+1x5 6x40")],
        "30m",
    ),
    "StraitwatchDeadLetters": (
        [('straitwatch_pipeline_articles_total{outcome="dead_letter"}', "0+5x60")],
        "30m",
    ),
    "StraitwatchRuleFails": (
        [('straitwatch_pipeline_rule_failures_total{step="DetectSpikes"}', "0 0 1x20")],
        "10m",
    ),
    "StraitwatchAlertsUndelivered": ([("straitwatch_desk_outbox_messages", "2x30")], "15m"),
    "StraitwatchAlertsRefused": (
        [(DELIVERY + '{channel="webhook",outcome="refused"}', "_ _ 0 1x20")],
        "10m",
    ),
    "StraitwatchAlertsGivenUp": (
        [('straitwatch_desk_undelivered_messages{state="dead"}', "0 0 1x20")],
        "10m",
    ),
    "StraitwatchAlertsSlow": (
        [
            ('straitwatch_desk_seen_to_delivered_seconds_bucket{le="60"}', "0+1x60"),
            ('straitwatch_desk_seen_to_delivered_seconds_bucket{le="300"}', "0+9x60"),
            ('straitwatch_desk_seen_to_delivered_seconds_bucket{le="+Inf"}', "0+9x60"),
        ],
        "50m",
    ),
    "StraitwatchBlind": (
        [('straitwatch_series_blind{topic="taiwan",series="volume"}', "1x60")],
        "40m",
    ),
}
CALM = [
    ('up{job="straitwatch",part="desk"}', "1x60"),
    ('straitwatch_service_restarts_total{part="feeds"}', "2x60"),
    ("straitwatch_service_disk_free_bytes", "9e8 2e9x60"),
    ("straitwatch_pipeline_backlog_messages", "9000 0x60"),
    ('straitwatch_pipeline_articles_total{outcome="dead_letter"}', "7x60"),
    ("straitwatch_desk_outbox_messages", "2 0 2 0x60"),
    ('flink_jobmanager_job_numberOfCompletedCheckpoints{job_id="a"}', "1+1x60"),
    (DELIVERY + '{channel="webhook",outcome="refused"}', "4x60"),
    ('straitwatch_desk_undelivered_messages{state="dead"}', "3x60"),
    ('straitwatch_series_blind{topic="taiwan",series="volume"}', "1 0 1x20 0x40"),
]


def test_what_the_scrape_calls_a_page_hides_no_label_of_a_metric() -> None:
    """Else Prometheus renames the metric's own: every part that restarts would be "service"."""
    (job,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    of_pages = {name for page in job["static_configs"] for name in page["labels"]}

    assert of_pages & {label for metric in METRICS for label in metric.labels} == {"part"}
    assert job["honor_labels"]


@pytest.fixture
def promtool() -> Path:
    path = prometheus.find("promtool")
    if path is None:
        pytest.skip("promtool is not on the PATH and could not be unpacked")
    return Path(path)


def names() -> list[str]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule["alert"] for group in groups for rule in group["rules"]]


def run_case(promtool: Path, folder: Path, series: list[tuple[str, str]], case: Any) -> None:
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": s, "values": v} for s, v in series],
                "promql_expr_test": case,
            }
        ],
    }
    file = folder / "case.yml"
    file.write_text(yaml.safe_dump(test), encoding="utf-8")
    done = subprocess.run(
        [promtool, "test", "rules", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def expectation(alert: str, moment: str, *, fires: bool) -> dict[str, Any]:
    samples = [{"labels": "{}", "value": 1}] if fires else []
    expression = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0'
    return {"expr": expression, "eval_time": moment, "exp_samples": samples}


@pytest.mark.prometheus
def test_promtool_accepts_every_file(promtool: Path) -> None:
    for arguments in (["check", "config", FOLDER / "prometheus.yml"], ["check", "rules", RULES]):
        done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_a_case_that_fires() -> None:
    assert names() == list(FIRING)


@pytest.mark.prometheus
@pytest.mark.parametrize("alert", list(FIRING))
def test_a_rule_fires_when_it_must(promtool: Path, tmp_path: Path, alert: str) -> None:
    series, moment = FIRING[alert]
    run_case(promtool, tmp_path, series, [expectation(alert, moment, fires=True)])


@pytest.mark.prometheus
def test_no_rule_fires_on_a_calm_day(promtool: Path, tmp_path: Path) -> None:
    calm = [expectation(alert, "55m", fires=False) for alert in names() if alert != WATCHDOG]
    fresh = ('straitwatch_series_bucket_timestamp_seconds{topic="taiwan"}', "0+60x60")
    run_case(promtool, tmp_path, [*CALM, fresh], calm)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.rules.yml")), ids=lambda p: p.name)
def test_every_rule_says_what_is_broken_and_names_commands_that_exist(file: Path) -> None:
    rules = [r for g in yaml.safe_load(file.read_text("utf-8"))["groups"] for r in g["rules"]]
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning", "none"), rule["alert"]
        told = rule["annotations"]
        assert told["summary"], rule["alert"]
        assert told["action"].endswith((".", "?")), rule["alert"]
        for command in re.findall(r"`straitwatch ([a-z-]+)", told["action"]):
            assert command in COMMANDS, rule["alert"]
