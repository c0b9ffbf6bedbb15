"""Where the demo keeps its data."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.demo.run import run_demo
from deploy.errors import WrongUse


@pytest.mark.parametrize("place", [".", "file/new"])
def test_a_folder_that_cannot_be_made_is_wrong_use_and_nothing_is_started(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    said: list[str] = []

    with pytest.raises(WrongUse, match="name a new folder"):
        run_demo(said.append, lambda _: None, tmp_path / place)
    assert not said
