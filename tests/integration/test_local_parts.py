"""Kafka as we start it, and processes that end with us."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from deploy.local.supervise.processes import Register, Started

DEADLINE = 60


@pytest.mark.kafka
def test_our_broker_takes_a_large_record_and_gives_it_back(kafka_bootstrap: str) -> None:
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
    from kafka.admin import NewTopic

    value = b"x" * (10 * 1024 * 1024)
    admin = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    admin.create_topics([NewTopic("large", 1, 1, topic_configs={"max.message.bytes": "20000000"})])
    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap, max_request_size=20_000_000)
    producer.send("large", value).get(DEADLINE)
    consumer = KafkaConsumer(
        "large",
        bootstrap_servers=kafka_bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=DEADLINE * 1000,
    )

    assert next(consumer).value == value

    consumer.close()
    producer.close()
    admin.close()


@pytest.mark.kafka
def test_a_misspelt_topic_is_an_error_and_not_a_new_topic(kafka_bootstrap: str) -> None:
    from kafka import KafkaAdminClient, KafkaProducer
    from kafka.errors import KafkaError

    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap, max_block_ms=1000)
    with pytest.raises(KafkaError):
        producer.send("no-such-topic", b"").get(DEADLINE)
    producer.close()

    admin = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    assert "no-such-topic" not in admin.list_topics()
    admin.close()


def test_kill_9_of_a_parent_ends_its_leashed_child() -> None:
    parent, child = _parent_with_child("leashed")

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    assert not psutil.wait_procs([child], DEADLINE)[1]


def test_the_register_ends_what_a_dead_service_left_and_nothing_else(tmp_path: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", _SLEEP], start_new_session=True)
    parent, child = _parent_with_child("list")
    register = Register(tmp_path / "processes.json")
    register.note("feeds", parent.pid)
    # The number of a process of ours that was given to another one since.
    register.note_started(Started("desk", bystander.pid, psutil.Process().create_time() - 1e6))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert child.is_running()

    ended = Register(tmp_path / "processes.json").end_leftovers()

    assert [entry.part for entry in ended] == ["feeds"]
    assert not psutil.wait_procs([child], DEADLINE)[1]
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


_SLEEP = "import time; time.sleep(600)"


def _parent_with_child(wrapper: str) -> tuple[subprocess.Popen[str], psutil.Process]:
    """A process in a session of its own, and the child that it starts through the wrapper."""
    program = f"""
        import subprocess, sys
        from deploy.local.supervise.processes import leashed
        child = subprocess.Popen({wrapper}([sys.executable, "-c", {_SLEEP!r}]))
        print(child.pid, flush=True)
        child.wait()
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.stdout.close()
    return parent, psutil.Process(pid)
