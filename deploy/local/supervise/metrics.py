"""What the supervisor has to tell Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from deploy.local.ports import HOST
from deploy.local.supervise import room
from deploy.local.supervise.supervisor import Supervisor
from pipeline.contracts.metrics import metric


class SupervisorCollector(Collector):
    """Which parts are up, how often each was started again, and what room they have: just now."""

    def __init__(self, supervisor: Supervisor, home: Path) -> None:
        self._supervisor, self._home = supervisor, home

    def collect(self) -> Iterator[Metric]:
        """Prometheus' samples."""
        listed = metric("straitwatch_service_up")
        up = GaugeMetricFamily(listed.name, listed.meaning, labels=listed.labels)
        for part, is_up in self._supervisor.is_up().items():
            up.add_metric([part], float(is_up))
        yield up
        listed = metric("straitwatch_service_restarts")
        restarts = CounterMetricFamily(listed.name, listed.meaning, labels=listed.labels)
        for part, count in self._supervisor.restarts().items():
            restarts.add_metric([part], count)
        yield restarts
        listed = metric("straitwatch_service_disk_free_bytes")
        free = room.free_bytes(self._home)
        yield GaugeMetricFamily(listed.name, listed.meaning, value=free)


def export(supervisor: Supervisor, home: Path, port: int) -> None:
    """Serve the metrics page on the loopback address, from a thread of its own.

    Raises:
        OSError: the port is taken.
    """
    registry = CollectorRegistry()
    registry.register(SupervisorCollector(supervisor, home))
    start_http_server(port, HOST, registry)
