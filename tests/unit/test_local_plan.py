"""Checks before anything is started: one line that says what is wrong and what mends it."""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import threading
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.errors import CommandError, Fault, Refused, WrongUse
from deploy.local import plan, ports, service
from deploy.local.flink.engine import EnginePorts, EngineSetup
from deploy.local.flink.rest import FlinkRest, JobView
from deploy.local.job.our_jobs import OurJobs
from deploy.local.layout import Layout
from deploy.local.setup import java
from deploy.local.supervise.home_lock import home_lock
from deploy.local.supervise.log_files import RotatingLog
from deploy.settings import Settings


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_named_with_its_setting_and_its_holder(
    tmp_path: Path, listener: int
) -> None:
    settings = Settings(home=tmp_path, port_desk_metrics=listener)

    with pytest.raises(
        Fault, match=rf"port {listener} is in use by .*STRAITWATCH_PORT_DESK_METRICS"
    ):
        plan.resolve_ports(settings)


def test_ports_on_which_nothing_will_listen_are_not_checked(tmp_path: Path, listener: int) -> None:
    names = [name for name in Settings.model_fields if name.startswith("port_")]
    zeros = dict.fromkeys(names, 0) | {"port_console": listener, "port_websub": listener}

    assert plan.resolve_ports(Settings(home=tmp_path, **zeros)).port_websub == listener
    with pytest.raises(Fault, match="STRAITWATCH_PORT_WEBSUB"):
        plan.resolve_ports(Settings(home=tmp_path, websub_url="https://hub.example", **zeros))


def test_two_listeners_on_one_port_are_wrong_use(tmp_path: Path) -> None:
    free = ports.find_free()
    settings = Settings(home=tmp_path, port_desk_metrics=free, port_kafka=free)

    with pytest.raises(WrongUse, match=r"PORT_\w+ and STRAITWATCH_PORT_\w+ are both"):
        plan.resolve_ports(settings)


def test_every_port_zero_becomes_one_of_its_own() -> None:
    names = [name for name in Settings.model_fields if name.startswith("port_")]

    resolved = plan.resolve_ports(Settings(**dict.fromkeys(names, 0)))

    values = [getattr(resolved, name) for name in names]
    assert 0 not in values
    assert len(set(values)) == len(names)


def test_the_ports_of_an_existing_kafka_are_not_ours_to_check(listener: int) -> None:
    names = [name for name in Settings.model_fields if name.startswith("port_")]
    zeros = dict.fromkeys(names, 0) | {"port_kafka": listener}

    resolved = plan.resolve_ports(Settings(kafka_bootstrap=f"127.0.0.1:{listener}", **zeros))

    assert resolved.port_kafka == listener


def test_a_free_port_lies_below_those_that_the_kernel_gives_to_clients() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    assert all(ports.find_free() < lowest for _ in range(20))


def test_a_feed_list_with_a_fault_is_wrong_use_with_its_line(tmp_path: Path) -> None:
    feeds = tmp_path / "feeds.toml"
    feeds.write_text('[[feed]]\nurl = "https://outlet.example/rss"\ncolour = "red"\n')

    with pytest.raises(WrongUse, match=r"feeds\.toml:3: .*colour"):
        plan.check_files(Settings(home=tmp_path, feeds=feeds))


def test_a_topic_file_with_a_fault_is_wrong_use_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "rivers.toml").write_text("name = 3 4\n")

    with pytest.raises(WrongUse, match=r"rivers\.toml:1: "):
        plan.check_files(Settings(home=tmp_path, topics=tmp_path))


def test_a_channel_that_is_none_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="STRAITWATCH_CHANNELS"):
        plan.check_files(Settings(home=tmp_path, channels=("nowhere",)))


def test_a_file_of_authorities_with_none_in_it_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "mine.pem").write_text("none")

    with pytest.raises(WrongUse, match="STRAITWATCH_CA_FILE"):
        plan.check_files(Settings(home=tmp_path, ca_file=tmp_path / "mine.pem"))


def test_a_part_finds_each_setting_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("straitwatch_port_kafka", "1")
    settings = Settings(home=tmp_path, port_kafka=2, kafka_bootstrap="a:3")
    engine = plan.engine_setup(settings, Layout(tmp_path), Path("java"), Path("jars"))

    environment = plan.Plan(settings, Layout(tmp_path), None, engine).environment()

    assert {n: v for n, v in environment.items() if n.upper() == "STRAITWATCH_PORT_KAFKA"} == {
        "STRAITWATCH_PORT_KAFKA": "2"
    }
    assert environment["PATH"]


def test_a_full_disk_is_a_fault_that_says_how_much_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10**6))

    with pytest.raises(Fault, match=r"1 MB are free .* at least 500 .*STRAITWATCH_HOME"):
        plan.check_room(tmp_path)


def test_a_file_with_no_webhook_secret_in_it_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "webhook-secret").write_bytes(b"\xff\xfe")

    with pytest.raises(WrongUse, match="webhook-secret: a webhook secret is whsec_"):
        plan.check_channels(Settings(home=tmp_path))


def test_a_webhook_secret_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "webhook-secret").mkdir()

    with pytest.raises(Fault, match="webhook-secret: Is a directory"):
        plan.check_channels(Settings(home=tmp_path))


def test_looking_at_the_channels_makes_no_secret(tmp_path: Path) -> None:
    plan.check_channels(Settings(home=tmp_path))

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url", ["postgresql://u:hunter2@127.0.0.1:{port}/x", "sqlite:////no/such/folder/news.sqlite"]
)
def test_a_database_that_does_not_answer_is_a_fault_without_its_password(url: str) -> None:
    settings = Settings(database_url=SecretStr(url.format(port=ports.find_free())))

    with pytest.raises(Fault, match="STRAITWATCH_DATABASE_URL") as raised:
        plan.check_database(settings)

    assert "\n" not in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_database_that_answers_is_left_as_it_is(tmp_path: Path) -> None:
    plan.check_database(Settings(database_url=SecretStr(f"sqlite:///{tmp_path}/news.sqlite")))

    assert not list(tmp_path.glob("*.lock"))


def test_a_home_that_cannot_be_made_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(Fault, match="STRAITWATCH_HOME"):
        Layout(tmp_path / "file" / "home").prepare()


def test_a_second_service_on_a_home_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    second = home_lock(tmp_path)
    with home_lock(tmp_path), pytest.raises(Refused, match=r"already \(process \d+\)"):
        second.__enter__()

    with home_lock(tmp_path):
        pass


def test_messages_are_one_line(tmp_path: Path, listener: int) -> None:
    with pytest.raises(CommandError) as raised:
        plan.resolve_ports(Settings(home=tmp_path, port_desk_metrics=listener))

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('java version "1.8.0_402"', 8),
        ("no such thing", 0),
    ],
)
def test_the_version_of_a_java_is_its_feature_version(
    tmp_path: Path, answer: str, version: int
) -> None:
    program = tmp_path / "java"
    program.write_text(f"#!/bin/sh\necho '{answer}' >&2\n")
    program.chmod(0o755)

    assert java.version_of(program) == version


def test_a_java_that_is_no_program_has_no_version(tmp_path: Path) -> None:
    (tmp_path / "java").write_text("")

    assert java.version_of(tmp_path / "java") == 0


def test_without_a_java_the_message_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'java version \"1.8.0\"' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(java.importlib.util, "find_spec", lambda _: None)

    with pytest.raises(Fault, match=r"is version 8.*run\.sh install"):
        java.find_java()


def test_a_log_keeps_the_newest_lines_in_a_bounded_number_of_bytes(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "part.log", max_bytes=100, kept=2)
    for number in range(1000):
        log.write(b"line %d\n" % number)
    log.close()

    files = sorted(tmp_path.iterdir())
    assert [f.name for f in files] == ["part.log", "part.log.1", "part.log.2"]
    assert all(f.stat().st_size <= 100 for f in files)
    text = b"".join(f.read_bytes() for f in reversed(files)).split(b"\n")
    assert text[-2] == b"line 999"
    assert log.last_words() == "line 999"


def test_a_log_goes_on_where_the_last_service_ended(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        log = RotatingLog(tmp_path / "part.log")
        log.write(text)
        log.close()

    assert (tmp_path / "part.log").read_bytes() == b"one\ntwo\n"


def test_a_log_that_finds_no_room_for_a_new_file_goes_on_when_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RotatingLog(tmp_path / "part.log", max_bytes=10)
    log.write(b"before\n")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "open", full)
        log.write(b"dropped\n")
        log.write(b"dropped\n")
    log.write(b"after\n")
    log.close()

    assert (tmp_path / "part.log").read_bytes() == b"after\n"
    assert (tmp_path / "part.log.1").read_bytes() == b"before\n"


class _Flink(http.server.BaseHTTPRequestHandler):
    """Flink's REST service as far as it says its version."""

    version = "1.19.3"

    def do_GET(self) -> None:
        body = json.dumps({"flink-version": self.version}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def flink() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Flink) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_flink_of_the_version_that_the_job_is_made_for_is_taken(flink: str) -> None:
    plan.check_flink(Settings(flink_rest=flink, flink_workers="localhost:5000"))


def test_a_flink_of_another_version_is_wrong_use(
    flink: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Flink, "version", "2.1.0")

    with pytest.raises(WrongUse, match=r"FLINK_REST: Flink 2\.1\.0 answers.* made for 1\.19"):
        plan.check_flink(Settings(flink_rest=flink))


def test_a_flink_that_does_not_answer_is_a_fault() -> None:
    with pytest.raises(Fault, match=r"no Flink answers at 127\.0\.0\.1.*unset STRAITWATCH_FLINK"):
        plan.check_flink(Settings(flink_rest=f"127.0.0.1:{ports.find_free()}"))


def test_a_pool_of_workers_for_no_flink_is_wrong_use() -> None:
    with pytest.raises(WrongUse, match="STRAITWATCH_FLINK_WORKERS"):
        plan.check_flink(Settings(flink_workers="localhost:5000"))


def test_on_a_flink_with_jobs_of_others_only_ours_are_seen_and_ended(tmp_path: Path) -> None:
    class Busy(FlinkRest):
        def __init__(self) -> None:
            self.jobs = {"a": "word count", "b": f"{jobs('home').new_name()}"}
            self.jobs["c"] = jobs("other").new_name()
            self.ended: list[str] = []

        def active_jobs(self) -> list[str]:
            return [job for job in self.jobs if job not in self.ended]

        def job(self, job_id: str) -> JobView:
            state = "CANCELED" if job_id in self.ended else "RUNNING"
            return JobView(job_id, self.jobs[job_id], state, {})

        def cancel(self, job_id: str) -> None:
            self.ended.append(job_id)

    def jobs(home: str, rest: FlinkRest | None = None) -> OurJobs:
        setup = EngineSetup(
            tmp_path / home, tmp_path, tmp_path, EnginePorts(1, 2, 3, 4, 5, 6), flink="flink:8081"
        )
        return OurJobs(setup, rest or FlinkRest("flink:8081"))

    busy = Busy()
    ours = jobs("home", busy)

    assert ours.active() == ["b"]
    ours.end_all()
    assert busy.ended == ["b"]


def test_a_job_that_cannot_be_ended_at_a_stop_is_told_and_hides_no_other_fault(
    tmp_path: Path,
) -> None:
    nobody = f"127.0.0.1:{ports.find_free()}"
    settings = Settings(home=tmp_path, flink_rest=nobody)
    setup = plan.engine_setup(settings, Layout(tmp_path), tmp_path, tmp_path)
    events: list[dict[str, object]] = []

    service._end_jobs(plan.Plan(settings, Layout(tmp_path), None, setup), events.append)

    assert [e["event"] for e in events] == ["job-left"]
    assert nobody in str(events[0]["reason"])
