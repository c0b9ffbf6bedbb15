"""What counts as hung: a part without an answer, a job that does not move."""

from __future__ import annotations

import asyncio
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from deploy.local import ports
from deploy.local.flink.rest import CheckpointView, JobView
from deploy.local.job.stall import Stall
from deploy.local.supervise import answers
from deploy.local.supervise.patience import ASLEEP_SECONDS, Patience


def test_patience_is_over_after_its_limit_without_an_answer() -> None:
    patience = Patience(60, 0)

    assert not any(patience.is_over(now) for now in range(5, 60, 5))
    assert patience.is_over(60)


def test_an_answer_begins_the_wait_anew() -> None:
    patience = Patience(60, 0)
    assert not patience.is_over(25)
    assert not patience.is_over(50)
    patience.answered(55)

    assert not patience.is_over(80)
    assert not patience.is_over(105)
    assert patience.is_over(120)


@pytest.mark.parametrize("asleep", [ASLEEP_SECONDS + 1, 3600.0, 86_400.0 * 30])
def test_a_machine_that_slept_has_no_hung_part(asleep: float) -> None:
    """Clocks jump while nobody runs: everybody gets the whole limit again."""
    patience = Patience(60, 0)
    moments = [20, 40, 55, 55 + asleep]

    assert not any(patience.is_over(now) for now in moments)
    assert not patience.is_over(moments[-1] + 29)
    assert not patience.is_over(moments[-1] + 58)
    assert patience.is_over(moments[-1] + 61)


@contextmanager
def _server(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    with socketserver.ThreadingTCPServer((ports.HOST, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


class _Mute(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(1000)
        self.request.recv(1000)


def test_a_program_that_takes_a_connection_and_says_nothing_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "SECONDS", 0.2)
    with _server(_Mute) as port:
        assert not asyncio.run(answers.asked(port, answers.KAFKA)())


def test_nobody_at_the_port_does_not_answer() -> None:
    assert not asyncio.run(answers.asked(ports.find_free(), answers.HTTP)())


def test_a_metrics_page_answers_and_its_server_has_nothing_to_complain_about(
    capfd: pytest.CaptureFixture[str],
) -> None:
    server, thread = start_http_server(0, ports.HOST, CollectorRegistry())

    assert asyncio.run(answers.asked(server.server_port, answers.HTTP)())

    server.shutdown()
    server.server_close()
    thread.join()
    assert capfd.readouterr().err == ""


def test_a_grpc_server_answers() -> None:
    from concurrent import futures

    import grpc

    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port(f"{ports.HOST}:0")
    server.start()

    assert asyncio.run(answers.asked(port, answers.GRPC)())

    server.stop(0).wait()


def job(records: int) -> JobView:
    return JobView("job", "straitwatch", "RUNNING", {}, records)


def done(completed: int) -> CheckpointView:
    return CheckpointView(completed, None)


def test_a_job_in_which_nothing_moves_is_first_the_workers_fault_then_the_engines() -> None:
    stall = Stall(60, 0)
    said = [stall.look(job(7), done(3), None, float(now)) for now in range(0, 200, 20)]

    assert [(n * 20, part) for n, part in enumerate(said) if part] == [
        (60, "workers"),
        (120, "engine"),
        (180, "engine"),
    ]


@pytest.mark.parametrize("moving", ["records", "checkpoints"])
def test_a_job_in_which_anything_moves_is_well(moving: str) -> None:
    stall = Stall(60, 0)
    for now in range(0, 600, 20):
        step = now // 20
        records = step if moving == "records" else 7
        completed = step if moving == "checkpoints" else 3
        assert stall.look(job(records), done(completed), None, now) is None


def test_a_job_that_only_fails_and_never_comes_to_a_checkpoint_is_the_engines_fault() -> None:
    """It reads a little each time, from the same place."""
    stall = Stall(60, 0)
    said = [
        stall.look(job(now % 40), done(3), (now // 40, "no class"), float(now))
        for now in range(0, 200, 20)
    ]

    assert [(n * 20, part) for n, part in enumerate(said) if part] == [(120, "engine")]


def test_a_job_that_fails_now_and_then_between_checkpoints_is_well() -> None:
    stall = Stall(60, 0)
    for now in range(0, 600, 20):
        failure = (now // 40, "a worker was killed")
        assert stall.look(job(7), done(now // 40), failure, now) is None


def test_a_job_that_moves_again_after_the_workers_were_blamed_may_blame_them_anew() -> None:
    stall = Stall(60, 0)
    blamed = [stall.look(job(7), done(3), None, float(now)) for now in (0, 20, 40, 60)]
    # Restarted: what it has read begins at nothing, which is no movement yet.
    assert stall.look(job(0), done(3), None, 80) is None
    assert stall.look(job(5), done(4), None, 100) is None
    blamed += [stall.look(job(5), done(4), None, float(now)) for now in (120, 140, 160)]

    assert [part for part in blamed if part] == ["workers", "workers"]


def test_a_job_that_waits_for_kafka_is_excused() -> None:
    stall = Stall(60, 0)
    for now in (0, 20, 40):
        assert stall.look(job(7), done(3), None, float(now)) is None
    stall.excuse(50)

    assert stall.look(job(7), done(3), None, 75) is None
    assert stall.look(job(7), done(3), None, 100) is None
    assert stall.look(job(7), done(3), None, 110) == "workers"
