"""Cluster ids are what Kafka's storage tool takes."""

from __future__ import annotations

import re

from deploy.local.kafka import new_cluster_id


def test_a_cluster_id_never_looks_like_an_option() -> None:
    assert all(
        re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", new_cluster_id()) for _ in range(5000)
    )
