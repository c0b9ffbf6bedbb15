"""`up` that is asked to stop while it sets itself up."""

from __future__ import annotations

import fcntl
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local import service
from deploy.local.service import run_service
from deploy.local.supervise.home_lock import home_lock, is_running
from deploy.local.supervise.stops import heard
from deploy.settings import Settings

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOPS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPS)
def test_a_stop_during_the_set_up_is_a_clean_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def asked_to_stop(_: Settings) -> None:
        signal.raise_signal(number)
        pytest.fail("went on")

    monkeypatch.setattr(service, "make_plan", asked_to_stop)
    monkeypatch.setattr(service, "check_files", lambda _: None)
    monkeypatch.setattr(service, "check_room", lambda _: None)
    events: list[dict[str, Any]] = []

    run_service(Settings(home=tmp_path / "home"), events.append)

    assert events == [{"event": "stopped"}]
    assert not is_running(tmp_path / "home" / "run")


def test_what_the_shell_has_switched_off_is_not_heard() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    assert signal.SIGINT not in heard()
    assert signal.SIGTERM in heard()


def test_two_who_ask_at_once_do_not_take_each_other_for_a_service(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_SH)

        assert not is_running(tmp_path)


def test_a_start_waits_for_one_who_only_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "lock").open("w") as asks:
        fcntl.flock(asks, fcntl.LOCK_SH)
        monkeypatch.setattr(
            "deploy.local.supervise.home_lock.time.sleep",
            lambda _: fcntl.flock(asks, fcntl.LOCK_UN),
        )

        with home_lock(tmp_path):
            assert is_running(tmp_path)
