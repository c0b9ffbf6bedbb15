"""Files that commands write: whole or not at all, and never in the place of a device."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from deploy.output import replace_file, written

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


@pytest.mark.parametrize("write", [replace_file, lambda path, text: _through(path, text)])
def test_a_file_is_on_the_disk_before_it_takes_a_name_and_the_name_after(
    write: Callable[[Path, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "note.json"
    target.write_text("old")
    seen: list[tuple[bool, str]] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        real(handle)
        seen.append((stat.S_ISDIR(os.fstat(handle).st_mode), target.read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    write(target, "new")

    assert seen == [(False, "old"), (True, "new")]
    assert list(tmp_path.iterdir()) == [target]


def _through(path: Path, text: str) -> None:
    with written(path) as file:
        file.write(text)


def test_a_file_that_the_disk_does_not_take_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "note.json"
    replace_file(target, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(target, "new")

    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(("error", "taken"), [(22, True), (5, False)])
def test_a_file_system_that_cannot_wait_for_a_folder_takes_files_and_a_broken_disk_does_not(
    error: int, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", fsync)
    with nullcontext() if taken else pytest.raises(OSError, match="Input/output"):
        replace_file(tmp_path / "note.json", "new")

    assert (tmp_path / "note.json").read_text() == "new"
