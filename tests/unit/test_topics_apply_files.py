"""`topics apply` without a service: what it installs, and which files are in force then."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import topics_apply
from deploy.applied_topics import install, read_applied
from deploy.errors import Fault
from deploy.local.job.rules_status import (
    LIVE,
    REPLAYING,
    RulesStatus,
    read_status,
    write_status,
)
from deploy.local.run_pipeline import _Force
from deploy.local.supervise.home_lock import home_lock, is_running
from deploy.settings import load
from deploy.topic_files import PACKAGED, load_topics, rules_in_force
from deploy.topics_apply import apply_topics

TOPIC = """
schema = 1
topic = "harbour"

[[set]]
name = "place"
weight = 1.0
en = ["harbour"{more}]
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TOPICS", "FEEDS"):
        monkeypatch.delenv(f"STRAITWATCH_{name}", raising=False)
    monkeypatch.setenv("STRAITWATCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def folder_of(tmp_path: Path, name: str, more: str = "") -> Path:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "harbour.toml").write_text(TOPIC.replace("{more}", more))
    return folder


def test_applied_files_are_in_force_at_the_next_start(tmp_path: Path, home: Path) -> None:
    assert rules_in_force(home, None).folder == PACKAGED
    folder = folder_of(tmp_path, "mine")
    topics = load_topics(folder)

    apply_topics(topics, 10)
    shutil.rmtree(folder)

    found = rules_in_force(home, None)
    assert found.source == "applied"
    assert load_topics(found.folder).version == topics.version


def test_applying_again_what_is_in_force_changes_nothing(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topics = load_topics(folder_of(tmp_path, "mine"))
    apply_topics(topics, 10)
    first = read_applied(home)

    apply_topics(topics, 10)

    assert read_applied(home) == first
    assert "nothing to do" in capsys.readouterr().err


def test_files_of_the_setting_that_changed_after_an_apply_are_the_newer_decision(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = folder_of(tmp_path, "setting")
    monkeypatch.setenv("STRAITWATCH_TOPICS", str(setting))
    apply_topics(load_topics(folder_of(tmp_path, "applied", ', "quay"')), 10)
    assert rules_in_force(home, setting).source == "applied"

    (setting / "harbour.toml").write_text(TOPIC.replace("{more}", ', "pier"'))

    assert rules_in_force(home, setting).source == "setting"


def test_a_setting_that_was_not_there_at_the_apply_is_the_newer_decision(
    tmp_path: Path, home: Path
) -> None:
    apply_topics(load_topics(folder_of(tmp_path, "applied")), 10)

    assert rules_in_force(home, folder_of(tmp_path, "setting", ', "pier"')).source == "setting"


def test_a_pointer_whose_files_are_gone_points_nowhere(tmp_path: Path, home: Path) -> None:
    topics = load_topics(folder_of(tmp_path, "mine"))
    applied = install(home, dict(topics.texts), topics.version, 1.0, None)
    shutil.rmtree(applied.path(home))

    assert read_applied(home) is None
    assert rules_in_force(home, None).folder == PACKAGED


def test_wrong_files_are_told_with_their_place_and_nothing_is_installed(
    tmp_path: Path, home: Path
) -> None:
    folder = folder_of(tmp_path, "wrong", ", 7")

    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "topics", "apply", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert f"{folder}/harbour.toml:" in done.stderr
    assert "Traceback" not in done.stderr
    assert read_applied(home) is None


def test_it_waits_until_the_running_service_says_that_the_rules_are_live(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    topics = load_topics(folder_of(tmp_path, "mine"))
    run = home / "run"
    run.mkdir(parents=True)
    states = iter((REPLAYING, REPLAYING, LIVE))
    monkeypatch.setattr(
        topics_apply.time,
        "sleep",
        lambda _: write_status(run, RulesStatus(topics.version, next(states), None)),
    )
    with home_lock(run):
        assert is_running(run)
        write_status(run, RulesStatus("other", LIVE, None))
        apply_topics(topics, 60)

    said = capsys.readouterr().err
    assert "the service has been asked" in said
    assert "tagged and counted again" in said
    assert f"rules {topics.version} are live; warm: harbour" in said


def test_a_service_that_stops_meanwhile_is_said_in_one_line(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = load_topics(folder_of(tmp_path, "mine"))
    run = home / "run"
    run.mkdir(parents=True)
    running = iter((True, True, True, False))
    monkeypatch.setattr(topics_apply, "is_running", lambda _: next(running))
    monkeypatch.setattr(topics_apply, "_LOOK_SECONDS", 0.0)

    with pytest.raises(Fault, match="next start"):
        apply_topics(topics, 60)

    assert rules_in_force(home, None).source == "applied"


def test_the_folder_of_the_running_service_counts_not_that_of_our_environment(
    tmp_path: Path, home: Path
) -> None:
    setting = folder_of(tmp_path, "setting")
    run = home / "run"
    run.mkdir(parents=True)
    with home_lock(run):
        write_status(run, RulesStatus("other", LIVE, str(setting)))
        apply_topics(load_topics(folder_of(tmp_path, "mine", ', "quay"')), 0)

    assert rules_in_force(home, setting).source == "applied"
    assert read_status(run) is not None


@pytest.mark.parametrize("content", ["", '{"version": "a', '{"other": 1}', "[1]"])
def test_a_pointer_that_cannot_be_read_brings_no_other_rules_into_force(
    content: str, tmp_path: Path, home: Path
) -> None:
    topics = load_topics(folder_of(tmp_path, "mine"))
    apply_topics(topics, 10)
    (home / "topics" / "current.json").write_text(content)

    for rules in (lambda: rules_in_force(home, None), load_topics):
        with pytest.raises(Fault, match=r"topics/current.json: cannot be read .* topics apply"):
            rules()
    apply_topics(topics, 10)

    assert rules_in_force(home, None).source == "applied"
    assert load_topics().version == topics.version


def test_the_newest_five_folders_are_kept_and_the_one_in_force_whatever_the_clock_says(
    home: Path,
) -> None:
    for number in range(7):
        install(home, {"harbour.toml": "x"}, f"v{number}", 1.0, None)
        age(home, number)
    again = install(home, {"harbour.toml": "x"}, "v3", 2.0, None)
    age(home, 7)

    last = install(home, {"harbour.toml": "y"}, "v9", 3.0, None)

    kept = {f.name.partition("-")[0] for f in (home / "topics").iterdir() if f.is_dir()}
    assert kept == {"v9", "v3", "v6", "v5", "v4"}
    assert again.path(home).is_dir()
    assert read_applied(home) == last


def age(home: Path, second: int) -> None:
    """Date what was applied just now: before all that follows, in a known order."""
    applied = read_applied(home)
    assert applied is not None
    os.utime(applied.path(home), (1000 + second, 1000 + second))


def test_applied_files_are_on_the_disk_before_the_pointer_names_them(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    install(home, {"harbour.toml": "x"}, "v1", 1.0, None)

    files, part, parent, pointer, after = synced
    assert (files, parent, after) == ("harbour.toml", "topics", "topics")
    assert part.startswith(".v1-")
    assert pointer.startswith(".current.json.")


def test_a_running_pipeline_goes_on_with_its_rules_while_the_pointer_cannot_be_read(
    tmp_path: Path, home: Path
) -> None:
    apply_topics(load_topics(folder_of(tmp_path, "mine")), 10)
    force = _Force(load())
    pointer = home / "topics" / "current.json"
    pointer.write_text("")

    assert not force.is_changed()
    with pytest.raises(Fault, match="cannot be read"):
        _Force(load())

    apply_topics(load_topics(folder_of(tmp_path, "other", ', "quay"')), 10)
    assert force.is_changed()
