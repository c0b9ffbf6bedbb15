"""From the URLs of the settings to channels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TextIO

from connectors.desk.channels.base import Channel
from connectors.desk.channels.console import ConsoleChannel
from connectors.desk.channels.mail import SCHEMES, mail_channels
from connectors.desk.channels.services import ServiceChannel
from connectors.desk.channels.webhook import WebhookChannel
from connectors.desk.errors import WrongChannel
from pipeline.contracts.clock import Clock

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)")


def open_channels(
    urls: Sequence[str], secret: str, clock: Clock, console: TextIO
) -> tuple[Channel, ...]:
    """The console, and the channels of ``urls``; the same receiver twice is one.

    Nothing is sent or looked up, so this is also how a configuration is checked.

    Args:
        urls: ``http(s)://`` is the signed webhook, ``mailto(s)://`` our mail, all else apprise's.
        secret: of the webhook, ``whsec_…``.
        clock: the time of signatures and mails.
        console: where the console lines go.

    Raises:
        WrongChannel: a URL cannot be used; says which scheme, never the secrets.
    """
    channels: list[Channel] = [ConsoleChannel(console)]
    for url in urls:
        channels += _open(url, secret, clock)
    return tuple({channel.row.id: channel for channel in channels}.values())


def _open(url: str, secret: str, clock: Clock) -> Sequence[Channel]:
    found = _SCHEME.match(url)
    if found is None:
        raise WrongChannel(
            "STRAITWATCH_CHANNELS: an entry is no URL with a scheme, e.g. https://host/path; "
            "a comma inside a URL is written %2C"
        )
    scheme = found[0].lower()
    if scheme in ("http", "https"):
        return [WebhookChannel(url, secret, clock)]
    if scheme in SCHEMES:
        return mail_channels(url, clock)
    return [ServiceChannel(url)]
