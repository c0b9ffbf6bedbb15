"""An input that cannot be read ends every command alike: a folder is wrong use, else not found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.archive import Archive, read_sources
from deploy.backtest.run import read_statuses
from deploy.backtest.truth import read_truth
from deploy.cli.backtest import backtest
from deploy.cli.detect import detect
from deploy.cli.stories import stories
from deploy.cli.tag import tag
from deploy.errors import Refused, WrongUse, unreadable

READERS: dict[str, Callable[[Path, Path], object]] = {
    "tag --in": lambda path, out: tag(path, out),
    "stories --in": lambda path, out: stories(path, out),
    "detect --events": lambda path, out: detect(path, path, out),
    "backtest --articles": lambda path, out: backtest(path, out),
    "--feeds": lambda path, _: read_sources(path),
    "--truth": lambda path, _: read_truth(path),
    "--feed-status": lambda path, _: read_statuses(path),
    "an archive": lambda path, _: list(Archive(path)),
}


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_not_there_is_not_found(name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(Refused, match=r"absent: no such file or directory; give a file"):
        READERS[name](tmp_path / "absent", out)
    assert not out.exists()


@pytest.mark.parametrize("name", READERS)
def test_a_folder_in_place_of_a_file_is_wrong_use(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(WrongUse, match=r"folder: is a folder; give a file"):
        READERS[name](folder, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [folder]


def test_a_file_that_we_may_not_read_is_refused() -> None:
    fault = unreadable(Path("secret.jsonl"), PermissionError(13, "Permission denied"))
    assert fault.exit_code == 3
    assert str(fault) == "secret.jsonl: permission denied; give a file that can be read"
