"""What `run.sh` does for each command; the programs that it calls only note that they were."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTES = """#!/bin/sh
echo "${0##*/} $*" >>"$CALLS"
"""


class Checkout:
    """A folder with `run.sh` and an environment of stand-ins."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._calls = folder / "calls"
        shutil.copy(ROOT / "run.sh", folder)
        (folder / "pyproject.toml").touch()
        (folder / "deploy" / "locks").mkdir(parents=True)
        for lock in ("python", "python-dev", "java"):
            (folder / "deploy" / "locks" / f"{lock}.lock").write_text(lock)
        programs = folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        for name in ("python", "pip", "straitwatch", "ruff", "lint-imports", "mypy"):
            (programs / name).write_text(NOTES)
            (programs / name).chmod(0o755)
        # No more is on the PATH than `run.sh` itself needs, whatever this machine has.
        self._programs = folder / "programs"
        self._programs.mkdir()
        for name in ("bash", "sh", "cat", "cksum", "dirname", "sed", "head"):
            (self._programs / name).symlink_to(shutil.which(name) or name)
        (self._programs / "java").write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\"' >&2\n")
        (self._programs / "java").chmod(0o755)
        self._environment = {"PATH": str(self._programs), "JAVA_HOME": ""}

    def run(self, *arguments: str) -> list[str]:
        """What was called."""
        self._calls.write_text("")
        done = self.result(*arguments)
        assert done.returncode == 0, done.stderr
        return self._calls.read_text().splitlines()

    def result(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "run.sh", *arguments],
            cwd=self._folder,
            env={**os.environ, **self._environment, "CALLS": str(self._calls)},
            check=False,
            capture_output=True,
            text=True,
        )

    def lose_java(self) -> None:
        """From now on there is none on the PATH."""
        (self._programs / "java").unlink()

    def lose_network(self) -> None:
        """From now on there are no packages to be had."""
        (self._folder / ".venv" / "bin" / "pip").write_text("#!/bin/sh\nexit 1\n")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_run_sh_is_sound_bash() -> None:
    assert subprocess.run(["bash", "-n", ROOT / "run.sh"], check=False).returncode == 0


def test_a_command_of_the_service_gets_its_arguments_after_the_installation(
    checkout: Checkout,
) -> None:
    calls = checkout.run("demo", "--json", "--keep", "a folder")

    assert any(call.startswith("pip install") and "--require-hashes" in call for call in calls)
    assert calls[-2:] == [
        "python -m deploy.local.setup.install",
        "straitwatch demo --json --keep a folder",
    ]


def test_a_second_start_installs_nothing(checkout: Checkout) -> None:
    checkout.run("up")

    assert not [call for call in checkout.run("up") if call.startswith("pip")]


def test_what_only_tests_need_is_looked_for_by_the_tests_alone(checkout: Checkout) -> None:
    """Where it cannot be had, looking for it takes its time."""
    tests = "python -m deploy.local.setup.install --tests"

    assert tests in checkout.run("test", "-x")
    for command in ("up", "lint", "types", "bench", "fuzz", "chaos", "install"):
        calls = checkout.run(command)
        assert tests not in calls
        assert not [call for call in calls if call.startswith("pip")], "the tests' lock has it all"


def test_where_there_is_no_java_one_is_installed_once(checkout: Checkout) -> None:
    checkout.run("up")
    checkout.lose_java()

    assert [call for call in checkout.run("up") if "java.lock" in call]
    assert not [call for call in checkout.run("up") if call.startswith("pip")]


def test_where_no_java_is_to_be_had_the_last_line_says_what_to_do(checkout: Checkout) -> None:
    checkout.run("up")
    checkout.lose_java()
    checkout.lose_network()

    done = checkout.result("up")

    assert done.returncode == 1
    assert "put a Java of 17 or newer on the PATH" in done.stderr.splitlines()[-1]
