"""`straitwatch alerts` where there is little to show."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.desk.channels.base import ChannelKind
from connectors.desk.database import database_url, migrate, open_database
from connectors.desk.schema import OutboxState
from connectors.desk.store import ChannelRow, Store
from deploy.cli.alerts import list_alerts, show
from deploy.errors import Fault, Refused
from pipeline.contracts import codec
from pipeline.contracts.records import Alert, AlertState
from tests.golden.desk.alert import ALERT

CHANNELS = (
    ChannelRow("console", ChannelKind.CONSOLE, "console"),
    ChannelRow("hook", ChannelKind.WEBHOOK, "a hook"),
)


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


@pytest.mark.usefixtures("_tables")
def test_the_latest_come_first_and_a_topic_and_a_number_are_kept_to(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_database(database_url(home, None))
    alerts = [
        replace(
            ALERT,
            alert_id=f"a{n}",
            topic=("taiwan", "us-trade")[n % 2],
            raised_at=ALERT.raised_at + timedelta(hours=n),
        )
        for n in range(5)
    ]
    Store(engine).take(alerts, (), ALERT.revised_at)
    engine.dispose()

    def listed(topic: str | None, limit: int) -> list[str]:
        list_alerts(topic, limit)
        return [line.split()[0] for line in capsys.readouterr().out.splitlines()]

    assert listed(None, 20) == ["a4", "a3", "a2", "a1", "a0"]
    assert listed(None, 2) == ["a4", "a3"]
    assert listed("us-trade", 20) == ["a3", "a1"]
    assert listed("taiwan", 1) == ["a4"]


@pytest.mark.usefixtures("_tables")
def test_an_alert_is_shown_by_its_id_or_a_beginning_that_no_other_has(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_database(database_url(home, None))
    store = Store(engine)
    gone = ChannelRow("gone", ChannelKind.WEBHOOK, "gone")
    store.start((gone,), ALERT.revised_at)
    alerts = [replace(ALERT, alert_id=i, revision=r) for i in ("ab", "abc") for r in (1, 2)]
    store.take(alerts, (gone,), ALERT.revised_at)
    store.start(CHANNELS, ALERT.revised_at)
    engine.dispose()

    def shown(start: str, revision: int | None = None) -> Alert:
        show(start, revision, as_json=True)
        return codec.decode(Alert, capsys.readouterr().out.encode())

    assert shown("ab") == alerts[1], "the whole id, though it begins another's"
    assert shown("abc", 1) == alerts[2]
    with pytest.raises(Refused, match="several alerts begin with a: ab, abc"):
        shown("a")
    with pytest.raises(Refused, match="has no revision 3; it has 1 to 2"):
        shown("ab", 3)

    show("abc")
    text = capsys.readouterr().out
    assert "  2  gone: dropped at " in text
    assert text.endswith("the channel is no longer configured\n")
    assert "Held back\n  1  gone at " in text


@pytest.mark.usefixtures("_tables")
def test_an_argument_that_is_no_text_is_not_found(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Refused, match="no alert begins with \ufffd"):
        show("\udcff")
    list_alerts("\udcff")
    assert capsys.readouterr() == ("", "no alert on \ufffd yet\n")
    with pytest.raises(Refused, match=r"no alert begins with x{200};"):
        show("x" * 100_000)


@pytest.mark.usefixtures("_tables")
def test_an_alert_that_a_newer_program_kept_is_one_line(home: Path) -> None:
    engine = open_database(database_url(home, None))
    Store(engine).take([ALERT], (), ALERT.revised_at)
    with engine.begin() as connection:
        connection.exec_driver_sql("update desk_revision set record = ?", (b'{"schema":99}',))
    engine.dispose()

    with pytest.raises(Fault, match="newer Straitwatch"):
        list_alerts()


@pytest.mark.usefixtures("_tables")
@pytest.mark.parametrize(
    ("still_open", "said"),
    [(False, "no alert is undelivered\n"), (True, "no alert that is open is undelivered\n")],
)
def test_where_all_arrived_nothing_is_undelivered(
    still_open: bool, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    list_alerts(still_open=still_open, undelivered=True)

    assert capsys.readouterr() == ("", said)


@pytest.mark.usefixtures("_tables")
def test_alerts_with_a_message_that_reached_nobody_are_listed_with_what_became_of_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts = [
        replace(ALERT, alert_id=name, raised_at=ALERT.raised_at + timedelta(hours=n))
        for n, name in enumerate(("refused", "sent", "waiting", "dead", "closed-dead"))
    ]
    alerts[-1] = replace(alerts[-1], state=AlertState.CLOSED)
    now = ALERT.revised_at
    engine = open_database(database_url(home, None))
    store = Store(engine)
    store.start(CHANNELS, now)
    store.take(alerts, CHANNELS, now)
    ends = {"refused": OutboxState.REFUSED, "dead": OutboxState.DEAD, "sent": OutboxState.SENT}
    for channel in CHANNELS:
        while (row := store.claim(channel.id, now)) is not None:
            end = ends.get(row.alert_id.removeprefix("closed-"))
            if channel.id == "console":
                store.finish(row.id, OutboxState.SENT, now, None)
            elif end is None:
                store.postpone(row.id, now + timedelta(hours=1), "later")
            else:
                store.finish(row.id, end, now, "the receiver\nsaid no")
    engine.dispose()

    list_alerts(undelivered=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[::2]] == ["closed-dead", "dead", "refused"]
    assert lines[-1].startswith(f"  {ALERT.revision}  a hook: refused at ")
    assert lines[-1].endswith("attempts 1: the receiver said no")

    list_alerts(undelivered=True, still_open=True, limit=1, as_json=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert codec.decode(Alert, line.encode()) == alerts[3]

    list_alerts()
    assert len(capsys.readouterr().out.splitlines()) == 5
