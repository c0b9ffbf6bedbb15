"""The webhook secret: made once, kept private, checked when given."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from connectors.desk.errors import WrongSecret
from connectors.desk.secret import FILE_NAME, webhook_secret


def test_it_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    secret = webhook_secret(home, None)
    assert webhook_secret(home, None) == secret
    assert stat.S_IMODE((home / FILE_NAME).stat().st_mode) == 0o600
    assert [p.name for p in home.iterdir()] == [FILE_NAME]
    Webhook(secret)


def test_two_homes_have_two_secrets(tmp_path: Path) -> None:
    assert webhook_secret(tmp_path / "a", None) != webhook_secret(tmp_path / "b", None)


def test_a_configured_one_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    assert webhook_secret(tmp_path, "whsec_c2VjcmV0") == "whsec_c2VjcmV0"
    assert list(tmp_path.iterdir()) == []


def test_of_two_that_make_one_at_once_the_quicker_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def beaten(_: Path, there: Path) -> None:
        there.write_text("whsec_c2VjcmV0\n")
        raise FileExistsError

    monkeypatch.setattr(os, "link", beaten)
    assert webhook_secret(tmp_path, None) == "whsec_c2VjcmV0"
    assert [p.name for p in tmp_path.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_###", "c2VjcmV0", "whsec_é"])
def test_one_that_is_none_is_named(tmp_path: Path, secret: str) -> None:
    with pytest.raises(WrongSecret, match="STRAITWATCH_WEBHOOK_SECRET"):
        webhook_secret(tmp_path, secret)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("nonsense")
    with pytest.raises(WrongSecret, match=FILE_NAME):
        webhook_secret(tmp_path, None)
