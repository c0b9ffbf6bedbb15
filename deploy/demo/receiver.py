"""A webhook receiver, as an analyst's system would have one: it checks each signature."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from standardwebhooks import Webhook, WebhookVerificationError

from deploy.demo.loopback import LoopbackServer, QuietHandler
from pipeline.contracts import codec
from pipeline.contracts.records import CALMING, Alert


@dataclass(frozen=True, slots=True)
class Received:
    """One alert revision that arrived with a good signature."""

    alert: Alert
    key: str
    """Its ``Idempotency-Key``."""
    at: datetime
    repeats: int = 0
    """How often it came again with the same key."""

    @property
    def latency_s(self) -> float | None:
        """Seconds from first sight of the newest story behind the revision to its arrival.

        None when the revision says that an episode calms down: no story made that.
        """
        alert = self.alert
        if alert.newest_seen_at is None or alert.state in CALMING:
            return None
        return (self.at - alert.newest_seen_at).total_seconds()


class WebhookReceiver(LoopbackServer):
    """Takes signed alerts on a loopback port; keeps each revision once."""

    def __init__(self, secret: str) -> None:
        self._webhook = Webhook(secret)
        self._received: dict[str, Received] = {}
        self._news = threading.Condition()
        receiver = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:  # noqa: N802 - the base's name
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                self.send_response(receiver._take(dict(self.headers.items()), body))
                self.send_header("Content-Length", "0")
                self.end_headers()

        super().__init__(Handler)

    @property
    def url(self) -> str:
        """Where alerts are posted to."""
        return f"http://{self.host}/alerts"

    @property
    def received(self) -> tuple[Received, ...]:
        """Every revision so far, in order of arrival."""
        with self._news:
            return tuple(self._received.values())

    def wait(self, seconds: float, topic: str) -> bool:
        """Wait until there is at least one alert of the topic; whether there is."""

        def there() -> bool:
            return any(r.alert.topic == topic for r in self._received.values())

        with self._news:
            return self._news.wait_for(there, seconds)

    def wait_for_all(self, alert_ids: frozenset[str], seconds: float) -> bool:
        """Wait until each of these alerts has arrived; whether they have."""
        with self._news:
            return self._news.wait_for(
                lambda: alert_ids <= {r.alert.alert_id for r in self._received.values()}, seconds
            )

    def _take(self, headers: dict[str, str], body: bytes) -> int:
        lower = {name.lower(): value for name, value in headers.items()}
        try:
            self._webhook.verify(body, lower)
        except WebhookVerificationError:
            return 401
        received = Received(
            codec.decode(Alert, body), lower.get("idempotency-key", ""), datetime.now(UTC)
        )
        with self._news:
            if (before := self._received.get(received.key)) is not None:
                received = replace(before, repeats=before.repeats + 1)
            self._received[received.key] = received
            self._news.notify_all()
        return 204
