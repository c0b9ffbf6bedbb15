"""What `./run.sh install` brings: everything that a setting may ask for, and no address in it."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
from sqlalchemy import make_url

from connectors.desk.database import open_database
from connectors.desk.errors import WrongDatabase
from deploy.errors import WrongUse
from deploy.feeds import database_faults

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "deploy" / "locks"


def _names(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9.-]+)==", (LOCKS / lock).read_text(), re.MULTILINE))


def test_an_installed_service_has_the_driver_of_each_database_that_a_setting_may_name() -> None:
    assert {"psycopg", "psycopg-binary"} <= _names("python.lock")


def test_an_installed_service_has_every_dependency_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[^A-Za-z0-9-]", line)[0].lower() for line in project["dependencies"]}

    assert wanted - _names("python.lock") == set()


def test_the_tests_run_on_the_versions_of_the_service() -> None:
    service, tests = (
        set(re.findall(r"^[a-z0-9.-]+==[^ ]+", (LOCKS / lock).read_text(), re.MULTILINE))
        for lock in ("python.lock", "python-dev.lock")
    )

    assert service - tests == set()


@pytest.mark.parametrize("lock", ["python.lock", "python-dev.lock", "java.lock"])
def test_no_lock_names_an_index(lock: str) -> None:
    assert not re.search(r"--(extra-)?index-url|--find-links|://", (LOCKS / lock).read_text())


def test_the_versions_of_python_that_are_told_are_those_that_the_start_script_takes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    told = {c.rpartition(" ")[2] for c in project["classifiers"] if ":: Python :: 3." in c}
    taken = set(re.findall(r"\bpython(3\.\d+)\b", (ROOT / "run.sh").read_text()))

    assert told == taken == {"3.11", "3.12", "3.13"}


def test_a_missing_driver_is_told_with_a_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = r"`\./run\.sh install` or `pip install 'psycopg\[binary\]'`"
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(WrongDatabase, match=command):
        open_database(make_url("postgresql+psycopg://me@nowhere.example/news"))

    with pytest.raises(WrongUse, match=command), database_faults():
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")
