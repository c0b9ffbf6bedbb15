"""`straitwatch feeds run` on a real broker, killed at random moments: nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from connectors.bus.base import Start, drain
from connectors.bus.kafka import KafkaSubscriber
from connectors.bus.topics import ensure_topics
from connectors.feeds.state.database import open_database, sqlite_url
from connectors.feeds.state.records import FeedTotals
from connectors.feeds.state.store import FeedStore
from pipeline.contracts.codec import decode
from pipeline.contracts.records import Article
from pipeline.contracts.topics import ARTICLES, topic_specs

FEEDS = 12


class GrowingFeeds:
    """Loopback feeds that each get an item twice a second; knows what it has served."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._frozen: int | None = None
        self.served: set[str] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                number = self.path.strip("/")
                last = outer._last()
                names = [f"{number}-{n}" for n in range(last, 0, -1)]
                items = "".join(
                    f"<item><guid>{n}</guid><title>Bridge times {n}</title></item>" for n in names
                )
                body = f"<rss version='2.0'><channel><title>x</title>{items}</channel></rss>"
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())
                # Sent whole: whoever read it to its end has it.
                outer.served.update(names)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _last(self) -> int:
        return self._frozen or int(2 * (time.monotonic() - self._began)) + 1

    def freeze(self) -> None:
        """No new items from now on."""
        self._frozen = self._last()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def _growing() -> Iterator[GrowingFeeds]:
    feeds = GrowingFeeds()
    try:
        yield feeds
    finally:
        feeds.close()


def _environment(home: Path, feeds: GrowingFeeds, bootstrap: str) -> dict[str, str]:
    listing = home / "list.toml"
    listing.write_text(
        "\n".join(
            f'[[feed]]\nurl = "http://127.0.0.1:{feeds.port}/{n}"\npublisher = "Outlet {n}"\n'
            for n in range(FEEDS)
        )
    )
    return os.environ | {
        "STRAITWATCH_HOME": str(home),
        "STRAITWATCH_FEEDS": str(listing),
        "STRAITWATCH_KAFKA_BOOTSTRAP": bootstrap,
        "STRAITWATCH_ALLOW_HOSTS": f"127.0.0.1:{feeds.port}",
        "STRAITWATCH_POLL_SECONDS": "1",
        "STRAITWATCH_PORT_FEEDS_METRICS": "0",
    }


@contextmanager
def _running(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The connector, killed at the end of the block if it is still there."""
    with (
        log.open("ab") as out,
        subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "feeds", "run"],
            env=environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _totals(home: Path) -> FeedTotals:
    engine = open_database(sqlite_url(home))
    try:
        return FeedStore(engine).totals()
    finally:
        engine.dispose()


def _published(bootstrap: str) -> list[bytes]:
    subscriber = KafkaSubscriber(
        bootstrap, (ARTICLES,), client_id="test-feeds-kill", start=Start.EARLIEST
    )
    try:
        return [m.value or b"" for m in drain(subscriber)]
    finally:
        subscriber.close()


def _kill_again_and_again(home: Path, bootstrap: str, rounds: int, longest: float) -> None:
    ensure_topics(bootstrap, topic_specs())
    before = len(_published(bootstrap))
    rng = random.Random(7)
    log = home / "feeds.log"
    with _growing() as feeds:
        environment = _environment(home, feeds, bootstrap)
        for number in range(rounds):
            told = log.stat().st_size if log.exists() else 0
            with _running(environment, log):
                if number % 4 != 3:  # every fourth is killed while it starts
                    _await_ready(log, told)
                threading.Event().wait(rng.uniform(0.0, longest))
        assert feeds.served, "the rounds were too short to fetch anything"
        feeds.freeze()
        told = log.stat().st_size
        with _running(environment, log) as process:
            _await_ready(log, told)
            _settle(home, bootstrap, before, feeds.served)
            process.terminate()
            assert process.wait(20) == 0, log.read_text()
        assert "Traceback" not in log.read_text()
        values = Counter(_published(bootstrap)[before:])
        totals = _totals(home)
        assert totals.fetched == totals.accepted + totals.duplicates + totals.rejected
        # Every distinct message was counted once; a repeat after a kill is equal byte for byte.
        assert totals.accepted == len(values)
        assert len({(a.article_id, a.revision) for a in map(_decoded, values)}) == len(values)


def _settle(home: Path, bootstrap: str, before: int, served: set[str]) -> None:
    """Wait until every item that was served is on Kafka and counted."""
    deadline = time.monotonic() + 60
    while True:
        published = {_decoded(v).guid for v in _published(bootstrap)[before:]}
        totals = _totals(home)
        if served <= published and totals.pending == 0 and totals.accepted >= len(served):
            return
        assert time.monotonic() < deadline, (len(served - published), totals)
        threading.Event().wait(0.2)


def _await_ready(log: Path, told: int) -> None:
    deadline = time.monotonic() + 60
    while "ready" not in log.read_text()[told:]:
        assert time.monotonic() < deadline, log.read_text()
        threading.Event().wait(0.05)


def _decoded(value: bytes) -> Article:
    return decode(Article, value)


@pytest.mark.kafka
def test_three_kills_lose_nothing_and_the_totals_are_exact(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    _kill_again_and_again(tmp_path, kafka_bootstrap, rounds=3, longest=4.0)


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_twenty_kills_lose_nothing_and_the_totals_are_exact(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    _kill_again_and_again(tmp_path, kafka_bootstrap, rounds=20, longest=6.0)
