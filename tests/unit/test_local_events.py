"""What `up` says, where nobody can listen any more."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import sys

import pytest

from deploy.local.supervise import events
from deploy.local.supervise.events import Listener, json_lines, words


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize(("listener", "name"), [(json_lines, "stdout"), (words, "stderr")])
def test_the_service_goes_on_when_its_words_cannot_be_written(
    listener: Listener, name: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that was closed says EIO: the stop that follows it must still be a clean one."""

    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(sys, name, Gone())

    listener({"event": "stopping"})


def test_the_service_goes_on_when_its_reader_does_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream, os.fdopen(ours, "rb") as reader:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(events, "_READER_SECONDS", 0.0)
        told = 2 * fcntl.fcntl(theirs, fcntl.F_GETPIPE_SZ) // 1_000

        for _ in range(told):  # the last would wait for ever
            json_lines({"event": "part-ended", "last_words": "x" * 1_000})

        taken = reader.read1(1 << 20).splitlines()
        assert 0 < len(taken) < told
        assert all(json.loads(line)["event"] == "part-ended" for line in taken)
        json_lines({"event": "stopped"})
        assert json.loads(reader.readline()) == {"event": "stopped"}


@pytest.mark.parametrize(
    ("more", "when"),
    [({}, "in 4 s"), ({"full_disk": "/data"}, "when there is room again in /data: make some")],
)
def test_a_person_is_told_what_a_part_said_before_it_ended(
    capsys: pytest.CaptureFixture[str], more: dict[str, str], when: str
) -> None:
    ended = {
        "event": "part-ended",
        "part": "feeds",
        "reason": "ended with exit code 1",
        "last_words": "straitwatch: its port is taken; free it",
        "retry_s": 3.7,
    }

    words(ended | more)

    assert capsys.readouterr().err == (
        f"feeds ended with exit code 1 (its port is taken; free it); started again {when}\n"
    )
