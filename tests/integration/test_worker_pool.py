"""The pool of workers, asked as the engine asks it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
import psutil
import pytest
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc, endpoints_pb2

from deploy.local import ports
from deploy.local.ports import HOST
from tests.conftest import wait_until

SECONDS = 60

pytestmark = pytest.mark.timeout(180)


class Pool:
    """A pool as a process of its own, and a client of it."""

    def __init__(self) -> None:
        port = ports.find_free()
        command = [sys.executable, "-m", "deploy.local.flink.worker_pool", "--port", str(port)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_until(lambda: ports.answers(port), "the pool", SECONDS)
        self._channel = grpc.insecure_channel(f"{HOST}:{port}")
        self._stub: Any = beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(self._channel)

    def start(self, worker_id: str, control: str) -> Any:
        """The call for a worker, under way."""
        request = beam_fn_api_pb2.StartWorkerRequest(
            worker_id=worker_id,
            control_endpoint=endpoints_pb2.ApiServiceDescriptor(url=control),
        )
        return self._stub.StartWorker.future(request, timeout=SECONDS)

    def worker(self, worker_id: str) -> psutil.Process:
        """The worker of that name, once it is on its way."""
        found: list[psutil.Process] = []

        def is_there() -> bool:
            children = psutil.Process(self.process.pid).children()
            found[:] = [c for c in children if worker_id in _command(c)]
            return bool(found)

        wait_until(is_there, "a worker", SECONDS)
        return found[0]

    def end(self) -> None:
        """Kill it, and the workers with it."""
        self._channel.close()
        self.process.kill()
        self.process.wait()


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.ZombieProcess, psutil.NoSuchProcess):
        return []


@contextmanager
def running() -> Iterator[Pool]:
    """A pool for the length of the block."""
    pool = Pool()
    try:
        yield pool
    finally:
        pool.end()


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """One for all tests that leave it well."""
    with running() as pool:
        yield pool


@pytest.fixture
def own_pool() -> Iterator[Pool]:
    """One to be ended by the test."""
    with running() as pool:
        yield pool


@pytest.fixture
def silence() -> Iterator[str]:
    """An engine that takes a connection and says nothing: a worker stays on its way to it."""
    with socket.create_server((HOST, 0)) as listener:
        yield f"{HOST}:{listener.getsockname()[1]}"


def test_a_worker_that_reaches_the_engine_is_started(pool: Pool) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port(f"{HOST}:0")
    server.start()
    try:
        assert pool.start("one", f"{HOST}:{port}").result().error == ""
    finally:
        server.stop(None).wait()


def test_a_worker_that_dies_on_its_way_is_an_error_for_the_engine(pool: Pool, silence: str) -> None:
    call = pool.start("two", silence)
    pool.worker("two").kill()

    assert "before it reached the engine" in call.result().error


def test_a_pool_that_is_killed_while_a_worker_is_on_its_way_leaves_no_engine_waiting(
    own_pool: Pool, silence: str
) -> None:
    call = own_pool.start("three", silence)
    worker = own_pool.worker("three")
    own_pool.process.kill()

    with pytest.raises(grpc.RpcError) as failure:
        call.result()
    assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
    worker.wait(SECONDS)


def test_a_worker_that_nobody_waits_for_is_ended(pool: Pool, silence: str) -> None:
    call = pool.start("four", silence)
    worker = pool.worker("four")
    call.cancel()

    worker.wait(SECONDS)
    assert pool.process.poll() is None


def test_a_pool_that_is_stopped_ends_its_workers_and_itself(own_pool: Pool, silence: str) -> None:
    call = own_pool.start("five", silence)  # dropped, it would be cancelled
    worker = own_pool.worker("five")
    own_pool.process.terminate()

    assert own_pool.process.wait(SECONDS) == 0
    assert not worker.is_running()
    assert call.code() is not grpc.StatusCode.OK or call.result().error
