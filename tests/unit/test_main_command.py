"""The command itself: its version, and an output that nobody takes."""

from __future__ import annotations

import importlib
import os
import pty
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from deploy.cli.main import COMMANDS

_STRAITWATCH = [sys.executable, "-m", "deploy.cli"]


@pytest.mark.parametrize("arguments", [["--help"], ["topics", "explain", "harbour", "--json"]])
def test_a_full_disk_behind_the_output_is_one_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*_STRAITWATCH, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert done.returncode == 1
    assert done.stderr.startswith("straitwatch: the output: No space left on device")
    assert done.stderr.count("\n") == 1


def test_a_terminal_that_cannot_show_a_sign_gets_an_escape() -> None:
    done = subprocess.run(
        [*_STRAITWATCH, "topics", "explain", "日本が中国に抗議"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u65e5\\u672c" in done.stdout


@pytest.mark.parametrize(("set_to", "coloured"), [("1", False), ("", True)])
def test_a_terminal_is_shown_colours_unless_no_color_is_set(set_to: str, coloured: bool) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*_STRAITWATCH, "topics", "explain", "Tokyo protests to Beijing"],
        stdout=theirs,
        check=False,
        env=os.environ | {"NO_COLOR": set_to},
    )
    os.close(theirs)
    said = os.read(ours, 65_536)
    os.close(ours)

    assert done.returncode == 0
    assert (b"\x1b[" in said) == coloured


def test_the_version_is_that_of_the_package() -> None:
    done = subprocess.run([*_STRAITWATCH, "--version"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.strip()) == (0, version("straitwatch"))


def test_every_command_shows_an_example_and_every_option_says_what_it_is() -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    for module in dict.fromkeys(COMMANDS.values()):
        importlib.import_module(f"deploy.cli.{module}").register(app)
    wrong = []
    groups = [("straitwatch", typer.main.get_command(app))]
    for path, command in groups:
        if inner := getattr(command, "commands", None):
            groups += [(f"{path} {name}", each) for name, each in inner.items()]
        elif path not in (command.help or "").partition("Example: ")[2]:
            wrong.append(path)
        wrong += [
            f"{path} {option.name}"
            for option in command.params
            if option.param_type_name == "option" and not getattr(option, "help", None)
        ]
    assert wrong == []
