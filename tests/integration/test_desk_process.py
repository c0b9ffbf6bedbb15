"""The command `straitwatch desk run` on a real Kafka: killed, started again, asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from connectors.bus.kafka import KafkaPublisher
from connectors.bus.topics import ensure_topics
from pipeline.contracts import codec
from pipeline.contracts.records import DeadLetter, DeadReason
from pipeline.contracts.topics import ALERTS, DEAD_LETTERS, topic_specs
from tests.golden.desk.alert import ALERT

SECRET = "whsec_c3RyYWl0d2F0Y2gtdGVzdC1zZWNyZXQtMzItYnl0ZXM="
WAIT = 60.0


class Receiver:
    """Keeps every key; verifies every signature."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.news = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                Webhook(SECRET).verify(body, {k.lower(): v for k, v in self.headers.items()})
                with receiver.news:
                    receiver.keys.append(self.headers["Idempotency-Key"])
                    receiver.news.notify_all()
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"

    def wait_for(self, distinct: int) -> None:
        with self.news:
            assert self.news.wait_for(lambda: len(set(self.keys)) >= distinct, WAIT), len(self.keys)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.http.serve_forever)
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()
    thread.join()


def environment(home: Path, **more: str) -> dict[str, str]:
    ours = {"HOME": home, "PORT_DESK_METRICS": 0, "WEBHOOK_SECRET": SECRET, **more}
    clean = {k: v for k, v in os.environ.items() if not k.startswith("STRAITWATCH_")}
    return clean | {f"STRAITWATCH_{k}": str(v) for k, v in ours.items()}


def straitwatch(home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *arguments],
        env=environment(home, **more),
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )


@pytest.mark.kafka
def test_a_desk_that_is_killed_again_and_again_loses_nothing(
    kafka_bootstrap: str, receiver: Receiver, tmp_path: Path
) -> None:
    ensure_topics(kafka_bootstrap, topic_specs())
    env = environment(tmp_path, KAFKA_BOOTSTRAP=kafka_bootstrap, CHANNELS=receiver.url)
    command = [sys.executable, "-m", "deploy.cli", "desk", "run"]
    publisher = KafkaPublisher(kafka_bootstrap, client_id="test")
    kills, sent = 2, 0
    with (tmp_path / "log").open("ab") as log:
        for round_ in range(kills + 1):
            desk = subprocess.Popen(command, env=env, stdout=log, stderr=log)
            try:
                for n in range(30):
                    alert = replace(ALERT, alert_id=f"alert{round_}x{n}", revision=1)
                    publisher.send(ALERTS, alert.alert_id.encode(), codec.encode(alert))
                publisher.flush(WAIT)
                sent += 30
                # In the middle of a round, but for the last.
                receiver.wait_for(sent if round_ == kills else sent - 20)
                desk.send_signal(signal.SIGTERM if round_ == kills else signal.SIGKILL)
                code = desk.wait(WAIT)
            finally:
                desk.kill()
                desk.wait()
    publisher.close()
    assert code == 0
    counts = Counter(receiver.keys)
    assert len(counts) == sent
    assert len(receiver.keys) - sent <= kills
    assert b"Traceback" not in (tmp_path / "log").read_bytes()

    listed = straitwatch(tmp_path, "alerts", "list", "--limit", "3", "--json")
    assert [json.loads(line)["topic"] for line in listed.stdout.splitlines()] == ["japan-china"] * 3
    shown = straitwatch(tmp_path, "alerts", "show", "alert0x0")
    assert shown.returncode == 0
    assert "9 independent stories in 3 h" in shown.stdout
    assert "webhook 127.0.0.1" in shown.stdout
    out = tmp_path / "all.jsonl"
    assert straitwatch(tmp_path, "alerts", "export", "--out", str(out)).returncode == 0
    assert len(out.read_bytes().splitlines()) == sent


@pytest.mark.kafka
def test_a_dead_letter_is_read_out_of_kafka(kafka_bootstrap: str, tmp_path: Path) -> None:
    ensure_topics(kafka_bootstrap, topic_specs())
    letter = DeadLetter(
        "desk", DeadReason.NOT_JSON, str(tmp_path), ALERTS, 0, 5, b"junk", ALERT.revised_at
    )
    publisher = KafkaPublisher(kafka_bootstrap, client_id="test")
    publisher.send(DEAD_LETTERS, ALERTS.encode(), codec.encode(letter))
    publisher.flush(WAIT)
    publisher.close()

    done = straitwatch(
        tmp_path,
        *("articles", "dead-letters", "--out", "/dev/stdout"),
        KAFKA_BOOTSTRAP=kafka_bootstrap,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    (ours,) = [line for line in told if line["error"] == letter.error]
    assert (ours["step"], ours["offset"], ours["text"]) == ("desk", 5, "junk")


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "says"),
    [
        (("alerts", "list"), {}, 3, "no desk has run"),
        (("alerts", "show", "x"), {}, 3, "no desk has run"),
        (("desk", "run"), {"HOME": "/dev/null"}, 1, "cannot make /dev/null"),
        (("desk", "run"), {"CHANNELS": "nonsense://x"}, 2, "nonsense://"),
        (("desk", "run"), {"CHANNELS": "https:///x"}, 2, "needs a host"),
        (("desk", "run"), {"WEBHOOK_SECRET": "x"}, 2, "whsec_"),
        (("desk", "run"), {"DATABASE_URL": "mysql://h/x"}, 2, "sqlite or postgresql"),
    ],
)
def test_a_mistake_is_one_line_with_its_mend(
    tmp_path: Path, arguments: tuple[str, ...], settings: dict[str, str], code: int, says: str
) -> None:
    done = straitwatch(tmp_path, *arguments, **settings)
    assert done.returncode == code
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_desk_without_kafka_waits_and_ends_cleanly_when_asked(tmp_path: Path) -> None:
    env = environment(tmp_path, KAFKA_BOOTSTRAP="127.0.0.1:1")
    with (tmp_path / "log").open("ab") as log:
        desk = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "desk", "run"], env=env, stdout=log, stderr=log
        )
        try:
            end = time.monotonic() + WAIT
            while b"again in" not in (tmp_path / "log").read_bytes():
                assert time.monotonic() < end
                assert desk.poll() is None
                time.sleep(0.05)
            desk.terminate()
            assert desk.wait(WAIT) == 0
        finally:
            desk.kill()
            desk.wait()
    assert b"Traceback" not in (tmp_path / "log").read_bytes()
