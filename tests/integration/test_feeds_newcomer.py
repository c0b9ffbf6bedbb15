"""A newcomer adds a feed by a site's front page and sees its articles tagged within a minute."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from connectors.bus.base import Start, drain
from connectors.bus.kafka import KafkaSubscriber
from pipeline.contracts.codec import decode
from pipeline.contracts.records import TaggedArticle
from pipeline.contracts.topics import TAGGED
from tests.conftest import installed
from tests.integration.service_up import Up, environment

MINUTE = 60.0
TITLES = {
    "1": "Taiwan reports warships near its waters after drill",
    "2": "New tariffs on imports announced in Washington trade row",
    "3": "The harbour choir sings on Sunday",
}

pytestmark = [pytest.mark.kafka, pytest.mark.engine, pytest.mark.timeout(400)]


@pytest.fixture
def site() -> Iterator[int]:
    """Port of a news site whose front page names no feed; it has one at a usual place."""
    items = "".join(
        f"<item><guid>{guid}</guid><title>{title}</title><pubDate>{formatdate()}</pubDate></item>"
        for guid, title in TITLES.items()
    )
    pages = {
        "/": ("text/html", "<html><body><h1>The Harbour Post</h1><p>Welcome</body></html>"),
        "/rss.xml": (
            "application/rss+xml",
            f"<rss version='2.0'><channel><title>Harbour Post</title>{items}</channel></rss>",
        ),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = pages.get(self.path, ("text/html", "not here"))
            self.send_response(200 if self.path in pages else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_a_feed_added_by_its_front_page_is_tagged_within_a_minute(
    tmp_path: Path, site: int
) -> None:
    installed()
    home = tmp_path / "home"
    allowed = {"STRAITWATCH_ALLOW_HOSTS": f"127.0.0.1:{site}"}
    variables = environment(home) | allowed
    up = Up(home, ALLOW_HOSTS=f"127.0.0.1:{site}")
    try:
        ready = up.until("ready")
        began = time.monotonic()
        added = _straitwatch(variables, "feeds", "add", f"http://127.0.0.1:{site}/")
        assert "/rss.xml: 3 articles now" in added
        tagged = _tagged_within(MINUTE, ready["kafka"], began)
        assert set(tagged) == {TITLES["1"], TITLES["2"]}
        assert tagged[TITLES["1"]] == {"taiwan"}
        (listed,) = map(json.loads, _straitwatch(variables, "feeds", "list", "--json").splitlines())
        assert (listed["state"], listed["articles"]) == ("healthy", 3)
    finally:
        if up.process.poll() is None:
            up.stop()


def _straitwatch(variables: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", *arguments],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _tagged_within(seconds: float, bootstrap: str, began: float) -> dict[str, set[str]]:
    """Title -> topics of the tagged articles, as soon as there are two."""
    while True:
        subscriber = KafkaSubscriber(
            bootstrap, (TAGGED,), client_id="test-newcomer", start=Start.EARLIEST
        )
        try:
            records = [decode(TaggedArticle, m.value or b"") for m in drain(subscriber)]
        finally:
            subscriber.close()
        found = {r.article.title: {t.topic for t in r.topics} for r in records}
        if len(found) >= 2:
            return found
        assert time.monotonic() - began < seconds, found
        threading.Event().wait(0.2)
