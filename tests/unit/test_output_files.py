"""Files that commands write: whole or not at all, and never in the place of a device."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.output import written

SCRIPT = """
import pathlib
print("before", flush=True)
from deploy.output import written
with written(pathlib.Path("/dev/stdout")) as file:
    file.write("line\\n")
"""


def test_standard_output_that_a_shell_sent_to_a_file_is_written_to_and_not_replaced(
    tmp_path: Path,
) -> None:
    with (tmp_path / "out").open("w") as out:
        subprocess.run([sys.executable, "-c", SCRIPT], stdout=out, check=True, timeout=30)
    assert (tmp_path / "out").read_text() == "before\nline\n"
    assert Path("/dev/stdout").is_symlink()


def test_a_file_appears_when_its_writing_ended_well_and_stays_when_it_did_not(
    tmp_path: Path,
) -> None:
    target = tmp_path / "lines"
    with written(target) as file:
        file.write("old\n")

    def broken() -> None:
        with written(target) as file:
            file.write("half")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        broken()
    assert target.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [target]
