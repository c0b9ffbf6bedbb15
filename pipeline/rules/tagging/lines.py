"""Where something stands in a TOML file: the reader of the standard library does not say."""

from __future__ import annotations

import re
from typing import Final

_HEADER: Final = re.compile(r"\s*\[\[?\s*([A-Za-z0-9_-]+)\s*\]\]?\s*(?:#.*)?$")
_KEY: Final = re.compile(r"""\s*["']?([A-Za-z0-9_-]+)["']?\s*=""")


class Lines:
    """The lines of a file, by table and key."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._tables: dict[tuple[str, int], tuple[int, int]] = {}
        """(table name, its index) -> first and last line, from 0."""
        counts: dict[str, int] = {}
        starts: list[tuple[str, int, int]] = []
        for number, line in enumerate(self._lines):
            header = _HEADER.match(line)
            if header:
                name = header.group(1)
                starts.append((name, counts.get(name, 0), number))
                counts[name] = counts.get(name, 0) + 1
        self._top = starts[0][2] if starts else len(self._lines)
        ends = [start for _, _, start in starts[1:]] + [len(self._lines)]
        # A file without a table has one end too many.
        for (name, index, start), end in zip(starts, ends, strict=False):
            self._tables[name, index] = (start, end)

    def find(self, table: str, index: int | None, literal: str | None) -> int:
        """The line, from 1, of a table, or of a key or text in it.

        Args:
            table: a table's name, or a key of the file itself when ``index`` is None.
            index: which of the tables of that name, from 0.
            literal: a key of the table, or text inside it; None: its header.
        """
        if index is None:
            return self._top_key(table)
        start, end = self._tables.get((table, index), (0, len(self._lines)))
        if literal:
            for number in range(start, end):
                key = _KEY.match(self._lines[number])
                if key and key.group(1) == literal:
                    return number + 1
            for number in range(start, end):
                if f'"{literal}"' in self._lines[number] or f"'{literal}'" in self._lines[number]:
                    return number + 1
        return start + 1

    def _top_key(self, name: str) -> int:
        for number in range(self._top):
            key = _KEY.match(self._lines[number])
            if key and key.group(1) == name:
                return number + 1
        start, _ = self._tables.get((name, 0), (0, 0))
        return start + 1
