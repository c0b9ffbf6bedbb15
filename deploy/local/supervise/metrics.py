"""What the supervisor has to tell Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from deploy.local.ports import HOST
from deploy.local.supervise.supervisor import Supervisor
from pipeline.contracts.metrics import metric


class SupervisorCollector(Collector):
    """Which parts are up, and how often each was started again, at the moment of the scrape."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

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


def export(supervisor: Supervisor, port: int) -> None:
    """Serve the metrics page on the loopback address, from a thread of its own.

    Raises:
        OSError: the port is taken.
    """
    registry = CollectorRegistry()
    registry.register(SupervisorCollector(supervisor))
    start_http_server(port, HOST, registry)
