"""The demo's outlets on the network: RSS over real HTTP on loopback, with conditional GET.

Each feed also carries what real feeds carry: one entry that nothing can be made of. And one outlet
may be hostile: its answer never ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Final
from xml.sax.saxutils import escape

from deploy.demo.loopback import LoopbackServer, QuietHandler
from deploy.demo.scenario import Item, Outlet

BROKEN_ENTRY = "<item><description></description></item>"
"""No title, no link, no guid: the connector has to reject it, with a reason."""
_ENDLESS: Final = b"<item><title>" + b"more " * 10_000 + b"</title></item>"


class OutletServer(LoopbackServer):
    """Serves ``/<slug>/rss.xml`` for each outlet; knows the distinct entries that it served.

    Args:
        outlets: whose feeds.
        longest: entries that a feed holds at most; the oldest fall out.
        hostile: the slug of an outlet whose answer never ends; none of it counts as served.
    """

    def __init__(
        self, outlets: tuple[Outlet, ...], longest: int = 500, hostile: str | None = None
    ) -> None:
        self._hostile = hostile
        self._longest = longest
        self._items: dict[str, list[Item]] = {outlet.slug: [] for outlet in outlets}
        self._publishers = {outlet.slug: outlet.publisher for outlet in outlets}
        self._served: set[tuple[int, str]] = set()
        self._numbers: set[int] = set()
        self._lock = threading.Lock()
        server = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # noqa: N802 - the base's name
                server._answer(self)

        super().__init__(Handler)

    @property
    def served(self) -> int:
        """Distinct entries and revisions of them that went out, the broken ones included."""
        with self._lock:
            return len(self._served)

    def url(self, slug: str) -> str:
        """The address of an outlet's feed."""
        return f"http://{self.host}/{slug}/rss.xml"

    def publish(self, items: list[Item]) -> None:
        """Put items into their outlets' feeds, newest first; one of a known number is its edit."""
        with self._lock:
            for item in items:
                feed = self._items[item.outlet]
                if item.number in self._numbers:
                    feed[:] = [old for old in feed if old.number != item.number]
                self._numbers.add(item.number)
                feed.insert(0, item)
                del feed[self._longest :]

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        slug = request.path.strip("/").removesuffix("/rss.xml")
        with self._lock:
            items = list(self._items.get(slug, ()))
        if slug == self._hostile:
            _answer_without_end(request)
            return
        if slug not in self._publishers:
            request.send_error(404)
            return
        body = _rss(self._publishers[slug], items, self.host).encode()
        etag = f'"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'
        if request.headers.get("If-None-Match") == etag:
            request.send_response(304)
            request.send_header("ETag", etag)
            request.end_headers()
            return
        request.send_response(200)
        request.send_header("Content-Type", "application/rss+xml; charset=utf-8")
        request.send_header("Content-Length", str(len(body)))
        request.send_header("ETag", etag)
        request.end_headers()
        request.wfile.write(body)
        with self._lock:
            self._served.update((item.number, item.title) for item in items)
            self._served.add((-1, slug))  # the broken entry


def _answer_without_end(request: BaseHTTPRequestHandler) -> None:
    """Send until the other side has had enough."""
    request.close_connection = True
    with contextlib.suppress(OSError):
        request.send_response(200)
        request.send_header("Content-Type", "application/rss+xml")
        request.send_header("Connection", "close")
        request.end_headers()
        request.wfile.write(b'<rss version="2.0"><channel>')
        while True:
            request.wfile.write(_ENDLESS)


def _rss(publisher: str, items: list[Item], host: str) -> str:
    entries = "".join(_entry(item, host) for item in items)
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel>'
        f"<title>{escape(publisher)}</title><link>http://{host}/</link>"
        f"<description>{escape(publisher)}</description>{entries}{BROKEN_ENTRY}</channel></rss>"
    )


def _entry(item: Item, host: str) -> str:
    link = f"http://{host}/{item.outlet}/{item.number}"
    return (
        f"<item><title>{escape(item.title)}</title><link>{link}</link>"
        f"<guid>{link}</guid><description>{escape(item.summary)}</description>"
        f"<pubDate>{format_datetime(item.published_at)}</pubDate></item>"
    )
