"""``python -m deploy.local.flink.worker_pool --port N``: starts Python workers when asked.

Beam's own pool, but for three things: a worker is started by the main thread and leashed to it, so
that none outlives the pool, whatever ends it; a worker's output goes to the pool's, since Beam's
pool never reads it and a chatty worker would stand still; and it listens on this machine only.
"""

from __future__ import annotations

import argparse
import logging
import os
import queue
import signal
import subprocess
import sys
from concurrent import futures
from typing import Any, Final

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

from deploy.local.ports import HOST
from deploy.local.supervise.processes import leashed

_LOG = logging.getLogger("worker-pool")
_STOP_SECONDS: Final = 5

_WORKER: Final = """\
import sys
from apache_beam.runners.worker.sdk_worker import SdkHarness
SdkHarness(
    sys.argv[1], worker_id=sys.argv[2], state_cache_size=0, data_buffer_time_limit_ms=-1
).run()
"""
"""As Beam's pool starts one (its worker_pool_main)."""


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """Takes requests in the server's threads; `run`, in the main thread, carries them out."""

    def __init__(self) -> None:
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._requests: queue.SimpleQueue[tuple[Any, futures.Future[str]] | None] = (
            queue.SimpleQueue()
        )

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 - Beam's names
        """Start a worker for the engine."""
        return beam_fn_api_pb2.StartWorkerResponse(error=self._ask(request))

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        """End the worker that the engine no longer needs."""
        return beam_fn_api_pb2.StopWorkerResponse(error=self._ask(request))

    def run(self) -> None:
        """Carry out requests until `stop`; then end all workers."""
        while (item := self._requests.get()) is not None:
            request, answer = item
            try:
                if isinstance(request, beam_fn_api_pb2.StartWorkerRequest):
                    self._start(request.worker_id, request.control_endpoint.url)
                else:
                    self._end(request.worker_id)
                answer.set_result("")
            except OSError as e:
                answer.set_result(str(e))
        for worker_id in list(self._workers):
            self._end(worker_id)

    def stop(self) -> None:
        """Let `run` return; may be called from a signal handler."""
        self._requests.put(None)

    def _ask(self, request: Any) -> str:
        answer: futures.Future[str] = futures.Future()
        self._requests.put((request, answer))
        return answer.result()

    def _start(self, worker_id: str, control: str) -> None:
        self._reap()
        command = leashed([sys.executable, "-c", _WORKER, control, worker_id])
        self._workers[worker_id] = subprocess.Popen(command)
        _LOG.info("worker %s: process %d", worker_id, self._workers[worker_id].pid)

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
                del self._workers[worker_id]


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
    server.stop(1).wait()


if __name__ == "__main__":
    main()
