"""Parts of `straitwatch up` that stop without ending: seen, killed, started again."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import psutil
import pytest

from tests.conftest import installed, wait_until
from tests.integration.service_up import SECONDS, Up

HUNG_SECONDS = 12

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    installed()
    up = Up(tmp_path_factory.mktemp("hung") / "home", HUNG_SECONDS=str(HUNG_SECONDS))
    try:
        up.until("ready")
        yield up
    finally:
        if up.process.poll() is None:
            up.stop()


@pytest.mark.parametrize("part", ["feeds", "desk", "pipeline", "kafka", "engine"])
def test_a_stopped_part_is_seen_killed_and_started_again(service: Up, part: str) -> None:
    mark = len(service.events)
    before = service.pids[part]
    os.kill(before, signal.SIGSTOP)

    assert "no answer for 12 s" in service.until("part-hung", mark, part=part)["reason"]
    assert service.until("part-ended", mark, part=part)["reason"].startswith("hung")
    back = service.until("part-ready", mark, part=part)["pids"][part]
    assert back != before
    if part in {"engine", "kafka"}:
        _job_moves(service)


def test_a_stopped_worker_holds_the_job_and_another_takes_its_place(service: Up) -> None:
    _job_moves(service)
    mark = len(service.events)
    (worker, *_) = _workers(service)
    worker.suspend()

    hung = service.until("part-hung", mark)
    assert hung["part"] == "workers"
    assert "come to nothing" in hung["reason"]
    service.until("part-ready", mark, part="workers")
    assert not worker.is_running()
    _job_moves(service)


def test_a_machine_that_slept_restarts_nothing(service: Up) -> None:
    """Everybody is stopped for longer than any limit, the supervisor first, and goes on."""
    _job_moves(service)
    mark = len(service.events)
    supervisor = psutil.Process(service.pids["supervisor"])
    family = [supervisor, *supervisor.children(recursive=True)]
    for process in family:
        process.suspend()
    threading.Event().wait(HUNG_SECONDS * 3)  # nothing can be looked at: nobody runs
    for process in reversed(family):
        process.resume()

    _job_moves(service)
    threading.Event().wait(HUNG_SECONDS)
    assert [e for e in service.events[mark:] if e["event"] in {"part-hung", "part-ended"}] == []


def _workers(service: Up) -> list[psutil.Process]:
    pool = psutil.Process(service.pids["workers"])
    found: list[psutil.Process] = []

    def there() -> bool:
        found[:] = pool.children()
        return bool(found)

    wait_until(there, "a worker", SECONDS)
    return found


def _job_moves(service: Up) -> None:
    """Wait until the newest job completes one more checkpoint."""
    from deploy.local.flink.checkpoints import CheckpointStore

    store = CheckpointStore(service.home / "engine" / "checkpoints")

    def newest() -> tuple[str, int] | None:
        return next(((c.job_id, c.number) for c in store.newest_first()), None)

    before = newest()
    wait_until(lambda: newest() not in {before, None}, "a checkpoint", SECONDS)
