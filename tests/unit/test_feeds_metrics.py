"""What Prometheus finds before anything has happened."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from connectors.feeds.metrics import FeedMetrics


@pytest.mark.parametrize(
    ("name", "label", "value"),
    [
        ("fetches_total", "outcome", "ok"),
        ("fetches_total", "outcome", "timeout"),
        ("entries_total", "outcome", "new"),
        ("parser_kills_total", "limit", "memory"),
        ("pages_total", "outcome", "left_out"),
        ("feeds", "state", "silent-zero"),
    ],
)
def test_what_alert_rules_look_at_is_0_and_not_absent_from_the_start(
    name: str, label: str, value: str
) -> None:
    registry = CollectorRegistry()
    FeedMetrics(registry)
    assert registry.get_sample_value(f"straitwatch_feeds_{name}", {label: value}) == 0.0
