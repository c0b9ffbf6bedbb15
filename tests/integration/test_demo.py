"""The demo as a whole, and every panel of the dashboards on a real Prometheus that watches it."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.desk.message import compose
from deploy.demo.run import DemoResult, run_demo
from deploy.demo.scenario import Scenario
from deploy.demo.story import tell
from deploy.local.ports import find_free
from deploy.local.setup import prometheus
from deploy.local.supervise.processes import leashed
from tests.conftest import installed

DASHBOARDS = Path(__file__).parents[2] / "dashboards"
SECONDS = 45
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.engine, pytest.mark.timeout(600)]

EMPTY = {
    "increase(straitwatch_desk_unreadable_records_total[1h])": "the desk could read every record",
}
"""Queries that rightly have no data in a run where all goes well, and why."""


class _Watched:
    """The demo, and what Prometheus answers to each query at its end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pages: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""
        self.without_data: list[str] = []
        self.result: DemoResult

    def play(self) -> None:
        self.result = run_demo(self._say, self._on_event, self._folder / "demo", look=self._ask_all)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _on_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "ready":
            self._pages = event["metrics"]

    def _say(self, _text: str) -> None:
        program = prometheus.find("prometheus")
        if self._pages and self._process is None and program is not None:
            self._start(program)

    def _start(self, program: Path) -> None:
        jobs = [
            {
                "targets": [urllib.parse.urlsplit(page).netloc],
                "labels": {"part": part},
            }
            for part, page in self._pages.items()
        ]
        config = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [
                {"job_name": "straitwatch", "honor_labels": True, "static_configs": jobs}
            ],
        }
        file = self._folder / "prometheus.yml"
        file.write_text(json.dumps(config))  # JSON is YAML
        port = find_free()
        self._url = f"http://127.0.0.1:{port}/api/v1/query?query="
        self._process = subprocess.Popen(
            leashed(
                [
                    str(program),
                    f"--config.file={file}",
                    f"--storage.tsdb.path={self._folder / 'tsdb'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ]
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _ask_all(self) -> None:
        if self._process is None:
            return
        end = time.monotonic() + SECONDS
        left = [query for query in _queries() if query not in EMPTY]
        while left and time.monotonic() < end:
            left = [query for query in left if not self._has_data(query)]
            time.sleep(0.5)
        self.without_data = left

    def _has_data(self, query: str) -> bool:
        try:
            with urllib.request.urlopen(self._url + urllib.parse.quote(query), timeout=10) as page:
                return bool(json.load(page)["data"]["result"])
        except OSError:
            return False


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Watched]:
    installed()
    played = _Watched(tmp_path_factory.mktemp("demo"))
    try:
        played.play()
        yield played
    finally:
        played.stop()


def _queries() -> list[str]:
    out: list[str] = []

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("expr"), str):
                out.append(node["expr"].replace("$topic", ".*"))
            for value in node.values():
                collect(value)
        elif isinstance(node, list):
            for value in node:
                collect(value)

    for file in sorted(DASHBOARDS.glob("*.json")):
        collect(json.loads(file.read_text())["panels"])
    return out


def test_the_alert_on_the_topic_arrives_and_nothing_is_lost(watched: _Watched) -> None:
    result = watched.result

    assert result.ok
    assert result.as_json()["lost"] == 0
    assert result.as_json()["alerts_delivered"] == result.as_json()["alerts_raised"] > 0


def test_the_baseline_that_the_alert_stands_on_is_warm(watched: _Watched) -> None:
    assert watched.result.alert is not None
    assert watched.result.alert.baseline.warm


def test_the_hostile_outlet_and_the_old_item_leave_no_mark(watched: _Watched) -> None:
    result = watched.result
    scenario = Scenario()
    old = {i.title for i in scenario.crisis(NOW) if NOW - i.published_at > timedelta(days=1)}

    assert result.ledger.dead_letters == 0
    assert len(old) == 1
    for received in result.delivered:
        for evidence in received.alert.evidence:
            assert evidence.title not in old
            assert evidence.publisher != scenario.hostile.publisher


def test_the_terminal_shows_the_message_of_the_desk_and_all_three_topics(watched: _Watched) -> None:
    text = tell(watched.result)

    assert watched.result.alert is not None
    assert compose(watched.result.alert).title in text
    assert set(watched.result.whole_story_topics) == {"japan-china", "taiwan", "us-trade"}


@pytest.mark.prometheus
def test_every_panel_has_data_but_for_what_has_a_reason(watched: _Watched) -> None:
    if prometheus.find("prometheus") is None:
        pytest.skip("no Prometheus on the PATH and none in the cache; see ./run.sh install")

    assert len(_queries()) > 30
    assert set(EMPTY) <= set(_queries())
    assert watched.without_data == []
