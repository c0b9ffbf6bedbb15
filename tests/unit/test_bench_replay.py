"""What `bench replay` says of a file that is no archive."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from deploy.bench.replay import run_replay
from deploy.errors import WrongUse

DAYS = date(2026, 7, 9), date(2026, 7, 31)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b"no JSON\n", ":1: no article"),
        ("a.jsonl", b"[]\n", ":1: no article"),
        ("a.jsonl", b'{"title": "x"}\n', ":1: .*fetched_at.* missing"),
        ("a.jsonl", b"\xff\n", ":0: no article"),
        ("a.jsonl.zst", b"no zstd", ":0: no article"),
        ("a.jsonl", b"", "has no articles fetched on 2026-07-31"),
    ],
)
def test_what_is_no_archive_is_one_line(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(WrongUse, match=says) as raised:
        run_replay(tmp_path / name, *DAYS, 20, lambda _: None)

    assert "\n" not in str(raised.value)
