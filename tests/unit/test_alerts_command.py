"""`straitwatch alerts` where there is little to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.desk.database import database_url, migrate, open_database
from deploy.cli.alerts import list_alerts, show
from deploy.errors import Refused


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRAITWATCH_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def _tables(home: Path) -> None:
    engine = open_database(database_url(home, None))
    migrate(engine)
    engine.dispose()


def test_without_a_desk_there_is_nothing_to_list(home: Path) -> None:
    with pytest.raises(Refused, match="no desk has run"):
        list_alerts()

    assert not list(home.iterdir())


@pytest.mark.usefixtures("_tables")
@pytest.mark.parametrize(
    ("topic", "still_open", "said"),
    [
        (None, False, "no alert yet\n"),
        ("taiwan", False, "no alert on taiwan yet\n"),
        (None, True, "no alert is open\n"),
        ("taiwan", True, "no alert on taiwan is open\n"),
    ],
)
def test_an_empty_list_says_what_of(
    topic: str | None, still_open: bool, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    list_alerts(topic, still_open=still_open)

    assert capsys.readouterr() == ("", said)


@pytest.mark.usefixtures("_tables")
def test_an_alert_that_is_not_there_is_not_found() -> None:
    with pytest.raises(Refused, match="no alert begins with 3f2a"):
        show("3f2a")
