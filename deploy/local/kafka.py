"""Our own Kafka: one broker with its controller (KRaft), for one machine."""

from __future__ import annotations

import base64
import socket
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.errors import Fault
from deploy.local.ports import HOST
from deploy.local.supervise import answers
from deploy.local.supervise.processes import leashed
from pipeline.contracts.topics import MAX_ARTICLE_BYTES

# Messages of 10 MB pass with it; the rest is the page cache's work.
_HEAP: Final = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")
_MAX_MESSAGE: Final = 2 * MAX_ARTICLE_BYTES
_FORMAT_SECONDS: Final = 120

LOGGING: Final = """\
rootLogger.level=WARN
rootLogger.appenderRef.c.ref=C
appender.c.type=Console
appender.c.name=C
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d %p %c{1} %m%n
"""

PROPERTIES: Final = """\
# Written at every start: changes are lost. Settings of topics stand in the topics.
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
# One voter, known from here and not from the log: the port may differ from start to start.
controller.quorum.voters=1@{host}:{controller_port}
log.dirs={data}
num.partitions=1
# A misspelt topic must be an error.
auto.create.topics.enable=false
message.max.bytes={max_message}
replica.fetch.max.bytes={max_message}
log.segment.bytes=268435456
# One machine: one copy, and no crowd of internal partitions.
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
# After a kill -9 the controller, which is the same process, takes the broker back only when it has
# given the old one up: 9 s by default.
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
# Else the controller writes a record of nothing, and waits for the disk, twice a second: decision
# 0087. Its purpose is to show a cluster's controllers that one of them lags; here is only one.
metadata.max.idle.interval.ms=0
# Offsets of a desk that was off for a season are still there.
offsets.retention.minutes=525600
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=16777216
"""


@dataclass(frozen=True, slots=True)
class KafkaSetup:
    """What it takes to start our broker."""

    folder: Path
    java: Path
    class_path: Path
    port: int
    controller_port: int

    @property
    def bootstrap(self) -> str:
        """Where clients find it."""
        return f"{HOST}:{self.port}"

    def prepare(self) -> None:
        """Write the configuration; format the data folder the first time.

        Raises:
            Fault: the folder cannot be written, or Kafka refuses to format it.
        """
        data = self.folder / "data"
        try:
            data.mkdir(parents=True, exist_ok=True)
            self._logging.write_text(LOGGING)
            self._properties.write_text(
                PROPERTIES.format(
                    host=HOST,
                    port=self.port,
                    controller_port=self.controller_port,
                    data=data,
                    max_message=_MAX_MESSAGE,
                )
            )
        except OSError as e:
            raise Fault(f"cannot write {self.folder}: {e.strerror}") from e
        if not (data / "meta.properties").exists():
            self._format()

    def command(self) -> list[str]:
        """The broker's command line."""
        return [*self._java(*_HEAP), "kafka.Kafka", str(self._properties)]

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _logging(self) -> Path:
        return self.folder / "log4j2.properties"

    def _java(self, *options: str) -> list[str]:
        return [
            str(self.java),
            *options,
            f"-Dlog4j2.configurationFile={self._logging}",
            "-cp",
            str(self.class_path),
        ]

    def _format(self) -> None:
        command = [
            *self._java("-Xmx128m"),
            "kafka.tools.StorageTool",
            "format",
            *("-t", new_cluster_id()),
            *("-c", str(self._properties)),
        ]
        try:
            done = subprocess.run(
                leashed(command),
                capture_output=True,
                text=True,
                timeout=_FORMAT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as e:
            raise Fault(
                f"Kafka did not format {self.folder / 'data'} within {_FORMAT_SECONDS} s: "
                "is the disk or the machine too busy? Start again"
            ) from e
        if done.returncode != 0:
            lines = (done.stderr + done.stdout).strip().splitlines() or ["no word from it"]
            raise Fault(f"Kafka cannot format {self.folder / 'data'}: {lines[-1][:300]}")


def is_ready(bootstrap: str) -> bool:
    """Whether a Kafka answers at one of ``host:port[,host:port]``; asks once, for some seconds.

    A broker opens its port early but answers only when it is ready to serve.
    """
    return any(_answers(*address.rsplit(":", 1)) for address in bootstrap.split(","))


def _answers(host: str, port: str) -> bool:
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2) as connection:
            connection.sendall(answers.KAFKA)
            return len(connection.recv(8)) > 0
    except (OSError, ValueError):
        return False


def new_cluster_id() -> str:
    """A Kafka id: a random UUID in URL-safe base64, as Kafka writes it.

    Never with a leading dash, which the storage tool would take for an option.
    """
    while (new := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith(
        "-"
    ):
        pass
    return new
