"""`pipeline run --runner …`: the job on a Beam runner that somebody else runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.bus.topics import ensure_topics
from deploy.any_runner import options_for
from deploy.local.flink.engine import EngineSetup
from deploy.local.flink.rest import FlinkAway, FlinkRest
from deploy.local.ports import HOST, find_free
from pipeline.contracts.topics import topic_specs
from tests.conftest import wait_until
from tests.integration.articles_on_kafka import counted, send_articles


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "deploy.cli", "pipeline", "run", *options]


def environment(home: Path, kafka: str) -> dict[str, str]:
    ours = {k: v for k, v in os.environ.items() if not k.startswith("STRAITWATCH_")}
    return ours | {"STRAITWATCH_HOME": str(home), "STRAITWATCH_KAFKA_BOOTSTRAP": kafka}


def test_options_of_the_user_stand_above_ours() -> None:
    options = options_for("FlinkRunner", ["--checkpointing_interval=60000", "--job_name", "mine"])

    assert "--checkpointing_interval=5000" not in options
    assert "--job_name=straitwatch" not in options
    assert "--max_bundle_time_mills=200" in options
    assert options[-3:] == ["--checkpointing_interval=60000", "--job_name", "mine"]


def test_only_a_flink_gets_its_options() -> None:
    assert options_for("DirectRunner", []) == ["--runner=DirectRunner", "--job_name=straitwatch"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--runner", "NoSuchRunner"), 2, "Unexpected pipeline runner: NoSuchRunner"),
        (("--runner", "PrismRunner"), 1, "Kafka at"),
        (("--parallelism=2",), 2, "need --runner in front"),
    ],
)
def test_what_cannot_be_is_one_line(
    tmp_path: Path, options: tuple[str, ...], code: int, words: str
) -> None:
    nobody = f"{HOST}:{find_free()}"
    done = subprocess.run(
        command(*options),
        env=environment(tmp_path, nobody),
        capture_output=True,
        text=True,
        check=False,
    )

    ours = [line for line in done.stderr.splitlines() if line.startswith("straitwatch: ")]
    assert done.returncode == code, done.stderr
    assert len(ours) == 1
    assert words in ours[0]
    assert "Traceback" not in done.stderr


@pytest.fixture
def job_of_another(
    tmp_path: Path, kafka_bootstrap: str, engine: EngineSetup
) -> Iterator[subprocess.Popen[bytes]]:
    """The job on the portable runner of the session's engine, as if it were somebody else's."""
    ensure_topics(kafka_bootstrap, topic_specs(), replication=1)
    at = engine.ports
    options = (
        f"--job_endpoint={HOST}:{at.job}",
        f"--artifact_endpoint={HOST}:{at.artifact}",
        "--environment_type=EXTERNAL",
        f"--environment_config={HOST}:{at.workers}",
    )
    with (tmp_path / "job.log").open("wb") as log:
        process = subprocess.Popen(
            command("--runner", "PortableRunner", *options),
            env=environment(tmp_path, kafka_bootstrap),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            rest = FlinkRest(f"{HOST}:{at.rest}")
            _end_all(rest)


def _end_all(rest: FlinkRest) -> None:
    def over() -> bool:
        try:
            for job in rest.active_jobs():
                rest.cancel(job)
        except FlinkAway:
            return True
        return False

    wait_until(over, "the job ends")


@pytest.mark.kafka
@pytest.mark.engine
@pytest.mark.timeout(300)
def test_the_job_runs_on_a_portable_runner(
    kafka_bootstrap: str, job_of_another: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    before = counted(kafka_bootstrap)
    send_articles(kafka_bootstrap, 1000, 20)

    def all_counted() -> bool:
        assert job_of_another.poll() is None, (tmp_path / "job.log").read_text()[-2000:]
        return counted(kafka_bootstrap) >= before + 20

    wait_until(all_counted, "the articles are counted", 150)
