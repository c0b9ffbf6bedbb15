"""The engine on one machine: Beam's Flink job server with Flink inside, one JVM.

Or without Flink inside: then the job server gives the job to a Flink of the user's, and the rest
stays as it is.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.errors import Fault
from deploy.local.ports import HOST

# Flink 1.19 on Java 17 and newer (its own bin/config.sh has the list).
_OPENED: Final = (
    "java.base/java.lang",
    "java.base/java.util",
    "java.base/java.nio",
    "java.base/java.util.concurrent",
    "java.base/java.net",
    "java.base/java.io",
)

CHECKPOINTS_KEPT: Final = 3

_CONFIGURATION: Final = """\
# Written at every start and before each submission: changes are lost.
io.tmp.dirs: "{temporary}"
state.backend.type: hashmap
state.checkpoints.dir: "{checkpoints}"
state.checkpoints.num-retained: {kept}
rest.address: {host}
rest.bind-address: {host}
rest.port: {rest_port}
jobmanager.bind-host: {host}
jobmanager.rpc.address: {host}
jobmanager.rpc.port: {rpc_port}
jobmanager.memory.process.size: 1200m
taskmanager.host: {host}
taskmanager.bind-host: {host}
taskmanager.numberOfTaskSlots: {slots}
taskmanager.memory.managed.size: 64m
taskmanager.memory.network.min: 64m
taskmanager.memory.network.max: 64m
# Kafka or the workers may be away for as long as it takes.
restart-strategy.type: fixed-delay
restart-strategy.fixed-delay.attempts: 1000000
restart-strategy.fixed-delay.delay: 1s
# Who beats and who listens are in one process: a late beat tells of a busy machine only, and must
# not cost the job a restart. The supervisor sees to a process that hangs.
heartbeat.interval: 10000
heartbeat.timeout: 300000
metrics.reporters: prom
metrics.reporter.prom.factory.class: org.apache.flink.metrics.prometheus.PrometheusReporterFactory
metrics.reporter.prom.port: {metrics_port}
web.submit.enable: false
"""


@dataclass(frozen=True, slots=True)
class EnginePorts:
    """The ports of the engine.

    All listen on the loopback address, Beam's by loopback_patch.py, the reporter by
    reporter_patch.py.
    """

    job: int
    """Beam's job service: submissions go there."""
    artifact: int
    rest: int
    """Flink's REST service; up while a job runs."""
    rpc: int
    metrics: int
    """Flink's Prometheus reporter; up while a job runs."""
    workers: int
    """The worker pool."""


@dataclass(frozen=True, slots=True)
class EngineSetup:
    """What it takes to start the engine."""

    folder: Path
    java: Path
    class_path: Path
    ports: EnginePorts
    slots: int = 2
    flink: str | None = None
    """REST service of the user's own Flink, ``host:port``; None: Flink is inside."""
    pool: str | None = None
    """The user's own pool of workers, as that Flink finds it; None: ours, on this machine."""

    @property
    def rest(self) -> str:
        """Flink's REST service, ``host:port``."""
        return self.flink or f"{HOST}:{self.ports.rest}"

    @property
    def workers(self) -> str:
        """The pool of workers, ``host:port``."""
        return self.pool or f"{HOST}:{self.ports.workers}"

    @property
    def checkpoints(self) -> Path:
        """Where Flink keeps the checkpoints of all jobs, a folder each."""
        return self.folder / "checkpoints"

    def prepare(self) -> None:
        """Make the folders and write the configuration.

        Raises:
            Fault: the folder cannot be written.
        """
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            for folder in (self.folder / "artifacts", self._temporary):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
            self.configure(restore_from=None)
        except OSError as e:
            raise Fault(f"cannot write {self.folder}: {e.strerror}") from e

    def configure(self, restore_from: Path | None) -> None:
        """Write the configuration; the next job submitted starts from that checkpoint.

        Flink reads it at each submission. The option of the command line for a savepoint is ignored
        without a word when the engine runs inside the job server, so it has to stand here.
        """
        text = _CONFIGURATION.format(
            host=HOST,
            checkpoints=self.checkpoints.as_uri(),
            temporary=self._temporary,
            kept=CHECKPOINTS_KEPT,
            slots=self.slots,
            rest_port=self.ports.rest,
            rpc_port=self.ports.rpc,
            metrics_port=self.ports.metrics,
        )
        if restore_from is not None:
            text += f'execution.savepoint.path: "{restore_from.as_uri()}"\n'
        folder = self.folder / "conf"
        folder.mkdir(exist_ok=True)
        new = folder / "config.yaml.new"
        new.write_text(text)
        new.replace(folder / "config.yaml")

    def command(self) -> list[str]:
        """The engine's command line."""
        return [
            str(self.java),
            *("-Xms128m", "-Xmx700m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"),
            # The second compiler costs more than the code that it makes saves: decision 0063.
            "-XX:TieredStopAtLevel=1",
            *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED),
            "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
            f"-Djava.io.tmpdir={self._temporary}",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss,SSS",
            *("-cp", str(self.class_path)),
            "org.apache.beam.runners.flink.FlinkJobServerDriver",
            *("--job-host", HOST),
            *("--job-port", str(self.ports.job)),
            *("--artifact-port", str(self.ports.artifact)),
            *("--expansion-port", "-1"),
            *("--flink-master", self.flink or "[local]"),
            *("--flink-conf-dir", str(self.folder / "conf")),
            *("--artifacts-dir", str(self.folder / "artifacts")),
        ]

    @property
    def _temporary(self) -> Path:
        return self.folder / "tmp"

    def environment(self) -> dict[str, str]:
        """Variables beside the usual ones."""
        # Flink itself looks there for its configuration. Fewer arenas of glibc: tens of MB less.
        return {"FLINK_CONF_DIR": str(self.folder / "conf"), "MALLOC_ARENA_MAX": "2"}
