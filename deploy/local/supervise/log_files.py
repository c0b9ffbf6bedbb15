"""Logs of the parts: what a child writes goes through us into files that cannot fill the disk."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 10_000_000
KEPT: Final = 3
"""Old files beside the current one: at most 40 MB a part."""
_REMEMBERED: Final = 20


class RotatingLog:
    """A log file; when it is full it becomes ``….1``, and so on."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES, kept: int = KEPT) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._kept = kept
        self._open()
        self._last: deque[str] = deque(maxlen=_REMEMBERED)

    def write(self, line: bytes) -> None:
        """Append a line, with its end. On a full disk it is dropped: the part must go on."""
        text = line.decode("utf-8", "replace").strip()
        # Events are for programs, and the lines of a Java stack say less than what is above them.
        if not text.startswith(("{", "at ")):
            self._last.append(text)
        try:
            if self._file.closed:
                self._open()
            if self._size and self._size + len(line) > self._max_bytes:
                self._rotate()
            self._size += self._file.write(line)
        except OSError:
            return

    def last_words(self) -> str:
        """The newest line for people: what a part said before it ended."""
        return next((line for line in reversed(self._last) if line), "")[:300]

    def close(self) -> None:
        """No more lines."""
        self._file.close()

    def _rotate(self) -> None:
        # Where the disk takes no new file, the next line tries again.
        self._file.close()
        for number in range(self._kept, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        self._open()

    def _open(self) -> None:
        # Without a buffer: on a full disk nothing is left in it that closing would stumble over.
        self._file = self.path.open("ab", buffering=0)
        self._size = self._file.tell()

    def _numbered(self, number: int) -> Path:
        return self.path if number == 0 else self.path.with_name(f"{self.path.name}.{number}")
