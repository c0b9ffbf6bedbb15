"""``python -m deploy.local.flink.worker_pool --port N``: starts Python workers when asked.

Beam's own pool, but for four things: a worker is started by the main thread and leashed to it, so
that none outlives the pool, whatever ends it; a worker's output goes to the pool's, since Beam's
pool never reads it and a chatty worker would stand still; it listens on this machine only; and it
says that a worker is started when that one has reached the engine. The engine waits for a started
worker without end, so one that dies on its way must be a call that fails: decision 0086.
"""

from __future__ import annotations

import argparse
import logging
import os
import queue
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass
from typing import Any, Final

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

from deploy.local.ports import HOST
from deploy.local.supervise.processes import leashed

_LOG = logging.getLogger("worker-pool")
_STOP_SECONDS: Final = 5
_LOOK_SECONDS: Final = 0.5
"""Between two looks whether the engine still waits for a worker on its way."""
_REACHED: Final = b"."

_WORKER: Final = """\
import os, sys
from apache_beam.runners.worker.sdk_worker import SdkHarness
control, worker_id, voice = sys.argv[1:]
harness = SdkHarness(
    control, worker_id=worker_id, state_cache_size=0, data_buffer_time_limit_ms=-1
)
os.write(int(voice), b".")
os.close(int(voice))
harness.run()
"""
"""As Beam's pool starts one (its worker_pool_main), and a word when it is connected."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A worker that the engine asks for."""

    worker_id: str
    control: str
    """Where it finds the engine, ``host:port``."""
    voice: int
    """The end of a pipe that it writes to; closed at both ends when it is gone."""


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """Takes requests in the server's threads; `run`, in the main thread, starts the workers."""

    def __init__(self) -> None:
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 - Beam's name
        """Start a worker for the engine, and answer when it is there."""
        ours, theirs = os.pipe()
        try:
            self._requests.put(_Request(request.worker_id, request.control_endpoint.url, theirs))
            error = _until_reached(ours, context.is_active)
        finally:
            os.close(ours)
        if error:
            self._end(request.worker_id)
        return beam_fn_api_pb2.StartWorkerResponse(error=error)

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        """End the worker that the engine no longer needs."""
        self._end(request.worker_id)
        return beam_fn_api_pb2.StopWorkerResponse()

    def run(self) -> None:
        """Start workers until `stop`."""
        while (request := self._requests.get()) is not None:
            try:
                self._start(request)
            except OSError as e:  # no more processes or memory: the engine asks again
                _LOG.error("worker %s cannot be started: %s", request.worker_id, e)
            finally:
                os.close(request.voice)

    def stop(self) -> None:
        """Let `run` return; may be called from a signal handler."""
        self._requests.put(None)

    def end_all(self) -> None:
        """End all workers; who waits for one that is not started is told so."""
        while not self._requests.empty():
            if (request := self._requests.get()) is not None:
                os.close(request.voice)
        for worker_id in list(self._workers):
            self._end(worker_id)

    def _start(self, request: _Request) -> None:
        self._reap()
        arguments = [request.control, request.worker_id, str(request.voice)]
        worker = subprocess.Popen(
            leashed([sys.executable, "-c", _WORKER, *arguments]), pass_fds=[request.voice]
        )
        self._workers[request.worker_id] = worker
        _LOG.info("worker %s: process %d", request.worker_id, worker.pid)

    def _end(self, worker_id: str) -> None:
        worker = self._workers.pop(worker_id, None)
        if worker is None:
            return
        worker.terminate()
        try:
            worker.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        _LOG.info("worker %s ended: %d", worker_id, worker.returncode)

    def _reap(self) -> None:
        for worker_id, worker in list(self._workers.items()):
            if worker.poll() is not None:
                _LOG.warning("worker %s is gone: %d", worker_id, worker.returncode)
                self._workers.pop(worker_id, None)


def _until_reached(voice: int, is_awaited: Callable[[], bool]) -> str:
    """Wait until the worker says that it has reached the engine; why it will not, or nothing."""
    while is_awaited():
        if select.select([voice], [], [], _LOOK_SECONDS)[0]:
            if os.read(voice, 1) == _REACHED:
                return ""
            return "the worker ended before it reached the engine; see the log of the workers"
    return "nobody waits for the worker any more"


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # The engine's jars and Beam's Python part say their age at every call.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    pool = WorkerPool()
    # Without limits on pings: the engine's channel stays for weeks.
    server = grpc.server(
        futures.ThreadPoolExecutor(8),
        options=[("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0)],
    )
    server.add_insecure_port(f"{HOST}:{port}")
    register: Any = beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server
    register(pool, server)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: pool.stop())
    server.start()
    _LOG.info("listening on %s:%d", HOST, port)
    pool.run()
    stopped = server.stop(1)  # takes no more requests
    pool.end_all()
    stopped.wait()


if __name__ == "__main__":
    main()
