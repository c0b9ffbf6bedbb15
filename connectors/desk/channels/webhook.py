"""The webhook: the alert record, signed as Standard Webhooks has it, for a receiver to trust.

Source: the Standard Webhooks specification, v1 (headers, signature, what to try again).
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import httpx
from standardwebhooks import Webhook

from connectors.desk.channels.base import (
    ChannelKind,
    Envelope,
    Outcome,
    Refused,
    Retry,
    Sent,
)
from connectors.desk.errors import WrongChannel
from connectors.desk.policy import Pace
from connectors.desk.store import ChannelRow
from pipeline.contracts.clock import Clock

_TIMEOUT: Final = httpx.Timeout(15, connect=5)
_SHORT: Final = 65_536
_HOPELESS: Final = frozenset({400, 405, 406, 410, 411, 413, 414, 415, 422, 431, 501, 505})
"""The message or the address is at fault and stays so. All else may be mended at the other side: a
key renewed (401, 403), a route deployed (404), a service back (5xx)."""


class WebhookChannel:
    """`Channel` to an HTTP endpoint."""

    def __init__(self, url: str, secret: str, clock: Clock) -> None:
        """Check ``url`` and make ready; nothing is sent yet.

        Raises:
            WrongChannel: it is no http(s) URL.
        """
        self._url = url
        self._host = _host(url)
        self._webhook = Webhook(secret)
        self._clock = clock
        # Settings of the environment (proxies) hold; redirects are answers, never followed: a
        # signed record goes where the operator said and nowhere else.
        self._client = httpx.Client(timeout=_TIMEOUT, follow_redirects=False)

    @property
    def row(self) -> ChannelRow:
        """As `Channel.row`."""
        return ChannelRow(
            channel_id("webhook", self._url), ChannelKind.WEBHOOK, f"webhook {self._host}"
        )

    @property
    def pace(self) -> Pace | None:
        """As `Channel.pace`: a program can take all at once."""
        return None

    def send(self, envelope: Envelope) -> Outcome:
        """As `Channel.send`."""
        key, now = envelope.idempotency_key, self._clock.now()
        body = envelope.record
        headers = {
            "content-type": "application/json",
            "user-agent": "straitwatch-desk",
            "idempotency-key": key,
            "webhook-id": key,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(key, now, body.decode("utf-8")),
        }
        try:
            # Streamed, so that an endless answer is never read.
            with self._client.stream("POST", self._url, content=body, headers=headers) as answer:
                _read_short(answer)
                return _outcome(answer.status_code, answer.headers.get("retry-after"), now)
        except httpx.TimeoutException as e:
            return Retry(f"no answer in time ({type(e).__name__})")
        except httpx.HTTPError as e:
            # The text may hold the URL, and with it what is secret in it.
            return Retry(f"no connection ({type(e).__name__})")

    def close(self) -> None:
        """As `Channel.close`."""
        self._client.close()


def channel_id(kind: str, url: str) -> str:
    """The same for the same receiver at every start; a changed password changes nothing."""
    parts = urlsplit(url)
    user, has_user, host = parts.netloc.rpartition("@")
    bare = f"{user.partition(':')[0]}@{host}" if has_user else host
    name = urlunsplit(parts._replace(netloc=bare))
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{kind}-{digest}"


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """What a ``Retry-After`` asks for: seconds or a date (RFC 9110, 10.2.3); None when none."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), 10**8))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(at - now, timedelta(0))


def _read_short(answer: httpx.Response) -> None:
    """Read an answer of ordinary length to its end, which keeps the connection for the next one."""
    with suppress(ValueError):
        if int(answer.headers.get("content-length", "")) <= _SHORT:
            answer.read()


def _outcome(status: int, wait: str | None, now: datetime) -> Outcome:
    if 200 <= status < 300:
        return Sent()
    if status in _HOPELESS:
        return Refused(f"HTTP {status}")
    if 300 <= status < 400:
        return Refused(f"HTTP {status}: a redirect is not followed; configure the final address")
    return Retry(f"HTTP {status}", retry_after(wait, now))


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        # As they will be used: else each attempt would fail, for a day.
        httpx.URL(url).host.encode("idna")
    except (ValueError, httpx.InvalidURL):
        host, port = None, None
    if not host:
        raise WrongChannel(
            "STRAITWATCH_CHANNELS: a webhook needs a host that can be, as in https://host/path"
        )
    return f"{host}:{port}" if port else host
