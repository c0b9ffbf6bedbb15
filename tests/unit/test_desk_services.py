"""What apprise hands to the services: caught before it leaves, searched for what they act on."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace
from typing import Any

import pytest
import requests

from connectors.desk.channels.base import Envelope, Retry, Sent
from connectors.desk.channels.services import ServiceChannel
from connectors.desk.errors import WrongChannel
from connectors.desk.message import compose
from pipeline.contracts import codec
from pipeline.contracts.records import AlertState, Severity
from tests.golden.desk.alert import ALERT

HOSTILE = "@everyone @here <!channel> <@U123> <@&9> [free](https://evil.example) <b>x</b> &amp;"
SERVICES = {
    "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops",
    "discord": "discord://417429632418316298/JHZ7lQml277CDHmQKMHI8qBe7bk2ZwO5UKjCiOAF7711o33MyqU344Qpgv7YTpadV_js",
    "tgram": "tgram://123456789:abcdefg_hijklmnopqrstuvwxyz01234567/12345",
    "mmost": "mmosts://chat.example/3ccdd113474722377935511fc85d3dd4",
    # Microsoft Teams.
    "workflows": "workflows://host.example:443/643e69f83c8944/signature",
    "json": "jsons://host.example/path",
}


class Caught:
    """Takes every request in place of the network."""

    def __init__(self) -> None:
        self.status = 200
        self.failing = ""
        """Requests whose body holds it are answered with 500."""
        self.calls: list[tuple[str, str]] = []

    def request(self, url: str, **how: Any) -> requests.Response:
        body = how.get("data") or how.get("json") or ""
        text = body if isinstance(body, str) else body.decode() if isinstance(body, bytes) else ""
        self.calls.append((url, text or json.dumps(body, default=str)))
        answer = requests.Response()
        answer.status_code = 500 if self.failing and self.failing in text else self.status
        slack = "hooks.slack.com" in url
        answer._content = b"ok" if slack else b'{"ok": true, "result": {"message_id": 1}}'
        return answer


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> Caught:
    made = Caught()
    monkeypatch.setattr(
        requests.Session, "request", lambda _, method, url, **how: made.request(url, **how)
    )
    return made


def hostile() -> Envelope:
    evidence = tuple(replace(e, title=HOSTILE, publisher=HOSTILE) for e in ALERT.evidence)
    alert = replace(ALERT, evidence=evidence, reason=HOSTILE, terms=(HOSTILE,))
    return Envelope(alert, codec.encode(alert))


@pytest.mark.parametrize("name", SERVICES)
def test_a_hostile_feed_pings_nobody_and_hides_no_link(name: str, caught: Caught) -> None:
    assert ServiceChannel(SERVICES[name]).send(hostile()) == Sent()
    (call,) = caught.calls
    sent = json.dumps(json.loads(call[1]), ensure_ascii=False)
    assert "9 independent stories" in sent
    for active in ("@everyone", "@here", "<!channel", "<@U123", "](http", "://evil", "<b>x"):
        assert active not in sent, f"{active} reached {name}"


@pytest.mark.parametrize("name", SERVICES)
def test_no_message_names_a_host_that_the_evidence_does_not(name: str, caught: Caught) -> None:
    ServiceChannel(SERVICES[name]).send(Envelope(ALERT, codec.encode(ALERT)))
    (call,) = caught.calls
    assert "github" not in call[1]
    assert ".png" not in call[1]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_says_no_is_tried_again(name: str, caught: Caught) -> None:
    caught.status = 500
    outcome = ServiceChannel(SERVICES[name]).send(Envelope(ALERT, codec.encode(ALERT)))
    assert isinstance(outcome, Retry)
    assert outcome.reason != "no reason given"


def test_a_chat_that_fails_repeats_nothing_to_the_others(caught: Caught) -> None:
    channel = ServiceChannel(SERVICES["tgram"] + "/67890")
    caught.failing = "67890"
    assert isinstance(channel.send(Envelope(ALERT, b"")), Retry)
    caught.failing = ""
    caught.calls.clear()

    assert channel.send(Envelope(ALERT, b"")) == Sent()
    assert [json.loads(body)["chat_id"] for _, body in caught.calls] == [67890]
    assert channel.send(Envelope(replace(ALERT, revision=3), b"")) == Sent()
    assert len(caught.calls) == 3


def test_a_short_service_gets_one_message_within_its_limit(caught: Caught) -> None:
    channel = ServiceChannel(SERVICES["discord"])
    channel.send(Envelope(replace(ALERT, evidence=ALERT.evidence * 3), b""))
    (call,) = caught.calls
    assert len(json.loads(call[1])["content"]) <= 2000


@pytest.mark.parametrize("name", SERVICES)
def test_a_row_shows_the_scheme_and_no_secret(name: str) -> None:
    row = ServiceChannel(SERVICES[name]).row
    assert row.label == SERVICES[name].partition(":")[0]


@pytest.mark.parametrize(
    ("severity", "state", "told"),
    [
        (Severity.INFO, AlertState.OPEN, "info"),
        (Severity.WARNING, AlertState.OPEN, "warning"),
        (Severity.CRITICAL, AlertState.ESCALATED, "critical"),
        (Severity.CRITICAL, AlertState.DE_ESCALATED, "info"),
        (Severity.CRITICAL, AlertState.CLOSED, "info"),
    ],
)
def test_a_pager_hears_how_urgent_it_is(
    severity: Severity, state: AlertState, told: str, caught: Caught
) -> None:
    alert = replace(ALERT, severity=severity, state=state)
    pager = ServiceChannel("pagerduty://A1BRTD4JDTIiajkdnlazkcOXrIdevi7F@abcd1234")
    assert pager.send(Envelope(alert, b"")) == Sent()
    (call,) = caught.calls
    assert json.loads(call[1])["payload"]["severity"] == told


@pytest.mark.parametrize("scheme", ["opsgenie", "jira"])
def test_a_service_that_would_drop_what_opens_no_alert_is_not_taken(scheme: str) -> None:
    key = f"{scheme}://a1b2c3d4-a1b2-c3d4-e5f6-a1b2c3d4e5f6"
    with pytest.raises(WrongChannel, match="action=new"):
        ServiceChannel(key)
    ServiceChannel(f"{key}?action=new")


def test_a_failure_is_told_with_its_own_reason_and_no_other_channels(
    caught: Caught, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = ServiceChannel(SERVICES["discord"])
    caught.status = 500
    request = caught.request

    def beside(url: str, **how: Any) -> requests.Response:
        other = threading.Thread(target=logging.getLogger("apprise").warning, args=("another's",))
        other.start()
        other.join()
        return request(url, **how)

    monkeypatch.setattr(caught, "request", beside)
    outcome = channel.send(Envelope(ALERT, b""))
    assert isinstance(outcome, Retry)
    assert "Discord" in outcome.reason


def test_a_text_message_holds_title_and_count_whole(caught: Caught) -> None:
    phone = ServiceChannel("d7sms://a1b2c3d4e5@15551231234")
    phone.send(Envelope(ALERT, b""))
    (call,) = caught.calls
    sent = json.loads(call[1])["messages"][0]["content"]
    told = compose(ALERT)
    assert sent.startswith(f"{told.title}\r\n{told.summary}")
    assert len(sent) <= 160


@pytest.mark.parametrize(
    "url",
    [
        "pagerduty://s3cret-key",
        "gchat://workspace/s3cret-key",
        "discord://s3cret-key",
        "twilio://ACs3cret-key:s3cret%2Fkey@1",
        "unknown://user:s3cret-key@host/s3cret-key",
        "sns://s3cret-key/s3cret-key/+nowhere",
    ],
)
def test_a_wrong_address_is_told_without_its_secrets(url: str) -> None:
    with pytest.raises(WrongChannel) as e:
        ServiceChannel(url)
    said = str(e.value)
    assert url.partition(":")[0] in said
    assert "s3cret" not in said
    assert "/key" not in said
