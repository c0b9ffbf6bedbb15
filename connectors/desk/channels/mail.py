"""Mail: a text and an HTML part, one Message-ID a revision, References so that revisions thread.

apprise reads the URL (``mailto://``, ``mailtos://``) and knows the providers; the message is ours.
One channel has one recipient: nobody sees the others, and each is tried again alone.
"""

from __future__ import annotations

import hashlib
import re
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Final

from connectors.desk.channels.base import (
    ChannelKind,
    Envelope,
    Outcome,
    Refused,
    Retry,
    Sent,
)
from connectors.desk.channels.services import service
from connectors.desk.channels.webhook import channel_id
from connectors.desk.errors import WrongChannel
from connectors.desk.message import as_html, as_text
from connectors.desk.policy import Pace
from connectors.desk.store import ChannelRow
from pipeline.contracts.clock import Clock

SCHEMES: Final = ("mailto", "mailtos")
_LONGEST: Final = 30_000
_TIMEOUT: Final = 15.0
_PACE: Final = Pace(20, timedelta(minutes=10))
_NAME_CHARS: Final = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in."""

    host: str
    port: int
    mode: str
    """``insecure``, ``starttls`` or ``ssl``, as apprise calls them."""
    user: str | None
    password: str | None
    verify: bool


class MailChannel:
    """`Channel` to one mailbox."""

    def __init__(
        self, url: str, server: Server, sender: Address, to: Address, clock: Clock
    ) -> None:
        self._url = url
        self._server = server
        self._sender = sender
        self._to = to
        self._clock = clock

    @property
    def row(self) -> ChannelRow:
        """As `Channel.row`."""
        digest = channel_id("mail", f"{self._url.partition('?')[0]}#{self._to.addr_spec}")
        return ChannelRow(digest, ChannelKind.MAIL, f"mail to {self._to.addr_spec}")

    @property
    def pace(self) -> Pace | None:
        """As `Channel.pace`: a person reads this."""
        return _PACE

    def send(self, envelope: Envelope) -> Outcome:
        """As `Channel.send`."""
        message = self.message(envelope)
        try:
            smtp = self._connect()
            try:
                smtp.send_message(message, self._sender.addr_spec, [self._to.addr_spec])
            finally:
                # However it says goodbye, the mail is taken: an error here must not repeat it.
                with suppress(smtplib.SMTPException, OSError):
                    smtp.quit()
                smtp.close()
        except smtplib.SMTPRecipientsRefused as e:
            code, text = next(iter(e.recipients.values()))
            return _answered(code, text)
        except smtplib.SMTPAuthenticationError as e:
            # A password can be mended while the message waits.
            return Retry(f"SMTP {e.smtp_code}: the server does not take the login")
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as e:
            return _answered(e.smtp_code, e.smtp_error)
        except (smtplib.SMTPException, OSError) as e:
            return Retry(f"no mail server ({type(e).__name__})")
        return Sent()

    def message(self, envelope: Envelope) -> EmailMessage:
        """The mail for one revision: the same Message-ID in every attempt."""
        alert, told = envelope.alert, envelope.message
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = f"[Straitwatch] {told.title}"
        mail["From"] = self._sender
        mail["To"] = self._to
        mail["Date"] = format_datetime(self._clock.now())
        mail["Message-ID"] = self._id(alert.alert_id, alert.revision)
        if alert.revision > 1:
            first = self._id(alert.alert_id, 1)
            mail["In-Reply-To"] = first
            mail["References"] = first
        # No out-of-office answers, please (RFC 3834).
        mail["Auto-Submitted"] = "auto-generated"
        mail["Content-Language"] = "en"
        mail.set_content(as_text(told, _LONGEST), cte="quoted-printable")
        mail.add_alternative(as_html(told), subtype="html", cte="quoted-printable")
        return mail

    def close(self) -> None:
        """As `Channel.close`."""

    def _id(self, alert_id: str, revision: int) -> str:
        name = _NAME_CHARS.sub("", alert_id)
        if name != alert_id or len(name) > 64:
            name = hashlib.blake2b(alert_id.encode(), digest_size=16).hexdigest()
        return f"<{name}.{revision}@straitwatch.{self._sender.domain}>"

    def _connect(self) -> smtplib.SMTP:
        at = self._server
        context = ssl.create_default_context()
        if not at.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        smtp: smtplib.SMTP
        if at.mode == "ssl":
            smtp = smtplib.SMTP_SSL(at.host, at.port, timeout=_TIMEOUT, context=context)
        else:
            smtp = smtplib.SMTP(at.host, at.port, timeout=_TIMEOUT)
        try:
            if at.mode == "starttls":
                smtp.starttls(context=context)
            if at.user and at.password:
                smtp.login(at.user, at.password)
        except BaseException:
            smtp.close()
            raise
        return smtp


def mail_channels(url: str, clock: Clock) -> tuple[MailChannel, ...]:
    """A channel for each recipient of a mail URL.

    Raises:
        WrongChannel: the URL is none, or names no usable address.
    """
    parsed: Any = service(url)
    server = Server(
        parsed.smtp_host,
        int(parsed.port),
        str(parsed.secure_mode),
        parsed.user,
        parsed.password,
        bool(parsed.verify_certificate),
    )
    everybody = [*parsed.targets, *((parsed.names.get(a), a) for a in (*parsed.cc, *parsed.bcc))]
    sender = _address(parsed.from_addr[0], parsed.from_addr[1])
    recipients = {address: _address(name, address) for name, address in everybody}
    return tuple(MailChannel(url, server, sender, to, clock) for to in recipients.values())


def _address(name: Any, address: str) -> Address:
    try:
        return Address(display_name=str(name or ""), addr_spec=address)
    except (ValueError, IndexError) as e:
        raise WrongChannel(f"STRAITWATCH_CHANNELS: {address} is no mail address") from e


def _answered(code: int, text: bytes | str) -> Outcome:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    reason = f"SMTP {code}: {' '.join(said.split())}"[:200]
    return Refused(reason) if 500 <= code < 600 else Retry(reason)
