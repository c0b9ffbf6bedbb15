"""Creates Kafka's topics with the settings that they must have, and mends those that differ."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kafka.admin import ConfigResource, KafkaAdminClient

from connectors.bus.errors import Unavailable
from connectors.bus.kafka import asked, look_for
from pipeline.contracts.topics import TopicSpec


@dataclass(frozen=True, slots=True)
class TopicChange:
    """One thing that was not as it must be."""

    topic: str
    what: str
    """``created``, ``partitions`` or the name of a setting."""
    was: str | None
    now: str


def ensure_topics(
    bootstrap: str,
    specs: Sequence[TopicSpec],
    *,
    replication: int = -1,
    mend: bool = True,
    timeout: float = 30,
) -> tuple[TopicChange, ...]:
    """Make the topics of ``specs`` exist with their settings; what had to change.

    Safe to call by several programs at once. Partitions are added, never taken away: a topic with
    more than its specification keeps them. Settings that the specification does not name are left.

    Args:
        bootstrap: ``host:port[,host:port]``.
        specs: the topics.
        replication: copies of each partition; -1: as the cluster's default says.
        mend: False only reports what would change.
        timeout: seconds until each topic has a leader for all of its partitions.

    Raises:
        Unavailable: no broker answers, or it refuses.
    """
    who = f"Kafka at {bootstrap}"
    look_for(bootstrap)
    admin = asked(
        lambda: KafkaAdminClient(
            bootstrap_servers=bootstrap.split(","), client_id="straitwatch-topics"
        ),
        who,
    )
    try:
        return asked(lambda: _ensure(admin, specs, replication, mend, timeout), who)
    finally:
        admin.close()


def _ensure(
    admin: KafkaAdminClient,
    specs: Sequence[TopicSpec],
    replication: int,
    mend: bool,
    timeout: float,
) -> tuple[TopicChange, ...]:
    there = _partitions(admin)
    missing = [s for s in specs if s.name not in there]
    changes = [TopicChange(s.name, "created", None, f"{s.partitions} partitions") for s in missing]
    if missing and mend:
        _create(admin, missing, replication)
    known = [s for s in specs if s.name in there]
    for spec in known:
        if there[spec.name] < spec.partitions:
            changes.append(
                TopicChange(spec.name, "partitions", str(there[spec.name]), str(spec.partitions))
            )
            if mend:
                admin.create_partitions({spec.name: spec.partitions})
    changes += _settings(admin, known, mend)
    if mend:
        _wait(admin, specs, timeout)
    return tuple(changes)


def _partitions(admin: KafkaAdminClient) -> dict[str, int]:
    return {
        t["name"]: len(t["partitions"]) for t in admin.describe_topics() if t["error_code"] == 0
    }


def _create(admin: KafkaAdminClient, specs: Sequence[TopicSpec], replication: int) -> None:
    new = {
        s.name: {
            "num_partitions": s.partitions,
            "replication_factor": replication,
            "configs": s.config(),
        }
        for s in specs
    }
    answer = admin.create_topics(new, raise_errors=False)
    for topic in answer["topics"]:
        # 36: another program was quicker, with the same settings.
        if topic["error_code"] not in (0, 36):
            raise Unavailable(
                f"Kafka did not create {topic['name']}: "
                f"{topic.get('error_message') or 'error'} ({topic['error_code']})"
            )


def _settings(admin: KafkaAdminClient, specs: Sequence[TopicSpec], mend: bool) -> list[TopicChange]:
    if not specs:
        return []
    asked_for = [ConfigResource("TOPIC", s.name) for s in specs]
    found: dict[str, dict[str, Any]] = admin.describe_configs(asked_for, config_filter="all")[
        "topic"
    ]
    changes = []
    for spec in specs:
        differing = {}
        for name, wanted in spec.config().items():
            was = found[spec.name].get(name, {}).get("value")
            if was != wanted:
                differing[name] = wanted
                changes.append(TopicChange(spec.name, name, was, wanted))
        if differing and mend:
            admin.alter_configs([ConfigResource("TOPIC", spec.name, differing)])
    return changes


def _wait(admin: KafkaAdminClient, specs: Sequence[TopicSpec], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    admin.wait_for_topics([s.name for s in specs], timeout_ms=int(timeout * 1000))
    # A topic that has just been widened is told with its old width for a moment.
    while any(_partitions(admin).get(s.name, 0) < s.partitions for s in specs):
        if time.monotonic() > deadline:
            raise Unavailable("Kafka does not show the partitions that it has confirmed")
        time.sleep(0.1)
