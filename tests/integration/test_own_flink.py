"""`straitwatch up` on a Flink and a Kafka that are not its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.flink.rest import FlinkRest
from tests.conftest import installed, wait_until
from tests.integration.articles_on_kafka import counted, send_articles
from tests.integration.flink_cluster import flink_cluster
from tests.integration.service_up import SECONDS, Up

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkRest]:
    installed()
    with flink_cluster(tmp_path_factory.mktemp("flink") / "cluster") as cluster:
        yield cluster


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_the_job_runs_on_the_cluster_and_goes_on_there_after_every_stop(
    flink: FlinkRest, kafka_bootstrap: str, home: Path
) -> None:
    up = Up(home, FLINK_REST=flink.address, KAFKA_BOOTSTRAP=kafka_bootstrap)
    try:
        ready = up.until("ready")
        assert "engine" not in ready["metrics"], "its metrics are its own"
        assert ready["pids"]["kafka"] is None
        assert ready["kafka"] == kafka_bootstrap
        running = up.until("running")
        assert running["how"] == "replay"
        assert flink.active_jobs() == [running["job"]]
        before = counted(kafka_bootstrap)
        send_articles(kafka_bootstrap, 2000, 20)
        wait_until(lambda: counted(kafka_bootstrap) >= before + 20, "20 are counted", SECONDS)
        _checkpointed(flink, running["job"])

        # The job outlives a killed service; it only lacks workers meanwhile.
        os.kill(up.pids["supervisor"], signal.SIGKILL)
        up.again()
        up.until("ready")
        again = up.until("running")
        assert again["how"] in {"attached", "restored"}
        assert len(flink.active_jobs()) == 1
        send_articles(kafka_bootstrap, 2010, 20)
        wait_until(lambda: counted(kafka_bootstrap) >= before + 40, "40 are counted", SECONDS)
        _checkpointed(flink, again["job"])

        # A stop ends it: nobody would do its work.
        assert up.stop() == 0
        assert flink.active_jobs() == []

        up.again()
        up.until("ready")
        assert up.until("running")["how"] == "restored"
        assert len(flink.active_jobs()) == 1
    finally:
        if up.process.poll() is None:
            up.stop()
    assert flink.active_jobs() == []


def _checkpointed(flink: FlinkRest, job: str) -> None:
    done = flink.checkpoints(job).completed
    wait_until(lambda: flink.checkpoints(job).completed > done + 1, "checkpoints", SECONDS)
