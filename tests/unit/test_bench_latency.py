"""What `bench latency` calls a kept promise, and a broken one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import typer

from deploy.bench import latency
from deploy.bench.latency import LatencyReport, table
from deploy.cli import bench_service
from deploy.ledger import LedgerView

KEPT = LatencyReport(
    seen_to_tagged_s={"p50": 0.4, "p99": 5.0},
    seen_to_alert_s={"p50": 6.0, "p99": 15.0},
    revisions=100,
    rate=50,
    ledger=LedgerView(10, 0, 2, 8, 1, 3, 4, 0, 0),
    memory_mb={"kafka": 500.0, "engine": 2000.0},
)


def test_a_run_at_its_limits_keeps_every_promise() -> None:
    assert KEPT.ok
    assert table(KEPT).endswith("in all 2500\nevery promise held")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (replace(KEPT, revisions=99), "99 revisions of at least 100"),
        (replace(KEPT, seen_to_tagged_s={"p50": 1.0, "p99": 5.01}), "p99 5.01 s of at most 5"),
        (replace(KEPT, seen_to_tagged_s={"p50": None, "p99": None}), "p99 None s of at most 5"),
        (replace(KEPT, seen_to_alert_s={"p50": 6.0, "p99": 15.01}), "p99 15.01 s of at most 15"),
        (replace(KEPT, ledger=replace(KEPT.ledger, fetched=11)), "lost 1"),
        (
            replace(KEPT, memory_mb={"kafka": 501.0, "engine": 2000.0}),
            "memory 2501 MB of at most 2500",
        ),
    ],
)
def test_each_broken_promise_is_named_and_ends_the_command_with_1(
    broken: LatencyReport, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(broken.broken()) == 1
    assert table(broken).splitlines()[-1].startswith("BROKEN: ")
    assert said in table(broken).splitlines()[-1]

    monkeypatch.setattr(latency, "run_latency", lambda *_: broken)
    with pytest.raises(typer.Exit) as ended:
        bench_service.latency()
    assert ended.value.exit_code == 1
