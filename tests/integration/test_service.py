"""`straitwatch up` with all its real parts: ready, killed, restored, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.conftest import installed
from tests.integration.service_up import SECONDS, Up, environment, up_command

PARTS = {"supervisor", "kafka", "engine", "workers", "feeds", "pipeline", "desk"}
pytestmark = [pytest.mark.kafka, pytest.mark.engine, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    installed()
    up = Up(tmp_path_factory.mktemp("up") / "home")
    try:
        up.until("ready")
        yield up
    finally:
        if up.process.poll() is None:
            up.stop()


def test_the_ready_event_has_what_the_contract_names(service: Up) -> None:
    ready = service.until("ready")

    assert set(ready["pids"]) == PARTS
    assert all(psutil.pid_exists(pid) for pid in ready["pids"].values())
    assert set(ready["metrics"]) >= {"feeds", "desk", "pipeline", "engine", "service"}
    assert ready["kafka"].startswith("127.0.0.1:")
    assert ready["console"] is None


def test_every_metrics_page_answers(service: Up) -> None:
    import urllib.request

    for name, url in service.until("ready")["metrics"].items():
        with urllib.request.urlopen(url, timeout=10) as page:
            assert b"# HELP" in page.read(), name


def test_every_port_of_every_process_is_on_the_loopback_address(service: Up) -> None:
    supervisor = psutil.Process(service.pids["supervisor"])
    listening = {
        (process.name(), address.laddr.ip, address.laddr.port)
        for process in (supervisor, *supervisor.children(recursive=True))
        for address in process.net_connections("inet")
        if address.status == psutil.CONN_LISTEN
    }

    ours = {int(url.rsplit(":", 1)[1].split("/")[0]) for url in _pages(service)}
    assert ours <= {port for _, _, port in listening}, "one that was not looked at"
    assert len(listening) >= 12
    assert {ip for _, ip, _ in listening} <= {"127.0.0.1", "::ffff:127.0.0.1"}, listening


def _pages(service: Up) -> list[str]:
    return list(service.until("ready")["metrics"].values())


def test_a_second_service_on_the_home_is_refused_in_one_line(service: Up) -> None:
    second = subprocess.run(
        up_command(), env=environment(service.home), capture_output=True, text=True, check=False
    )

    assert second.returncode == 3
    assert second.stderr.count("\n") == 1
    assert str(service.pids["supervisor"]) in second.stderr


def test_doctor_sees_the_service_that_runs(service: Up) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "doctor", "--json"],
        env=environment(service.home),
        capture_output=True,
        text=True,
        check=False,
    )

    findings = {f["what"]: f for f in json.loads(done.stdout)}
    assert findings["service"]["outcome"] == "ok"
    assert findings["Kafka"]["outcome"] == "ok"
    assert done.returncode == 0


def test_after_kill_9_of_the_engine_the_job_goes_on_from_its_checkpoint(service: Up) -> None:
    _checkpointed(service)
    mark = len(service.events)
    os.kill(service.pids["engine"], signal.SIGKILL)

    assert service.until("running", mark)["how"] == "restored"
    service.until("part-ready", mark, part="pipeline")


def test_after_kill_9_of_the_watcher_it_finds_the_job_and_starts_no_other(service: Up) -> None:
    job = [e for e in service.events if e["event"] == "running"][-1]["job"]
    mark = len(service.events)
    os.kill(service.pids["pipeline"], signal.SIGKILL)

    running = service.until("running", mark)
    assert (running["how"], running["job"]) == ("attached", job)


@pytest.mark.slow
def test_a_broken_checkpoint_is_passed_over_and_a_replay_says_why(service: Up) -> None:
    _checkpointed(service)
    mark = len(service.events)
    os.kill(service.pids["engine"], signal.SIGSTOP)
    for metadata in (service.home / "engine" / "checkpoints").glob("*/chk-*/_metadata"):
        metadata.write_bytes(metadata.read_bytes()[:200])
    os.kill(service.pids["engine"], signal.SIGKILL)

    assert "chk-" in service.until("not-restored", mark)["checkpoint"]
    running = service.until("running", mark)
    assert running["how"] == "replay"
    assert "no checkpoint can be restored" in running["reason"]


@pytest.mark.slow
def test_after_kill_9_of_the_supervisor_nothing_is_left_and_the_next_goes_on(service: Up) -> None:
    _checkpointed(service)
    before = service.pids
    os.kill(before["supervisor"], signal.SIGKILL)
    _, alive = psutil.wait_procs([p for p in map(_process, before.values()) if p], timeout=10)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]

    service.again()

    assert service.until("running")["how"] == "restored"
    service.until("ready")


def test_sigterm_stops_everything_within_its_time_and_ends_0(service: Up) -> None:
    pids = service.pids

    assert service.stop() == 0
    assert not any(psutil.pid_exists(pid) for pid in pids.values())
    assert service.events[-1] == {"event": "stopped"}
    assert not (service.home / "run" / "ready.json").exists()


def _checkpointed(service: Up) -> None:
    """Wait until the job that runs now has a checkpoint of its own."""
    from deploy.local.flink.checkpoints import CheckpointStore
    from tests.conftest import wait_until

    job = [e for e in service.events if e["event"] == "running"][-1]["job"]
    store = CheckpointStore(service.home / "engine" / "checkpoints")
    wait_until(lambda: any(c.job_id == job for c in store.newest_first()), "a checkpoint", SECONDS)


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None
