"""Mail, handed in at a small SMTP server on loopback."""

from __future__ import annotations

import email
import email.policy
import io
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from typing import ClassVar

import pytest

from connectors.desk.channels.base import Envelope, Refused, Retry, Sent
from connectors.desk.channels.mail import MailChannel, mail_channels
from connectors.desk.channels.opening import open_channels
from connectors.desk.errors import WrongChannel
from pipeline.contracts import codec
from pipeline.contracts.clock import SystemClock
from tests.golden.desk.alert import ALERT


def envelope(revision: int = 2) -> Envelope:
    alert = replace(ALERT, revision=revision)
    return Envelope(alert, codec.encode(alert))


class Smtp(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client needs; answers RCPT as told."""

    rcpt: ClassVar[str] = "250 ok"
    goodbye: ClassVar[str] = "221 bye"
    hello: ClassVar[str] = "250 ok"
    mails: ClassVar[list[tuple[str, EmailMessage]]] = []

    def handle(self) -> None:
        self._say("220 test")
        to = ""
        while line := self.rfile.readline().decode().strip():
            verb = line.split(":")[0].split(" ")[0].upper()
            if verb == "EHLO":
                self._say(self.hello)
            elif verb == "AUTH":
                self._say("535 wrong password hunter2")
            elif verb == "RCPT":
                to = line.partition("<")[2].partition(">")[0]
                self._say(self.rcpt)
            elif verb == "DATA":
                self._say("354 go on")
                self._take(to)
            elif verb == "QUIT":
                self._say(self.goodbye)
                return
            else:
                self._say("250 ok")

    def _take(self, to: str) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        parsed = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append((to, parsed))
        self._say("250 taken")

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Smtp, "mails", [])
    monkeypatch.setattr(Smtp, "rcpt", "250 ok")
    monkeypatch.setattr(Smtp, "goodbye", "221 bye")
    monkeypatch.setattr(Smtp, "hello", "250 ok")
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"mailto://127.0.0.1:{server.server_address[1]}?from=desk@sw.example&to=ana@x.example"
        server.shutdown()
        thread.join()


def only(url: str) -> MailChannel:
    (channel,) = mail_channels(url, SystemClock())
    return channel


def test_a_mail_has_a_text_and_a_page_in_their_languages(url: str) -> None:
    assert only(url).send(envelope()) == Sent()
    ((to, mail),) = Smtp.mails
    assert to == "ana@x.example"
    assert mail["Subject"] == "[Straitwatch] CRITICAL: japan-china – rising further, update 2"
    text, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert page is not None
    assert "調査船に巡視船が接近" in text.get_content()
    assert '<span lang="ja">調査船に巡視船が接近' in page.get_content()
    assert mail["Auto-Submitted"] == "auto-generated"


def test_revisions_thread_and_an_attempt_again_has_the_same_id(url: str) -> None:
    channel = only(url)
    for revision in (1, 2, 2, 3):
        channel.send(envelope(revision))
    first, second, again, third = (mail for _, mail in Smtp.mails)
    assert first["References"] is None
    assert second["References"] == third["References"] == first["Message-ID"]
    assert second["In-Reply-To"] == third["In-Reply-To"] == first["Message-ID"]
    assert again["Message-ID"] == second["Message-ID"] != third["Message-ID"]


def test_a_hostile_title_adds_no_header_and_no_element(url: str) -> None:
    evil = replace(
        ALERT.evidence[0], title="x\r\nBcc: all@evil.example\r\n\r\n<script>", link="javascript:x"
    )
    alert = replace(ALERT, evidence=(evil,), reason="y\r\nBcc: all@evil.example")
    assert only(url).send(Envelope(alert, codec.encode(alert))) == Sent()
    ((_, mail),) = Smtp.mails
    assert mail["Bcc"] is None
    page = mail.get_body(("html",))
    assert page is not None
    assert "<script" not in page.get_content()
    assert "javascript:" not in page.get_content()


def test_each_recipient_is_a_channel_of_its_own(url: str) -> None:
    channels = mail_channels(url + ",bo@x.example&cc=cy@x.example", SystemClock())
    assert len({c.row.id for c in channels}) == 3
    for channel in channels:
        channel.send(envelope())
    assert [to for to, _ in Smtp.mails] == ["ana@x.example", "bo@x.example", "cy@x.example"]
    assert all(mail["To"] == to and mail["Cc"] is None for to, mail in Smtp.mails)


def test_a_mailbox_that_does_not_exist_is_refused_and_a_full_one_is_tried_again(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Smtp, "rcpt", "550 no such user")
    assert isinstance(only(url).send(envelope()), Refused)
    monkeypatch.setattr(Smtp, "rcpt", "452 full")
    assert isinstance(only(url).send(envelope()), Retry)


def test_a_mail_that_is_taken_is_sent_however_the_server_says_goodbye(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Smtp, "goodbye", "421 too busy to part")
    assert only(url).send(envelope()) == Sent()
    assert len(Smtp.mails) == 1


def test_a_login_that_is_not_taken_is_tried_again_and_named_without_the_password(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Smtp, "hello", "250-test\r\n250 AUTH PLAIN")
    outcome = only(url.replace("://", "://ana:hunter2@")).send(envelope())
    assert outcome == Retry("SMTP 535: the server does not take the login")


def test_where_encryption_is_wanted_nothing_goes_without_it(url: str) -> None:
    outcome = only(f"{url}&mode=starttls".replace("mailto:", "mailtos:")).send(envelope())
    assert isinstance(outcome, Retry)
    assert Smtp.mails == []


def test_a_recipients_name_stands_in_the_mail(url: str) -> None:
    channels = mail_channels(f"{url}&cc=Bo%20Lee%3Cbo@x.example%3E", SystemClock())
    channels[-1].send(envelope())
    assert [(to, mail["To"]) for to, mail in Smtp.mails] == [
        ("bo@x.example", "Bo Lee <bo@x.example>")
    ]


def test_no_server_is_worth_another_attempt() -> None:
    outcome = only("mailto://127.0.0.1:1?from=d@sw.example&to=a@x.example").send(envelope())
    assert isinstance(outcome, Retry)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense://x", "nonsense://"),
        ("slack://too-short", "slack://"),
        ("just-words", "no URL"),
    ],
)
def test_a_url_that_nobody_can_use_is_named_without_its_secrets(url: str, says: str) -> None:
    with pytest.raises(WrongChannel, match=says):
        open_channels([url], "whsec_c2VjcmV0", SystemClock(), io.StringIO())


def test_the_console_is_always_there_and_the_same_receiver_is_one_channel() -> None:
    urls = ["https://h.example/a", "https://h.example/a", "https://h.example/b"]
    channels = open_channels(urls, "whsec_c2VjcmV0", SystemClock(), io.StringIO())
    assert [c.row.kind for c in channels] == ["console", "webhook", "webhook"]
    for channel in channels:
        channel.close()
