"""Our broker's data folder is formatted, or one line says why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.errors import Fault
from deploy.local import kafka
from deploy.local.kafka import KafkaSetup, new_cluster_id


def test_a_cluster_id_never_looks_like_an_option() -> None:
    assert all(
        re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", new_cluster_id()) for _ in range(5000)
    )


@pytest.mark.parametrize(
    ("tool", "seconds", "says"),
    [
        ("echo 'No space left' >&2; exit 1", 60, "cannot format .*: No space left"),
        ("exec sleep 60", 0.2, "did not format .* within 0.2 s"),
    ],
)
def test_a_format_that_fails_is_a_fault_of_one_line(
    tool: str, seconds: float, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "_FORMAT_SECONDS", seconds)
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\n{tool}\n")
    java.chmod(0o755)

    with pytest.raises(Fault, match=says) as raised:
        KafkaSetup(tmp_path / "kafka", java, tmp_path / "kafka.jar", 1, 2).prepare()

    assert "\n" not in str(raised.value)
