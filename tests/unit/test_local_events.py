"""What `up` says, where nobody can listen any more."""

from __future__ import annotations

import errno
import io
import os
import sys

import pytest

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
