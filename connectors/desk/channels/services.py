"""Chat, pager and phone: every service that apprise knows, from its URL.

What we do not leave to it (measured with apprise 2.3): only ``text`` as body format is escaped for
the service, some titles never are, and some services act on mentions in any format. So the title
has no word of a stranger (`message`), the body is text with its active signs broken (`plain.tame`),
and our own asset names no picture: no message makes a reader's client load one from a third host.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections import deque
from datetime import UTC, timedelta
from functools import cache
from typing import Any, Final

from connectors.desk.channels.base import ChannelKind, Envelope, Outcome, Retry, Sent
from connectors.desk.channels.webhook import channel_id
from connectors.desk.errors import WrongChannel
from connectors.desk.message import as_text
from connectors.desk.plain import tame, tame_link
from connectors.desk.policy import Pace
from connectors.desk.store import ChannelRow

_PACE: Final = Pace(20, timedelta(minutes=2))
_LONGEST: Final = 3500
"""Characters: more is no message but a report."""
_ESCAPED: Final = 0.8
"""Escaping for the service makes a text longer: this share of its limit is ours."""
_SECONDS: Final = 30.0
"""One service's budget for one message."""


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

        room = int(min(_LONGEST, self._service.body_maxlen * _ESCAPED))
        told = envelope.message
        body = as_text(told, room, tame, tame_link)
        with _listening() as heard:
            done = self._service.notify(
                body=body, title=told.title, body_format=apprise.NotifyFormat.TEXT
            )
        # apprise says only whether it went well, so a failure is always worth another attempt.
        return Sent() if done else Retry(heard.last())

    def close(self) -> None:
        """As `Channel.close`."""


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
            f"STRAITWATCH_CHANNELS: apprise cannot use the {scheme}:// address ({heard.last()}); "
            "see its page on that service"
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
        self._lines: deque[str] = deque(maxlen=3)
        self._thread = threading.get_ident()
        self._handler = logging.Handler(logging.WARNING)
        self._handler.emit = self._take  # type: ignore[method-assign]

    def __enter__(self) -> _listening:
        logging.getLogger("apprise").addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self._handler)

    def last(self) -> str:
        """The newest complaint, short."""
        return self._lines[-1][:200] if self._lines else "no reason given"

    def _take(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._lines.append(" ".join(record.getMessage().split()))
