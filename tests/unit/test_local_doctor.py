"""What the doctor says about the service."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local import doctor
from deploy.local.doctor import Outcome
from deploy.local.running import note_ready
from deploy.local.supervise.home_lock import home_lock
from deploy.settings import Settings

_READY = {"kafka": "127.0.0.1:9", "pids": {"supervisor": 7, "feeds": 8}}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(doctor, "_kafka_at", lambda at: f"answers at {at}")
    monkeypatch.setattr(doctor, "_ports", lambda _: "free")
    return tmp_path


def _said(home: Path) -> dict[str, tuple[Outcome, str]]:
    return {f.what: (f.outcome, f.text) for f in doctor._service(Settings(home=home))}


def test_a_killed_service_does_not_run_whatever_it_wrote_down(home: Path) -> None:
    note_ready(home / "run", _READY)

    outcome, text = _said(home)["service"]

    assert outcome is Outcome.NOTE
    assert "does not run" in text


def test_a_service_that_holds_the_home_and_was_ready_runs(home: Path) -> None:
    with home_lock(home / "run"):
        note_ready(home / "run", _READY)

        assert _said(home)["service"] == (Outcome.OK, "runs, process 7")


def test_a_service_that_is_not_ready_yet_is_starting(home: Path) -> None:
    with home_lock(home / "run"):
        assert "is starting" in _said(home)["service"][1]


def test_what_the_system_refuses_is_a_finding_and_no_traceback(home: Path) -> None:
    def refused() -> str:
        raise PermissionError(13, "Permission denied", str(home))

    found = doctor._check("home", refused)

    assert (found.outcome, found.text) == (
        Outcome.FAULT,
        f"{home}: Permission denied; mend that",
    )
