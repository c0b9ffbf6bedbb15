"""Loopback feeds that grow, and who asked them when."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class GrowingFeeds:
    """Feeds that each get an item twice a second; knows what it has served, and to whom."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._frozen: int | None = None
        self.served: set[str] = set()
        self.asked: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
        """Feed -> (seconds, user agent) of each request, in their order."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                number = self.path.strip("/")
                outer.asked[number].append((time.monotonic(), self.headers["User-Agent"]))
                last = outer._last()
                names = [f"{number}-{n}" for n in range(last, max(0, last - 400), -1)]
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
def growing() -> Iterator[GrowingFeeds]:
    """Growing feeds for the length of a block."""
    feeds = GrowingFeeds()
    try:
        yield feeds
    finally:
        feeds.close()


def feed_list(port: int, count: int) -> str:
    """The feed list of ``count`` growing feeds."""
    return "\n".join(
        f'[[feed]]\nurl = "http://127.0.0.1:{port}/{n}"\npublisher = "Outlet {n}"\n'
        for n in range(count)
    )


def connector_settings(
    home: Path, feeds: GrowingFeeds, count: int, bootstrap: str, every: int = 1
) -> dict[str, str]:
    """The environment of a connector that asks ``count`` growing feeds ``every`` few seconds."""
    listing = home / "list.toml"
    listing.write_text(feed_list(feeds.port, count))
    return {
        "STRAITWATCH_HOME": str(home),
        "STRAITWATCH_FEEDS": str(listing),
        "STRAITWATCH_KAFKA_BOOTSTRAP": bootstrap,
        "STRAITWATCH_ALLOW_HOSTS": f"127.0.0.1:{feeds.port}",
        "STRAITWATCH_POLL_SECONDS": str(every),
        "STRAITWATCH_PORT_FEEDS_METRICS": "0",
    }
