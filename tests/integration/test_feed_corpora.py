"""The evaluation data's own check programs on `feeds parse` and `feeds fetch`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.evaluation, pytest.mark.slow]


@pytest.fixture
def corpora() -> Path:
    folder = os.environ.get("STRAITWATCH_EVAL_DATA")
    if not folder:
        pytest.skip("STRAITWATCH_EVAL_DATA names no folder")
    return Path(folder) / "corpora"


def straitwatch() -> str:
    return str(Path(sys.executable).with_name("straitwatch"))


def passes(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command, "--bin", straitwatch()],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_the_expectations_of_other_parsers_suites_are_met(corpora: Path) -> None:
    passes(str(corpora / "feeds" / "check_feeds.py"))


def test_every_hostile_document_ends_safely(corpora: Path) -> None:
    passes(str(corpora / "hostile" / "check_hostile.py"), "docs")


def test_every_hostile_http_behaviour_ends_safely(corpora: Path) -> None:
    passes(str(corpora / "hostile" / "check_hostile.py"), "http")
