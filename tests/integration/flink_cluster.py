"""A Flink of its own for tests, from the engine's jars: a session cluster with one task manager."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.local import ports
from deploy.local.flink.rest import FlinkAway, FlinkRest
from deploy.local.setup import java
from deploy.local.setup.jars import JarStore
from deploy.local.supervise.processes import leashed
from tests.conftest import wait_until

_OPENED = ("lang", "util", "nio", "util.concurrent", "net", "io")
_CONFIGURATION = """\
rest.address: 127.0.0.1
rest.bind-address: 127.0.0.1
rest.port: {rest}
jobmanager.rpc.address: 127.0.0.1
jobmanager.rpc.port: {rpc}
jobmanager.bind-host: 127.0.0.1
jobmanager.memory.process.size: 1000m
taskmanager.host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.numberOfTaskSlots: 4
state.backend.type: hashmap
io.tmp.dirs: "{temporary}"
"""
_MEMORY = {
    "taskmanager.cpu.cores": "4",
    "taskmanager.memory.network.min": "64mb",
    "taskmanager.memory.network.max": "64mb",
    "taskmanager.memory.managed.size": "64mb",
    "taskmanager.memory.task.heap.size": "384mb",
    "taskmanager.memory.task.off-heap.size": "0",
    "taskmanager.memory.framework.heap.size": "128mb",
    "taskmanager.memory.framework.off-heap.size": "128mb",
    "taskmanager.memory.jvm-metaspace.size": "256mb",
    "taskmanager.memory.jvm-overhead.min": "192mb",
    "taskmanager.memory.jvm-overhead.max": "192mb",
}
"""As Flink's own start script would have worked out."""


@contextmanager
def flink_cluster(folder: Path) -> Iterator[FlinkRest]:
    """Its REST service, once a task manager is there. From the main thread (see `leashed`)."""
    assert threading.current_thread() is threading.main_thread()
    taken: set[int] = set()
    rest, rpc = ports.find_free(taken), ports.find_free(taken)
    (folder / "conf").mkdir(parents=True)
    (folder / "tmp").mkdir()
    (folder / "conf" / "config.yaml").write_text(
        _CONFIGURATION.format(rest=rest, rpc=rpc, temporary=folder / "tmp")
    )
    conf = ("--configDir", str(folder / "conf"))
    memory = [word for name, value in _MEMORY.items() for word in ("-D", f"{name}={value}")]
    runtime = "org.apache.flink.runtime"
    with (
        _jvm(
            folder / "jobmanager.log",
            f"{runtime}.entrypoint.StandaloneSessionClusterEntrypoint",
            *(*conf, "--executionMode", "cluster"),
        ),
        _jvm(
            folder / "taskmanager.log",
            f"{runtime}.taskexecutor.TaskManagerRunner",
            *(*conf, *memory),
        ),
    ):
        cluster = FlinkRest(f"{ports.HOST}:{rest}")
        wait_until(lambda: _slots(cluster) == 4, f"slots of the cluster; see {folder}", 120)
        yield cluster


def _slots(cluster: FlinkRest) -> int:
    try:
        return int(cluster._get("/overview")["slots-total"])
    except FlinkAway:
        return 0


@contextmanager
def _jvm(log: Path, main: str, *arguments: str) -> Iterator[None]:
    command = [
        str(java.find_java().path),
        *("-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
        *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _OPENED),
        *("-cp", str(JarStore().class_path("flink")), main, *arguments),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(leashed(command), stdout=output, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()
