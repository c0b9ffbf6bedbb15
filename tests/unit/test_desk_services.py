"""What apprise hands to the services: caught before it leaves, searched for what they act on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from connectors.desk.channels.base import Envelope, Retry, Sent
from connectors.desk.channels.services import ServiceChannel
from pipeline.contracts import codec
from pipeline.contracts.records import Alert

ALERT = codec.decode(
    Alert, (Path(__file__).parents[1] / "golden" / "desk" / "alert.json").read_bytes()
)
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
        self.calls: list[tuple[str, str]] = []

    def request(self, url: str, **how: Any) -> requests.Response:
        body = how.get("data") or how.get("json") or ""
        text = body if isinstance(body, str) else body.decode() if isinstance(body, bytes) else ""
        self.calls.append((url, text or json.dumps(body, default=str)))
        answer = requests.Response()
        answer.status_code = self.status
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


def test_a_short_service_gets_one_message_within_its_limit(caught: Caught) -> None:
    channel = ServiceChannel(SERVICES["discord"])
    channel.send(Envelope(replace(ALERT, evidence=ALERT.evidence * 3), b""))
    (call,) = caught.calls
    assert len(json.loads(call[1])["content"]) <= 2000


@pytest.mark.parametrize("name", SERVICES)
def test_a_row_shows_the_scheme_and_no_secret(name: str) -> None:
    row = ServiceChannel(SERVICES[name]).row
    assert row.label == SERVICES[name].partition(":")[0]
