"""What is wrong with a setting is one line that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.errors import WrongUse
from deploy.settings import FILE_NAME, load, unknown_variables


def test_a_settings_file_that_is_nested_without_end_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRAITWATCH_HOME", str(tmp_path))
    (tmp_path / FILE_NAME).write_text("x = " + "[" * 100_000)
    with pytest.raises(WrongUse, match="not TOML: nested too deeply"):
        load()


@pytest.mark.parametrize("url", ["nonsense", "mysql://user@host/news", "postgresql://h:x/news"])
def test_a_database_url_that_is_none_is_wrong_use(tmp_path: Path, url: str) -> None:
    with pytest.raises(WrongUse, match="STRAITWATCH_DATABASE_URL") as raised:
        load(home=tmp_path, database_url=url)

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    ["sqlite:////data/news.sqlite", "postgresql://user@host/news", "postgresql+psycopg://h/n"],
)
def test_a_database_url_of_a_kind_that_we_know_is_taken(tmp_path: Path, url: str) -> None:
    taken = load(home=tmp_path, database_url=url).database_url

    assert taken is not None
    assert taken.get_secret_value() == url


def test_a_wrong_database_url_shows_no_password(tmp_path: Path) -> None:
    with pytest.raises(WrongUse) as raised:
        load(home=tmp_path, database_url="oracle://user:hunter2@host/news")

    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("wrong", ["a b:80", "ex%ample:80", "2130706433:80", "host", "host:8²"])
def test_an_inner_host_that_the_guard_cannot_read_is_wrong_use(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(WrongUse, match=r"STRAITWATCH_ALLOW_HOSTS.*is not host:port"):
        load(home=tmp_path, allow_hosts=f"fine.example:80,{wrong}")


@pytest.mark.parametrize("wrong", ["hubs.example", "ftp://hubs.example/", "https://a b/"])
def test_an_address_for_hubs_that_none_can_reach_is_wrong_use(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(WrongUse, match="STRAITWATCH_WEBSUB_URL"):
        load(home=tmp_path, websub_url=wrong)


@pytest.mark.parametrize("wrong", ["a@b.example\r\nX: y", "編集部", "x" * 300])
def test_a_contact_that_no_header_takes_is_wrong_use(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(WrongUse, match="STRAITWATCH_CONTACT"):
        load(home=tmp_path, contact=wrong)


def test_a_settings_file_that_is_not_utf_8_is_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE_NAME).write_bytes(b'contact = "\xe9"\n')
    monkeypatch.setenv("STRAITWATCH_HOME", str(tmp_path))

    with pytest.raises(WrongUse, match="not UTF-8"):
        load()


def test_a_settings_file_that_cannot_be_read_is_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE_NAME).mkdir()
    monkeypatch.setenv("STRAITWATCH_HOME", str(tmp_path))

    # A folder of that name is passed over by the library; a file without rights is not.
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / FILE_NAME))

    monkeypatch.setattr("deploy.settings.TomlConfigSettingsSource", refuse)

    with pytest.raises(WrongUse, match=r"cannot be read \(Permission denied\)"):
        load()


@pytest.mark.parametrize("kafka", ["localhost", "localhost:x", "a:9092,,b:9092", ":9092", "a:0"])
def test_a_kafka_that_is_no_host_and_port_is_wrong_use(tmp_path: Path, kafka: str) -> None:
    with pytest.raises(WrongUse, match="STRAITWATCH_KAFKA_BOOTSTRAP"):
        load(home=tmp_path, kafka_bootstrap=kafka)


def test_several_brokers_are_taken_without_the_spaces_between_them(tmp_path: Path) -> None:
    assert load(home=tmp_path, kafka_bootstrap="a:1, [::1]:2").kafka_bootstrap == "a:1,[::1]:2"


def test_a_variable_that_is_set_to_nothing_is_not_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    for name in ("HOME", "FEEDS", "KAFKA_BOOTSTRAP", "PORT_KAFKA", "CHANNELS", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"STRAITWATCH_{name}", "")

    settings = load()

    assert settings.home == tmp_path / "straitwatch"
    assert (settings.feeds, settings.kafka_bootstrap, settings.port_kafka) == (None, None, 19092)


def test_a_home_in_the_file_that_lies_in_another_one_is_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("STRAITWATCH_HOME", raising=False)
    (tmp_path / "straitwatch").mkdir()
    (tmp_path / "straitwatch" / FILE_NAME).write_text('home = "/data"\n')

    with pytest.raises(WrongUse, match="set STRAITWATCH_HOME instead"):
        load()


def test_a_variable_of_our_prefix_that_sets_nothing_is_named() -> None:
    environment = {
        "STRAITWATCH_CHANELS": "console",
        "STRAITWATCH_CHANNELS": "console",
        "STRAITWATCH_EVAL_DATA": "there",
        "PATH": "/bin",
    }

    assert unknown_variables(environment) == ["STRAITWATCH_CHANELS"]


def test_a_misspelt_variable_is_one_line_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STRAITWATCH_CHANELS", "console")

    load(home=tmp_path)

    said = capsys.readouterr().err
    assert "STRAITWATCH_CHANELS" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("name", ["HOME", "FEEDS", "TOPICS", "CA_FILE"])
def test_the_folder_of_a_user_that_is_not_there_is_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv(f"STRAITWATCH_{name}", "~no-such-user/here")

    with pytest.raises(WrongUse, match="no home folder"):
        load()


def test_a_user_without_a_home_folder_is_told_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container, say; a folder with the name ~ would be made where one stands."""
    monkeypatch.setattr(
        "deploy.settings.user_data_path", lambda *_, **__: Path("~/.local/share/straitwatch")
    )
    monkeypatch.delenv("STRAITWATCH_HOME", raising=False)

    with pytest.raises(WrongUse, match="set STRAITWATCH_HOME"):
        load()


@pytest.mark.parametrize("path", ["a" * 300, "/dev/null/x"])
def test_a_path_that_the_system_refuses_is_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("STRAITWATCH_FEEDS", path)

    with pytest.raises(WrongUse, match=r"STRAITWATCH_FEEDS: .* cannot be read"):
        load(home=tmp_path)


def test_the_file_lies_in_the_home_that_the_setting_names_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE_NAME).write_text("retention_days = 7\n")
    monkeypatch.delenv("STRAITWATCH_HOME", raising=False)
    monkeypatch.setenv("straitwatch_home", str(tmp_path))

    assert load().retention_days == 7
    monkeypatch.delenv("straitwatch_home")
    assert load(home=tmp_path).retention_days == 7
