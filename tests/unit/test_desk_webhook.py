"""The signed webhook against a real HTTP server on loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from standardwebhooks import Webhook

from connectors.desk.channels.base import Envelope, Outcome, Refused, Retry, Sent
from connectors.desk.channels.webhook import WebhookChannel, channel_id, retry_after
from connectors.desk.errors import WrongChannel
from pipeline.contracts import codec
from pipeline.contracts.clock import SystemClock
from tests.golden.desk.alert import ALERT

ENVELOPE = Envelope(ALERT, codec.encode(ALERT))
SECRET = "whsec_" + "c3RyYWl0d2F0Y2gtdGVzdC1zZWNyZXQtMzItYnl0ZXM="
NOW = datetime(2026, 3, 3, 1, tzinfo=UTC)


class Receiver:
    """Answers every POST as told and keeps it."""

    def __init__(self) -> None:
        self.status, self.headers = 204, {}
        self.got: list[tuple[dict[str, str], bytes, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                names = {k.lower(): v for k, v in self.headers.items()}
                receiver.got.append((names, body, str(self.client_address)))
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/hook"

    def answer(self, status: int, **headers: str) -> None:
        self.status, self.headers = status, {k.replace("_", "-"): v for k, v in headers.items()}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.http.serve_forever)
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()
    thread.join()


@pytest.fixture
def send() -> Iterator[Callable[[str], Outcome]]:
    opened: list[WebhookChannel] = []

    def post(url: str) -> Outcome:
        if not opened:
            opened.append(WebhookChannel(url, SECRET, SystemClock()))
        return opened[0].send(ENVELOPE)

    yield post
    for channel in opened:
        channel.close()


def test_a_receiver_can_verify_it_and_reads_exactly_the_record(
    receiver: Receiver, send: Callable[[str], Outcome]
) -> None:
    assert send(receiver.url) == Sent()
    ((headers, body, _),) = receiver.got
    assert body == codec.encode(ALERT)
    Webhook(SECRET).verify(body, headers)
    assert headers["webhook-id"] == headers["idempotency-key"] == f"{ALERT.alert_id}-2"
    assert headers["webhook-signature"].startswith("v1,")
    assert headers["content-type"] == "application/json"


def test_every_attempt_has_the_same_key_and_uses_the_same_connection(
    receiver: Receiver, send: Callable[[str], Outcome]
) -> None:
    for _ in range(3):
        send(receiver.url)
    assert len({headers["idempotency-key"] for headers, _, _ in receiver.got}) == 1
    assert len({client for _, _, client in receiver.got}) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 502, 503, 504])
def test_what_may_be_mended_is_worth_another_attempt(
    receiver: Receiver, send: Callable[[str], Outcome], status: int
) -> None:
    receiver.answer(status)
    assert send(receiver.url) == Retry(f"HTTP {status}")


@pytest.mark.parametrize("status", [400, 410, 413, 422])
def test_what_stays_wrong_is_refused(
    receiver: Receiver, send: Callable[[str], Outcome], status: int
) -> None:
    receiver.answer(status)
    assert send(receiver.url) == Refused(f"HTTP {status}")


def test_a_redirect_is_never_followed(receiver: Receiver, send: Callable[[str], Outcome]) -> None:
    receiver.answer(307, Location=receiver.url)
    assert isinstance(send(receiver.url), Refused)
    assert len(receiver.got) == 1


def test_retry_after_is_passed_on(receiver: Receiver, send: Callable[[str], Outcome]) -> None:
    receiver.answer(503, Retry_After="17")
    assert send(receiver.url) == Retry("HTTP 503", timedelta(seconds=17))


def test_nobody_there_is_worth_another_attempt_and_tells_no_secret(
    send: Callable[[str], Outcome],
) -> None:
    outcome = send("http://user:hunter2@127.0.0.1:1/x?token=hunter2")
    assert isinstance(outcome, Retry)
    assert "hunter2" not in outcome.reason


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("0", timedelta(0)),
        ("Tue, 03 Mar 2026 01:00:30 GMT", timedelta(seconds=30)),
        ("Tue, 03 Mar 2026 00:00:00 GMT", timedelta(0)),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
        ("9" * 40, timedelta(seconds=10**8)),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, wait: timedelta | None) -> None:
    assert retry_after(value, NOW) == wait


def test_a_channel_keeps_its_id_when_the_password_changes_and_shows_no_secret() -> None:
    first = channel_id("webhook", "https://u:one@h.example/x")
    assert first == channel_id("webhook", "https://u:two@h.example/x")
    assert first != channel_id("webhook", "https://u:one@h.example/y")
    assert first != channel_id("webhook", "https://other:one@h.example/x")
    channel = WebhookChannel("https://u:hunter2@h.example/x?k=hunter2", SECRET, SystemClock())
    channel.close()
    assert "hunter2" not in str(channel.row)


@pytest.mark.parametrize(
    "url",
    [
        "https:///path",
        "http://[::1/x",
        "http://h:99999/x",
        "http://a..b/x",
        "http://xn--/x",
        f"http://{'a' * 70}.example/x",
        "http://h\N{SNOWMAN}.example/x",
        "http://h.example/\0",
    ],
)
def test_a_url_without_a_host_is_wrong_use(url: str) -> None:
    with pytest.raises(WrongChannel, match="host"):
        WebhookChannel(url, SECRET, SystemClock())
