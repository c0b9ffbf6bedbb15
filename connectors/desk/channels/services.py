"""Chat, pager and phone: every service that apprise knows, from its URL.

What we do not leave to it (measured with apprise 2.3): only ``text`` as body format is escaped for
the service, some titles never are, and some services act on mentions in any format. So the title
has no word of a stranger (`message`), the body is text with its active signs broken (`plain.tame`),
and our own asset names no picture: no message makes a reader's client load one from a third host.
"""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta
from functools import cache
from typing import Any, Final
from urllib.parse import unquote

from connectors.desk.channels.base import ChannelKind, Envelope, Outcome, Retry, Sent
from connectors.desk.channels.webhook import channel_id
from connectors.desk.errors import WrongChannel
from connectors.desk.message import as_text
from connectors.desk.plain import tame, tame_link
from connectors.desk.policy import Pace
from connectors.desk.store import ChannelRow
from pipeline.contracts.records import Alert, AlertState, Severity

_PACE: Final = Pace(20, timedelta(minutes=2))
_LONGEST: Final = 3500
"""Characters: more is no message but a report."""
_ESCAPED: Final = 0.8
"""Escaping for the service makes a text longer: this share of its limit is ours."""
_SHORT: Final = 500
"""Characters: below it no headline fits, and our own words need no escaping."""
_SECONDS: Final = 30.0
"""One service's budget for one message."""
_URGENCIES: Final = {
    Severity.INFO: "info",
    Severity.WARNING: "warning",
    Severity.CRITICAL: "failure",
}
_ENDINGS: Final = {AlertState.DE_ESCALATED: "info", AlertState.CLOSED: "success"}
"""Whatever the severity was: that it is easing wakes nobody."""
_PARTS: Final = re.compile(r"[/?&=:@#,;+\s]+")
_REMEMBERED: Final = 100
"""Messages of which we know who got them: more than wait for one channel."""
_SECRET: Final = 3
"""Characters: a shorter part of a URL gives nothing away."""


class ServiceChannel:
    """`Channel` through apprise."""

    def __init__(self, url: str) -> None:
        """Check ``url``; nothing is sent yet.

        Raises:
            WrongChannel: apprise does not know the scheme or misses something in the URL.
        """
        self._url = url
        self._service = service(url)
        self._scheme = url.partition(":")[0].lower()
        self._served: dict[str, set[Any]] = {}

    @property
    def row(self) -> ChannelRow:
        """As `Channel.row`."""
        return ChannelRow(channel_id(self._scheme, self._url), ChannelKind.SERVICE, self._scheme)

    @property
    def pace(self) -> Pace | None:
        """As `Channel.pace`: a person reads this."""
        return _PACE

    def send(self, envelope: Envelope) -> Outcome:
        """As `Channel.send`."""
        import apprise

        told = envelope.message
        body = as_text(told, self._room(told.title), tame, tame_link)
        with _listening() as heard, self._skipping_served(envelope.idempotency_key):
            done = self._service.notify(
                body=body,
                title=told.title,
                notify_type=apprise.NotifyType(_urgency(envelope.alert)),
                body_format=apprise.NotifyFormat.TEXT,
            )
        # apprise says only whether it went well, so a failure is always worth another attempt.
        return Sent() if done else Retry(heard.reason(self._url))

    def close(self) -> None:
        """As `Channel.close`."""

    @contextmanager
    def _skipping_served(self, key: str) -> Iterator[None]:
        """Send to those receivers of the URL that no earlier attempt has reached.

        One chat of several that fails would else repeat the message to the others for a day.
        apprise keeps such a record within a call, for its own retries; ours are calls of their own.
        """
        from apprise.plugins.base import _delivery_tracker

        served = self._served.pop(key, set())
        while len(self._served) >= _REMEMBERED:
            del self._served[next(iter(self._served))]
        self._served[key] = served
        token = _delivery_tracker.set(served)
        try:
            yield
        finally:
            _delivery_tracker.reset(token)

    def _room(self, title: str) -> int:
        """Characters for the body, so that the service cuts nothing."""
        limit = int(self._service.body_maxlen)
        if self._service.title_maxlen <= 0:
            limit -= len(f"{title}\r\n")  # apprise puts it before the body
        return min(_LONGEST, limit if limit < _SHORT else int(limit * _ESCAPED))


def _urgency(alert: Alert) -> str:
    """What apprise calls the type of a notification: a pager's severity, a chat's colour."""
    return _ENDINGS.get(alert.state) or _URGENCIES[alert.severity]


def service(url: str) -> Any:
    """The object of apprise for ``url``.

    Raises:
        WrongChannel: there is none.
    """
    import apprise

    scheme = url.partition(":")[0]
    with _listening() as heard, warnings.catch_warnings():
        # The first use loads every plugin, and some still import what Python will drop.
        warnings.simplefilter("ignore", DeprecationWarning)
        made = apprise.Apprise.instantiate(url, asset=_asset(), suppress_exceptions=True)
    if made is None:
        raise WrongChannel(
            f"STRAITWATCH_CHANNELS: apprise cannot use the {scheme}:// address "
            f"({heard.reason(url)}); see its page on that service"
        )
    if getattr(made, "mapping", None) and getattr(made, "action", None) == "map":
        # Opsgenie and Jira: such a service sends nothing for a message that opens no alert there,
        # and says that it was sent.
        raise WrongChannel(
            f"STRAITWATCH_CHANNELS: {scheme}:// leaves out some alerts unless its address has "
            "?action=new (or &action=new)"
        )
    return made


@cache
def _asset() -> Any:
    import apprise

    return apprise.AppriseAsset(
        app_id="Straitwatch",
        app_desc="Straitwatch",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        image_path_mask="",
        async_mode=False,
        interpret_emojis=False,
        interpret_escapes=False,
        secure_logging=True,
        service_timeout=_SECONDS,
        language="en",
        timezone=UTC,
    )


class _listening:  # noqa: N801 - reads as a word of the with statement
    """What apprise logs in this thread while the block runs: the only place where it says why."""

    def __init__(self) -> None:
        self._line = ""
        self._thread = threading.get_ident()
        self._handler = logging.Handler(logging.WARNING)
        self._handler.emit = self._take  # type: ignore[method-assign]

    def __enter__(self) -> _listening:
        logging.getLogger("apprise").addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self._handler)

    def reason(self, url: str) -> str:
        """The first complaint, short, without anything that is a part of ``url``."""
        rest = url.partition("://")[2]
        parts = {part for text in (rest, unquote(rest)) for part in _PARTS.split(text)}
        # The longest first: one may stand inside another.
        hidden = sorted((p for p in parts if len(p) >= _SECRET), key=len, reverse=True)
        line = self._line
        if hidden:
            line = re.sub("|".join(map(re.escape, hidden)), "…", line, flags=re.IGNORECASE)
        return line[:200] or "no reason given"

    def _take(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread and not self._line:
            self._line = " ".join(record.getMessage().split())
